"""What users who are held out would have been given: as everybody else, remembered, and given to nobody."""

from __future__ import annotations

import datetime
from typing import Any

import pandas as pd
import polars as pl
import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.withheld import Withheld
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import DAY, arm_of, decide, shop

NEXT = DAY + datetime.timedelta(1)
HELD_OUT = 0.4
PLENTY: dict[str, Any] = {"daily_budget": 1e7, "mechanic_budgets": {}, "face_budgets": {}, "explore_share": 0.0}
TERMS = ["user_id", "promotion_id", "rank", "mechanic", "valid_to", "expected_cost", "incremental_margin"]
Decided = tuple[Lake, pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def decided(spark: SparkSession, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Decided:
    """The lake, its promotions and what was withheld, of DAY."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("withheld") / "lake"))
    promotions, *_ = decide(lake, settings, shop(), holdout_share=HELD_OUT, **PLENTY)
    return lake, promotions, withheld(lake, DAY)


def withheld(lake: Lake, date: datetime.date) -> pd.DataFrame:
    rows = pl.read_delta(lake.path(Withheld)).filter(pl.col("date") == date)
    return rows.sort("user_id", "rank").to_pandas()


def held_out(settings: Settings) -> set[str]:
    """Those who would get offers but for the holdout."""
    return {
        u["user_id"]
        for u in shop()[UserProfile]
        if u["consent_marketing"] and arm_of(u["user_id"], settings.promote.holdout_key, HELD_OUT) == "holdout"
    }


def test_who_is_held_out_would_get_what_they_get_without_a_holdout(
    decided: Decided, lake: Lake, settings: Settings
) -> None:
    """K04: the other side of an offer is who would have had it, by the same rules."""
    _, promotions, rows = decided
    everybody, *_ = decide(lake, settings, shop(), holdout_share=0.0, **PLENTY)
    got = everybody[(everybody.mechanic != "none") & everybody.user_id.isin(held_out(settings))]
    assert len(got) > 20
    pd.testing.assert_frame_equal(rows[TERMS], got[TERMS].reset_index(drop=True))
    assert not set(rows.promotion_id) & set(promotions.promotion_id)
    assert set(promotions[promotions.user_id.isin(rows.user_id)].mechanic) == {"none"}
    assert withheld(lake, DAY).empty  # without a holdout nobody is


def test_at_the_prices_of_scarce_budgets_as_many_would_get_offers(lake: Lake, settings: Settings) -> None:
    """K04: what budgets keep from users with offers they keep from those held out."""
    scarce = PLENTY | {"daily_budget": 60.0}
    promotions, *_ = decide(lake, settings, shop(), holdout_share=HELD_OUT, **scarce)
    rows = withheld(lake, DAY)
    treated = promotions[(promotions.arm == "treatment") & ~promotions.reason_codes.map(lambda r: "no_consent" in r)]
    offers = treated[treated.mechanic != "none"]
    given = offers.expected_cost.astype(float).sum() / treated.user_id.nunique()
    kept = rows.expected_cost.astype(float).sum() / len(held_out(settings))
    assert 30.0 < offers.expected_cost.astype(float).sum() <= 60.0  # it binds
    assert given / 2 < kept < given * 2


def test_what_would_still_hold_is_not_made_again(decided: Decided, settings: Settings) -> None:
    lake, _, before = decided
    promotions, *_ = decide(lake, settings, shop(), date=NEXT, holdout_share=HELD_OUT, **PLENTY)
    after = withheld(lake, NEXT)
    most = settings.promote.max_offers_per_user
    held = before.groupby("user_id").size()
    together = held.add(after.groupby("user_id").size(), fill_value=0)
    assert together.max() <= most and (held == most).any()
    assert not set(after.user_id) & set(held[held == most].index)
    assert not promotions.revokes.map(lambda ids: ids is not None and len(ids) > 0).any()
