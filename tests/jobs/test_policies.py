"""Promote by another policy, and within what all coupons may take off."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd

from promo_spark.contracts.decisions import Budget
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import decide, shop

SOME: dict[str, Any] = {"daily_budget": 8.0, "mechanic_budgets": {}, "explore_share": 0.0}
# A policy chooses among options, whichever scenarios they are of: of these a user may get two items or one basket.
FEW = SOME | {"scenarios": ["repurchase", "recommended_item", "bundle", "win_back"]}


def offers_of(promotions: pd.DataFrame) -> pd.DataFrame:
    return promotions[promotions.scenario != "none"]


def test_the_greedy_baseline_keeps_every_promise_and_brings_no_more(lake: Lake, settings: Settings) -> None:
    best, budget, _ = decide(lake, settings, shop(), **FEW)
    simple, of_simple, _ = decide(lake, settings, shop(), policy="greedy", **FEW)
    gained, least = (float(offers_of(rows).incremental_margin.sum()) for rows in (best, simple))
    assert 0 < least < gained
    bound, gap = (of_simple[name].iloc[0] for name in (Budget.bound, Budget.gap))
    assert bound == budget.bound.iloc[0]
    assert abs(1 - least / float(bound) - gap) < 0.01  # of amounts in cents
    assert gap > budget.gap.iloc[0] >= 0


def test_all_coupons_together_take_off_no_more_than_they_may(lake: Lake, settings: Settings) -> None:
    """I04: Σ face value ≤ budget, were every coupon used; a code of its own for each; it holds until its last day."""
    coupons_only = SOME | {"daily_budget": 200.0, "scenarios": ["win_back", "likely_buyer", "new_user_welcome"]}
    free, *_ = decide(lake, settings, shop(), **coupons_only)
    coupons = offers_of(free)
    most = round(float(coupons.coupon_amount.sum()) / 2, 2)
    bounded, budget, _ = decide(lake, settings, shop(), face_budgets={"coupon": most}, **coupons_only)
    kept = offers_of(bounded)
    row: Any = next(budget[budget.constraint == "face:coupon"].itertuples())
    assert 0 < kept.coupon_amount.sum() == row.reserved <= row.planned == Decimal(str(most))
    assert row.offers == len(kept) < len(coupons)
    assert kept.coupon_code.is_unique and (kept.valid_to >= kept.valid_from).all()
