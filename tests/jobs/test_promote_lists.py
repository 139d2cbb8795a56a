"""The promote job with what marketers plan: funds that run out, campaigns that stop, all recomputed without Spark."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from promo_spark.contracts.decisions import Explored
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.silver import PromotionCalendar, PromotionFunds
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import DAY, LakeOfRows, Rows, decide, shop
from tests.jobs.test_pipeline import script

TOMORROW = DAY + datetime.timedelta(1)
# All that is worth while is made: what a list stops is no better use of a user's few places.
WIDE: dict[str, Any] = {"daily_budget": 5000.0, "mechanic_budgets": {}, "explore_share": 0.0, "max_offers_per_user": 6}
FUNDED = {f"p{p}" for p in range(40) if p % 8 in (1, 2)}  # of the categories c1 and c2
FUND: dict[str, Any] = {"partner": "Alpen {AG}", "level": "category", "cost_share": "0.5"}
OVER: dict[str, Any] = {"campaign_id": "over", "start_date": DAY - datetime.timedelta(9)}
OVER["end_date"] = DAY - datetime.timedelta(1)
FUNDS = [FUND | {"fund_id": f"of {c}", "value": c} for c in ("c1", "c2")]


def with_lists(rows: Rows, funds: list[dict[str, Any]], campaigns: list[dict[str, Any]]) -> Rows:
    return rows | {PromotionFunds: funds, PromotionCalendar: campaigns}


def offers_of(promotions: pd.DataFrame) -> pd.DataFrame:
    return promotions[promotions.scenario != "none"]


def on_funded(offers: pd.DataFrame) -> pd.Series:
    return offers.product_ids.map(lambda ids: bool(set(ids) & FUNDED))


def limits(budget: pd.DataFrame) -> Mapping[str, Any]:
    rows: Any = budget.itertuples()
    return {row.constraint: row for row in rows}


@dataclass(frozen=True)
class Decided:
    """What DAY was decided of, the lake, and what was written. Tests that go on in the lake go on in a copy."""

    rows: Rows
    root: str
    promotions: pd.DataFrame
    budget: pd.DataFrame
    metrics: pd.DataFrame


def first_day(spark: SparkSession, settings: Settings, rows: Rows, root: Path) -> Decided:
    promotions, budget, metrics = decide(Lake(spark, str(root)), settings, rows, **WIDE)
    return Decided(rows, str(root), promotions, budget, metrics)


@pytest.fixture(scope="module")
def funded(spark: SparkSession, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Decided:
    """A partner's funds: that of c1 has no end, that of c2 runs out."""
    rows = shop() | {PromotionFunds: [FUNDS[0], FUNDS[1] | {"budget": 60}]}
    return first_day(spark, settings, rows, tmp_path_factory.mktemp("funded") / "lake")


@pytest.fixture(scope="module")
def campaigned(
    spark: SparkSession, settings: Settings, tmp_path_factory: pytest.TempPathFactory, funded: Decided
) -> Decided:
    """The same and campaigns: one of budget 0, one of little, one of a segment that gets offers on baskets too."""
    baskets = funded.promotions[funded.promotions.mechanic.isin(["coupon", "threshold"])]
    days: dict[str, Any] = {"start_date": DAY, "end_date": TOMORROW}
    campaigns = [
        days | {"campaign_id": "0", "scenario": "recommended_item", "budget": 0},
        days | {"campaign_id": "c3", "level": "category", "value": "c3", "budget": 40},
        days | {"campaign_id": "open", "segment": f"group {baskets.segment_id.mode().iloc[0]}"},
        OVER,
    ]
    rows = funded.rows | {PromotionCalendar: campaigns}
    return first_day(spark, settings, rows, tmp_path_factory.mktemp("campaigned") / "lake")


