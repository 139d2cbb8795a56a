"""The promote job on a random shop: all promises recomputed from the written tables, without Spark."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from jobs.promote import run
from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules, Forecasts, Metrics, Recommendations, Segments
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions, Users
from promo_spark.errors import SettingsError
from promo_spark.runtime.job import Context
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake

DAY = datetime.date(2017, 12, 1)
CENT = Decimal("0.01")
USERS, PRODUCTS, CATEGORIES = 240, 40, 8

Rows = dict[type[Table], list[dict[str, Any]]]


def days_before(days: int) -> datetime.date:
    return DAY - datetime.timedelta(days=days)


def shop(seed: int = 7) -> Rows:
    """A shop with every kind of user and product: no price, no margin, no consent, no order, nothing due."""
    draw = np.random.default_rng(seed)
    products = [product(p, draw) for p in range(PRODUCTS)]
    users = [user(u, draw) for u in range(USERS)]
    sold = [line(o, draw) for o in range(1500)]
    rows: Rows = {
        ProductProfile: products,
        UserProfile: users,
        Segments: [
            {
                "as_of": DAY,
                "user_id": u["user_id"],
                "segment_id": i % 4 if u["orders"] else 0,
                "segment_name": f"group {i % 4 if u['orders'] else 0}",
            }
            for i, u in enumerate(users)
        ],
        OrderLines: sold,
        Users: [],
        Recommendations: [
            {"as_of": DAY, "user_id": u["user_id"], "rank": rank, "product_id": f"p{p}", "source": "als"}
            for u in users
            for rank, p in enumerate(draw.permutation(PRODUCTS)[:6], start=1)
        ],
        BasketRules: [
            {
                "as_of": DAY,
                "level": "subcategory",
                "antecedent": [f"s{a}"],
                "consequent": [f"s{b}"],
                "confidence": 0.5,
                "lift": lift,
                "is_bundle": lift > 1,
            }
            for a, b, lift in [(1, 2, 4.0), (2, 1, 4.0), (3, 4, 2.0), (5, 6, 0.8)]
        ],
        Forecasts: [
            {
                "as_of": DAY,
                "series_id": f"product:p{p}",
                "level": "product",
                "item_id": f"p{p}",
                "day": DAY,
                "model": model,
                "units": units,
                "champion": first,
            }
            for p in range(0, PRODUCTS, 3)
            for model, first, units in [("a", True, 0.1 * (p % 5)), ("b", False, 0.0)]
        ],
        Campaigns: [{"campaign_id": "c1", "start_date": days_before(60), "end_date": days_before(30)}],
        Contacts: [{"campaign_id": "c1", "user_id": f"u{u}"} for u in range(0, USERS, 2)],
        Redemptions: [
            {"user_id": f"u{u}", "coupon_id": "k", "campaign_id": "c1", "redeemed_on": days_before(50)}
            for u in range(0, USERS, 10)
        ],
    }
    return rows


def product(p: int, draw: np.random.Generator) -> dict[str, Any]:
    price = Decimal(int(draw.integers(9, 2000))) / 100
    cost_share = Decimal("0.97") if p % 9 == 0 else Decimal("0.70")  # every ninth has no room for an offer
    return {
        "as_of": DAY,
        "product_id": f"p{p}",
        "title": f"Product {p} {{new}}" if p == 5 else f"Product {p}",
        "category": f"c{p % CATEGORIES}",
        "subcategory": f"s{p % CATEGORIES}",
        "promotable": p % 7 != 0,
        "list_price": None if p % 11 == 10 else price,
        # every third sells at a fifth off: floor 0.70 / 0.95 = 0.737 of the list price, so up to 7 % more may come off
        "charged_price": None if p % 11 == 10 else (price * Decimal("0.8") if p % 3 == 1 else price).quantize(CENT),
        "unit_cost": None if p % 11 == 10 else price * cost_share,
        "cost_is_assumed": p % 2 == 0,
        "units_28d": int(draw.integers(0, 50)),
        "buyers": p,
    }


def user(u: int, draw: np.random.Generator) -> dict[str, Any]:
    row: dict[str, Any] = {
        "as_of": DAY,
        "user_id": f"u{u}",
        "main_channel": "store",
        "consent_marketing": [True, True, True, True, False, None][u % 6],
    }
    if u % 12 == 1:  # registered, never bought
        return row | {"orders": 0, "lifecycle": "new"}
    again = [
        {
            "product_id": f"p{p}",
            "orders": 2 + int(draw.integers(0, 9)),
            "cadence_days": 14.0,
            "last_bought": days_before(10),
            "due_date": days_before(int(draw.integers(-5, 6))),
        }
        for p in sorted(draw.permutation(PRODUCTS)[:4].tolist())
    ]
    return row | {
        "orders": 3,
        "lifecycle": ["repeat", "loyal", "lapsing", "lost"][u % 4],
        "recency_days": 20,
        "basket_median": float(draw.uniform(2, 80)),
        "discounted_lines_share": round(float(draw.uniform(0, 1)), 6),
        "repurchases": again,
        "interests": [{"category": f"c{u % CATEGORIES}", "share": 0.5}],
    }


def line(o: int, draw: np.random.Generator) -> dict[str, Any]:
    return {
        "order_id": f"o{o // 3}",
        "line_no": o % 3 + 1,
        "user_id": f"u{o // 3 % USERS}",
        "product_id": f"p{draw.integers(0, PRODUCTS)}",
        "quantity": 1,
        "amount_paid": 2,
        "list_amount": 3,
        "discount_retail": int(draw.integers(0, 2)),
        "order_date": days_before(int(draw.integers(1, 60))),
    }


class LakeOfRows(Lake):
    """A lake whose input tables are rows at hand, of any date, so that only what the job writes has to be stored."""

    def __init__(self, lake: Lake, rows: Rows, *, date: datetime.date, parts: int) -> None:
        super().__init__(lake.spark, lake.root)
        self.rows, self.date, self.parts = rows, date, parts

    def exists(self, table: type[Table]) -> bool:
        return table in self.rows or super().exists(table)

    def read(self, table: type[Table], version: int | None = None, date: datetime.date | None = None) -> DataFrame:
        if table not in self.rows:
            return super().read(table, version, date)
        of_date = {table.dated_by: self.date} if table.dated_by else {}
        rows = [row | of_date for row in self.rows[table]]
        return table.frame(self.spark, rows).repartition(self.parts)


def decide(
    lake: Lake, settings: Settings, rows: Rows, *, date: datetime.date = DAY, parts: int = 1, **changes: Any
) -> tuple[pd.DataFrame, ...]:
    """The job run once; its tables of the date as written, through an independent reader."""
    chosen = settings.promote.model_copy(update=changes)
    inputs = LakeOfRows(lake, rows, date=date, parts=parts)
    ctx = Context(run, date, chosen, settings.business, "r1", inputs, Step(Progress(), "promote"))
    try:
        run.function(ctx)
    finally:
        ctx.release()
    tables = [
        (Promotions, "date", ["user_id", "rank"]),
        (Budget, "date", ["constraint"]),
        (Metrics, "as_of", ["metric", "slice"]),
    ]
    return tuple(
        pl.read_delta(lake.path(table)).filter(pl.col(day) == date).sort(key).to_pandas() for table, day, key in tables
    )


def arm_of(user_id: str, key: str, share: float) -> str:
    """The holdout by its definition, in plain Python."""
    salt = hmac.new(key.encode(), b"holdout", hashlib.sha256).hexdigest()
    digest = hashlib.sha256((salt + user_id).encode()).hexdigest()
    return "holdout" if int(digest[:15], 16) < int(Decimal(str(share)) * 16**15) else "treatment"


# Discounts and bundles run out; coupons do not, so that every scenario gets its turn.
TIGHT_MECHANICS = {"discount": 1.0, "coupon": 990.0, "bundle": 0.2}
TIGHT: dict[str, Any] = {"daily_budget": 1000.0, "mechanic_budgets": TIGHT_MECHANICS}


@pytest.fixture(scope="module")
def written(
    spark: SparkSession, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Rows, Lake, tuple[pd.DataFrame, ...]]:
    rows = shop()
    lake = Lake(spark, str(tmp_path_factory.mktemp("promote") / "lake"))
    return rows, lake, decide(lake, settings, rows, **TIGHT)


def test_each_user_has_one_decision_set_with_reasons(written: Any, settings: Settings) -> None:
    """D13: every user of every segment gets an offer or a `none` with its reason. I23: each exclusion has its code."""
    rows, _, (promotions, _, metrics) = written
    assert set(promotions.user_id) == {u["user_id"] for u in rows[UserProfile]}
    nones = promotions[promotions.scenario == "none"].set_index("user_id")
    assert nones.index.is_unique and not set(nones.index) & set(promotions[promotions.scenario != "none"].user_id)
    for u in rows[UserProfile]:
        expected = {False: ["no_consent"], None: ["unknown_consent"], True: []}[u["consent_marketing"]]
        if arm_of(u["user_id"], settings.promote.holdout_key, settings.promote.holdout_share) == "holdout":
            expected = [*expected, "holdout"]
        if expected:
            assert list(nones.loc[u["user_id"]].reason_codes) == expected
        elif u["user_id"] in nones.index:
            assert list(nones.loc[u["user_id"]].reason_codes) in (["budget_exhausted"], ["no_candidate"])
    assert all(len(codes) >= 1 for codes in promotions.reason_codes)
    reached = metrics[metrics.metric == "users_with_offers_share"].set_index("slice")
    assert set(reached.index) == {s["segment_name"] for s in rows[Segments]} and (reached.value > 0).all()
    assert reached.n.sum() == USERS


def test_who_may_not_be_profiled_gets_one_none_and_teaches_nothing(
    written: Any, lake: Lake, settings: Settings
) -> None:
    """N04: without consent to profiling no personal promotion, whatever was bought; others' are as without them."""
    rows, _, everyone = written
    bought = [line(o, np.random.default_rng(1)) | {"user_id": "refused", "order_id": f"r{o}"} for o in range(30)]
    refusing = rows | {
        OrderLines: rows[OrderLines] + bought,
        Contacts: [*rows[Contacts], {"campaign_id": "c1", "user_id": "refused"}],
        Redemptions: [
            *rows[Redemptions],
            {"user_id": "refused", "coupon_id": "k", "campaign_id": "c1", "redeemed_on": days_before(50)},
        ],
        Users: [
            {"user_id": "refused", "consent_marketing": True, "consent_profiling": False},
            {"user_id": "u2", "consent_profiling": None},  # unknown: profiled, as the setting says
            {
                "user_id": "later",
                "consent_profiling": False,  # registers on the day: not known yet
                "registered_at": datetime.datetime(2017, 12, 1, tzinfo=datetime.timezone.utc),
            },
        ],
    }
    promotions, budget, metrics = decide(lake, settings, refusing, **TIGHT)
    [none] = promotions[promotions.user_id == "refused"].to_dict("records")
    held = arm_of("refused", settings.promote.holdout_key, settings.promote.holdout_share) == "holdout"
    assert none["scenario"] == "none" and list(none["reason_codes"]) == ["not_profiled", *(["holdout"] if held else [])]
    pd.testing.assert_frame_equal(
        promotions[promotions.user_id != "refused"].reset_index(drop=True), everyone[0].reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(budget, everyone[1])
    reached = metrics[metrics.metric == "users_with_offers_share"]
    assert reached.n.sum() == USERS  # shares are of those who may be reached


def test_no_budget_and_no_cap_is_exceeded(written: Any, settings: Settings) -> None:
    """I29: Σ expected cost ≤ budget, no user above the cap; the budget table says the sums of the offers."""
    _, _, (promotions, budget, metrics) = written
    offers = promotions[promotions.scenario != "none"]
    limits = {"daily": TIGHT["daily_budget"], **{f"mechanic:{m}": b for m, b in TIGHT_MECHANICS.items()}}
    sums = {
        "daily": offers.expected_cost.sum(),
        **{f"mechanic:{m}": offers[offers.mechanic == m].expected_cost.sum() for m in TIGHT_MECHANICS},
    }
    by_constraint = budget.set_index("constraint")
    for constraint, limit in limits.items():
        assert by_constraint.loc[constraint].planned == Decimal(str(limit)).quantize(Decimal("0.01"))
        assert by_constraint.loc[constraint].reserved == sums[constraint] <= by_constraint.loc[constraint].planned
    assert by_constraint.dual_price.notna().any()  # these budgets do bind
    sizes = offers.groupby("user_id").size()
    assert sizes.max() == settings.promote.max_offers_per_user
    for _, own in offers.groupby("user_id"):
        assert list(own["rank"]) == list(range(1, len(own) + 1))
        products = [p for ids in own.product_ids for p in ids]
        assert len(products) == len(set(products))
    figures = metrics.set_index(["metric", "slice"]).value
    assert figures["expected_margin", "greedy"] > figures["expected_margin", "random_order"] > 0


def test_budget_and_offers_are_of_one_run_and_the_offers_come_last(written: Any) -> None:
    _, lake, (promotions, budget, _) = written
    assert set(promotions.run_id) == set(budget.run_id) == {"r1"}
    last_commit = {t: DeltaTable(lake.path(t)).history(1)[0]["timestamp"] for t in (Promotions, Budget, Metrics)}
    assert last_commit[Promotions] > max(last_commit[Budget], last_commit[Metrics])


def test_prices_lie_between_floor_and_what_is_charged_now(written: Any, settings: Settings) -> None:
    """I03: price × (1 − rate) half-up ≥ floor. N07: no user's price is above what is charged. E10: nor a bundle's.

    Where a product sells below its list price, the offer starts from there, and the sentence says so.
    """
    rows, _, (promotions, _, _) = written
    catalogue = {p["product_id"]: p for p in rows[ProductProfile]}
    items = promotions[promotions.offer_price.notna()]
    assert set(items.mechanic) == {"discount", "bundle"}
    reduced = 0
    for offer in items.itertuples():
        products = [catalogue[p] for p in offer.product_ids]
        assert all(p["promotable"] for p in products)
        assert offer.list_price == sum(p["list_price"] for p in products)
        assert offer.charged_price == sum(p["charged_price"] for p in products)
        assert offer.offer_price == (offer.charged_price * (1 - offer.discount_rate)).quantize(CENT, ROUND_HALF_UP)
        assert f"{offer.offer_price} USD instead of {offer.charged_price} USD" in offer.text
        reduced += offer.charged_price < offer.list_price
        cost = sum(p["unit_cost"].quantize(CENT, ROUND_HALF_UP) for p in products)
        assert offer.offer_price - cost >= offer.offer_price * Decimal(str(settings.promote.min_margin))
        assert offer.margin_floor <= offer.offer_price < offer.charged_price <= offer.list_price
        least, greatest = settings.promote.depth[offer.scenario]
        assert least <= float(offer.discount_rate) <= greatest
    assert reduced > 10


def test_a_users_offers_keep_the_floor_when_they_are_used_together(written: Any) -> None:
    """A coupon for the whole shop on top of an item's offer would fall below the floor: it stands alone."""
    _, _, (promotions, _, _) = written
    offers = promotions[promotions.scenario != "none"]
    with_coupon = set(offers[offers.mechanic == "coupon"].user_id)
    assert len(with_coupon) > 10
    assert (offers[offers.user_id.isin(with_coupon)].groupby("user_id").size() == 1).all()
    assert (offers.groupby("user_id").size() == 2).any()  # two items' offers do meet: each keeps its own floor


def test_every_offer_says_what_why_and_until_when(written: Any) -> None:
    """I25: no unfilled slot in any text. N08: each offer has a reason code. I15: promoted items are in the top-N."""
    rows, _, (promotions, _, _) = written
    offers = promotions[promotions.scenario != "none"]
    top = {(r["user_id"], r["product_id"]) for r in rows[Recommendations]}
    assert not offers.text.str.contains("[{}]").any() and (offers.text.str.len() > 20).all()
    assert set(offers.valid_from.dt.date) == {DAY} and set(offers.valid_to.dt.date) == {datetime.date(2017, 12, 7)}
    assert {"new_user_welcome", "repurchase", "win_back", "recommended_item", "bundle"} <= set(offers.scenario)
    for offer in offers.itertuples():
        if offer.scenario == "recommended_item":
            assert (offer.user_id, offer.product_ids[0]) in top
        assert any(c.startswith(("observed_response", "assumed_response")) for c in offer.reason_codes)
    coupons = offers[offers.mechanic == "coupon"]
    assert (coupons.coupon_amount < coupons.min_spend).all() and coupons.product_ids.str.len().max() == 0


def test_the_same_inputs_give_the_same_rows_and_the_next_day_leaves_them_alone(
    written: Any, settings: Settings
) -> None:
    """I28: a date's rows are the same on a re-run. I10: granted at most once across runs, and only without orders."""
    rows, lake, (promotions, budget, metrics) = written
    turned = {table: content[::-1] for table, content in rows.items()}
    again = decide(lake, settings, turned, parts=5, **TIGHT)
    for before, after in zip((promotions, budget, metrics), again, strict=True):
        pd.testing.assert_frame_equal(before, after)
    welcomed = promotions[promotions.scenario == "new_user_welcome"]
    orders = {u["user_id"]: u.get("orders", 0) for u in rows[UserProfile]}
    assert len(welcomed) > 0 and all(orders[u] == 0 for u in welcomed.user_id)

    tomorrow = DAY + datetime.timedelta(days=1)
    later, _, _ = decide(lake, settings, rows, date=tomorrow, scenarios=["new_user_welcome"])
    given = later[later.scenario == "new_user_welcome"]
    assert not set(given.user_id) & set(welcomed.user_id)
    assert (later[later.user_id.isin(welcomed.user_id)].reason_codes.str[0] == "offers_held").all()
    kept = pl.read_delta(lake.path(Promotions)).filter(pl.col("date") == DAY).sort(["user_id", "rank"]).to_pandas()
    pd.testing.assert_frame_equal(kept, promotions)


def test_an_offer_that_still_holds_is_not_made_again_and_counts(written: Any, settings: Settings) -> None:
    """Two days, then the day after the first offers' last one. The most at a time is 2, of both days together."""
    rows, lake, (first, _, _) = written
    tomorrow = DAY + datetime.timedelta(days=1)
    second, budget, _ = decide(lake, settings, rows, date=tomorrow, **TIGHT)
    given = [f[f.scenario != "none"] for f in (first, second)]
    both = pd.concat(given)
    what = pd.DataFrame({"user": both.user_id, "product": both.product_ids.map(list)}).explode("product")
    assert len(given[1]) > 10 and not what.duplicated().any()
    at_a_time = both.groupby("user_id").size()
    assert at_a_time.max() == settings.promote.max_offers_per_user
    coupons = both[both.mechanic == "coupon"].user_id
    assert (at_a_time[coupons] == 1).all()  # a coupon stands alone, whichever day it is of
    full = given[0].groupby("user_id").size().loc[lambda n: n == settings.promote.max_offers_per_user].index
    nones = second[second.scenario == "none"].set_index("user_id").reason_codes
    assert len(full) > 10 and all(list(nones[u]) == ["offers_held"] for u in full)
    # what the first day reserved is not reserved again
    assert budget.set_index("constraint").loc["daily"].reserved == given[1].expected_cost.sum()
    again = decide(lake, settings, rows, date=tomorrow, parts=3, **TIGHT)
    pd.testing.assert_frame_equal(second, again[0])
    over = DAY + datetime.timedelta(days=settings.promote.valid_days)
    third, _, _ = decide(lake, settings, rows, date=over, **TIGHT)
    held_until_then = set(given[1].user_id)
    anew = third[(third.scenario != "none") & ~third.user_id.isin(held_until_then)]
    assert anew.user_id.isin(given[0].user_id).any()  # those of the first day hold no more


def yen_shop() -> Rows:
    """Three users of a shop in yen: one who may be won back, one who bought in bulk, one to whom an item is due."""
    quiet: dict[str, Any] = {
        "lifecycle": "lost",
        "recency_days": 130,
        "orders": 3,
        "discounted_lines_share": 0.5,
        "consent_marketing": True,
    }
    tea = {"product_id": "tea", "orders": 4, "cadence_days": 7.0, "last_bought": days_before(7), "due_date": DAY}
    profiles = [
        quiet | {"user_id": "quiet", "basket_median": 2000.0},
        quiet | {"user_id": "bulk", "basket_median": 6_000_000.0},
        quiet | {"user_id": "due", "lifecycle": "loyal", "repurchases": [tea]},
    ]
    item = {"title": "Tea", "category": "tea", "promotable": True, "list_price": 841, "unit_cost": 400, "units_28d": 9}
    return {
        UserProfile: profiles,
        ProductProfile: [item | {"product_id": "tea", "charged_price": 765}],
        Segments: [{"user_id": p["user_id"], "segment_id": 1, "segment_name": "one"} for p in profiles],
        OrderLines: [],
        Users: [],
        Recommendations: [{"user_id": "due", "rank": 1, "product_id": "sold out", "source": "als"}],
        Forecasts: [{"series_id": "product:sold out", "day": DAY, "model": "a", "units": 1.0, "champion": True}],
        Campaigns: [{"campaign_id": "c1", "start_date": days_before(60), "end_date": days_before(30)}],
        Contacts: [{"campaign_id": "c1", "user_id": "quiet"}],  # and no redemption
        Redemptions: [],
    }


def test_a_shop_in_yen_has_no_decimals_no_endless_coupon_and_learns_from_one_contact(
    lake: Lake, settings: Settings
) -> None:
    business = settings.business.model_copy(update={"currency": "JPY"})
    changes: dict[str, Any] = {
        "holdout_share": 0.0,
        "daily_budget": 50_000.0,
        "mechanic_budgets": {"coupon": 20_000.0},
        "coupon_max_budget_share": 0.25,
        "response_prior_strength": 50.0,
        "unknown_response": 0.01,
        "min_margin": 0.05,
    }
    yen = settings.model_copy(update={"business": business})
    promotions, budget, _ = decide(lake, yen, yen_shop(), **changes)
    found = promotions.set_index("user_id")
    # 10 % off 765 are 688.5, half-up 689; the floor is 400 / 0.95 = 421.05, up to 422
    due = found.loc["due"]
    assert (due.list_price, due.charged_price, due.offer_price, due.margin_floor) == (841, 765, 689, 422)
    assert due.text == "Time for Tea again? 10% off: 689 JPY instead of 765 JPY, until 2017-12-07."
    # 2000 × 1.2 = 2400, of which 22.5 %, 23 in whole percents, are 552. One contact and no redemption: the global rate
    # is 50 × 0.01 / 51 = 0.0098, the segment's 50 × 0.0098 / 51 = 0.0096, and the expected cost 5.3, up to 6 yen
    quiet = found.loc["quiet"]
    assert (quiet.mechanic, quiet.min_spend, quiet.coupon_amount) == ("coupon", 2400, 552)
    assert (quiet.expected_conversion, quiet.expected_cost) == (Decimal("0.009612"), 6)
    assert "552 JPY off when you spend 2400 JPY" in quiet.text
    # the least share, 15 % of 7,200,000, is more than a quarter of the coupons' budget
    assert list(found.loc["bulk"].reason_codes) == ["no_candidate"]
    assert set(budget.planned) == {50_000, 20_000} and set(promotions.currency) == {"JPY"}


def test_an_unknown_scenario_is_named_and_nothing_is_written(lake: Lake, settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"flash_sale is unknown; there are: bundle, clearance, new_user_welcome"):
        decide(lake, settings, shop(), scenarios=["bundle", "flash_sale"])
    assert not lake.exists(Promotions)