def test_a_fund_that_runs_out_pays_as_far_as_it_reaches_and_the_rest_is_made_without_it(
    lake: Lake, settings: Settings, funded: Decided
) -> None:
    """I16: buyers of a partner's products get its offers, in its name; its fund is never exceeded, over days.

    What the fund reserves and what the shop does are all that is given; explain names the fund.
    """
    shutil.copytree(funded.root, lake.root)
    rows, budget = funded.rows, funded.budget
    offers = offers_of(funded.promotions)
    by_fund = {name: offers[offers.fund_id == name] for name in ("of c1", "of c2")}
    own = offers[on_funded(offers) & offers.fund_id.isna()]
    # the one with a budget leaves offers of its products to the shop; that without one leaves none but bundles
    assert all(len(made) > 1 for made in by_fund.values())
    left_to_shop = own[own.mechanic != "bundle"].product_ids.map(lambda ids: int(ids[0][1:]) % 8)
    assert len(left_to_shop) > 3 and set(left_to_shop) == {2}
    of_c2 = limits(budget)["fund:of c2"]
    assert of_c2.planned == 60 and 45 < of_c2.reserved == by_fund["of c2"].fund_cost.sum() <= 60
    assert of_c2.offers == len(by_fund["of c2"]) > 3 and of_c2.dual_price > 0
    assert "fund:of c1" not in limits(budget)  # no limit, no row
    assert limits(budget)["daily"].reserved == offers.expected_cost.sum()
    # half of what is given, but for a cent that is rounded to the shop
    for made in by_fund.values():
        assert set(made.expected_cost - made.fund_cost) <= {Decimal(0), Decimal("0.01")}
    assert offers[offers.fund_id.isna()].fund_cost.isna().all()
    partner = offers[offers.scenario == "partner_offer"]
    assert len(partner) > 1 and partner.text.str.startswith("Together with Alpen (AG): Product").all()
    assert partner.discount_rate.max() > Decimal("0.2") and partner.fund_id.notna().all()

    told = explained(lake, settings, rows, own[own.mechanic != "bundle"].user_id.iloc[0])
    lost = [line for line in told if " of the fund of c2: " in line]
    reasons = ("the budget fund:of c2 brings more elsewhere", "what the fund of c2 had left did not reach for it")
    assert any(reason in line for line in lost for reason in reasons)
    told = explained(lake, settings, rows, partner.user_id.iloc[0])
    assert any(line.startswith("  offered: partner_offer") and " of the fund of c" in line for line in told)


def test_neither_the_order_of_rows_nor_a_campaign_that_is_over_changes_anything(
    lake: Lake, settings: Settings, funded: Decided
) -> None:
    turned = {table: content[::-1] for table, content in funded.rows.items()}
    again = decide(lake, settings, turned | {PromotionCalendar: [OVER | {"budget": 0}]}, parts=5, **WIDE)
    for before, after in zip((funded.promotions, funded.budget, funded.metrics), again, strict=True):
        pd.testing.assert_frame_equal(before, after)


def explained(lake: Lake, settings: Settings, rows: Rows, user: str) -> list[str]:
    same = settings.model_copy(update={"promote": settings.promote.model_copy(update=WIDE)})
    arguments = {"user": user, "date": DAY.isoformat()}
    decided = LakeOfRows(lake, rows, date=DAY, parts=3)
    told = all_commands()["explain"].start(decided, same, arguments, Progress(Console(file=StringIO())))
    assert "not found again" not in told
    return told.split("\n")


def test_campaigns_bound_their_own_offers_and_no_others(funded: Decided, campaigned: Decided) -> None:
    """One of budget 0 stops its offers, one of little has little, one that is over has no limit.

    What the first of them stops, others take: the day's budget is as it was.
    """
    before, offers, budget = offers_of(funded.promotions), offers_of(campaigned.promotions), campaigned.budget
    group = int(campaigned.rows[PromotionCalendar][2]["segment"].removeprefix("group "))
    assert (before.scenario == "recommended_item").sum() > 10 and "recommended_item" not in set(offers.scenario)
    of = {name: row for name, row in limits(budget).items() if name.startswith("campaign:")}
    assert set(of) == {"campaign:0", "campaign:c3"}
    assert (of["campaign:0"].reserved, of["campaign:0"].offers) == (0, 0)
    in_c3 = offers[offers.campaign_id == "c3"]
    assert 0 < in_c3.expected_cost.sum() == of["campaign:c3"].reserved <= 40 == of["campaign:c3"].planned
    assert set(in_c3.product_ids.explode().map(lambda p: int(p[1:]) % 8)) == {3}
    # what names no products has the basket's offers too
    in_open = offers[offers.campaign_id == "open"]
    assert set(in_open.segment_id) == {group} and in_open.mechanic.isin(["coupon", "threshold"]).any()
    assert offers[(offers.segment_id == group) & offers.campaign_id.isna()].empty


def test_the_next_day_has_what_the_first_one_left_of_funds_and_campaigns(
    lake: Lake, settings: Settings, campaigned: Decided
) -> None:
    """I16: what a fund reserved on the first day and reserves on the second is never more than it has."""
    shutil.copytree(campaigned.root, lake.root)
    first = limits(campaigned.budget)
    promotions, budget, _ = decide(lake, settings, campaigned.rows, date=TOMORROW, **WIDE)
    second, paid = limits(budget), offers_of(promotions)
    assert 40 < first["fund:of c2"].reserved <= 60 and second["fund:of c2"].planned == 60 - first["fund:of c2"].reserved
    assert first["fund:of c2"].reserved + paid[paid.fund_id == "of c2"].fund_cost.sum() <= 60
    assert first["campaign:c3"].reserved > 0 and second["campaign:c3"].planned == 40 - first["campaign:c3"].reserved


def test_explored_users_draw_from_what_lists_leave(lake: Lake, settings: Settings) -> None:
    """All that could be drawn is written down with who would pay; no small fund or campaign keeps users from it."""
    half: dict[str, Any] = WIDE | {"explore_share": 0.5, "explore_budget_share": 1.0, "daily_budget": 5000.0}
    half["scenarios"] = ["repurchase", "recommended_item", "bundle", "win_back", "partner_offer"]
    small = {"campaign_id": "small", "start_date": DAY, "end_date": DAY, "scenario": "recommended_item", "budget": 1}
    lists = with_lists(shop(), [FUNDS[0] | {"budget": 1}, FUNDS[1]], [small])
    promotions, budget, _ = decide(lake, settings, lists, **half)
    explored = pl.read_delta(lake.path(Explored)).filter(pl.col("date") == DAY).to_pandas()
    users = explored.groupby("user_id")
    assert len(users) > 40 and (users.chosen.sum() == 1).all()
    offers = (
        explored[explored.scenario != "none"].groupby("user_id").action_propensity.agg(["first", "nunique", "size"])
    )
    assert (offers["nunique"] == 1).all() and (users.size() == offers["size"] + 1).all()  # and none
    assert ((offers["first"].astype(float) - 0.75 / offers["size"]).abs() <= 5.1e-7).all()
    assert set(explored.fund_id.dropna()) == {"of c2"} and explored[explored.fund_id.notna()].fund_cost.notna().all()
    assert "recommended_item" not in set(explored.scenario) and len(set(explored.scenario)) > 3
    made = promotions[promotions.arm == "explore"].set_index("user_id").promotion_id
    assert (made.sort_index() == explored[explored.chosen].set_index("user_id").promotion_id.sort_index()).all()
    assert (budget.reserved <= budget.planned).all()


@pytest.mark.parametrize("listed", [True, False])
def test_the_script_that_checks_promises_knows_the_lists(
    lake: Lake, settings: Settings, campaigned: Decided, listed: bool
) -> None:
    """With the lists in the lake nothing is broken; without them it tells what stands under nothing."""
    shutil.copytree(campaigned.root, lake.root)
    stored = LakeOfRows(lake, campaigned.rows, date=DAY, parts=1)
    for table in (UserProfile, ProductProfile):
        lake.write(table, stored.read(table), {"as_of": DAY})
    if listed:
        for listing in (PromotionFunds, PromotionCalendar):
            lake.write(listing, stored.read(listing))
    of_run = settings.model_copy(update={"promote": settings.promote.model_copy(update=WIDE)})
    broken = script("check_promotions").broken_promises(Path(lake.root), DAY, of_run)
    of_lists = {
        "planned is what the settings plan, and what earlier dates left of funds, campaigns and stock",
        "a fund pays for what it names, as long as it is in force",
        "a campaign has offers of its days, scenario and products only",
    }
    assert {promise for promise, n in broken.items() if n} == (set() if listed else of_lists)
