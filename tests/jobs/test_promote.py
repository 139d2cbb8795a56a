"""The promote job on a random shop: all promises recomputed from the written tables, without Spark."""

from __future__ import annotations

import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pandas as pd
import polars as pl
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Budget, Explored, Frontier, Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Forecasts, Metrics, Recommendations, Segments
from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.contracts.responses import Uplift, UpliftCurves
from promo_spark.contracts.silver import PromotionExclusions, Users
from promo_spark.contracts.vocabulary import SCENARIOS
from promo_spark.errors import SettingsError
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import CENT, DAY, USERS, Rows, arm_of, curves, days_before, decide, shop

# Discounts and bundles run out; coupons do not, so that every scenario gets its turn.
TIGHT_MECHANICS = {
    "discount": 150.0,
    "coupon": 930.0,
    "bundle": 9.0,
    "threshold": 40.0,
    "flash": 30.0,
    "rebate": 3.0,
    "gift": 20.0,
}
SOME = ["new_user_welcome", "repurchase", "win_back", "recommended_item", "bundle", "clearance"]
TIGHT: dict[str, Any] = {"daily_budget": 1000.0, "mechanic_budgets": TIGHT_MECHANICS, "explore_share": 0.0}


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
            assert list(nones.loc[u["user_id"]].reason_codes) in (["budget_exhausted"], ["no_gain"], ["no_candidate"])
    assert all(len(codes) >= 1 for codes in promotions.reason_codes)
    reached = metrics[metrics.metric == "users_with_offers_share"].set_index("slice")
    assert set(reached.index) == {s["segment_name"] for s in rows[Segments]} and (reached.value > 0).all()
    assert reached.n.sum() == USERS


def test_who_may_not_be_profiled_gets_one_none(written: Any, lake: Lake, settings: Settings) -> None:
    """N04: without consent to profiling no personal promotion; others' are as without them."""
    rows, _, everyone = written
    refusing = rows | {
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
    assert figures["incremental_margin", "all"] == float(offers.incremental_margin.sum())
    assert figures["expected_cost", "all"] == float(offers.expected_cost.sum())
    # the most that could be brought, and how near the offers come to it
    assert set(by_constraint.bound) == {by_constraint.bound.iloc[0]}
    assert float(by_constraint.bound.iloc[0]) >= float(offers.incremental_margin.sum()) - 0.01 * len(offers)
    assert 0 <= figures["allocation_gap", "all"] < 0.05


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
    assert set(items.mechanic) == {"discount", "bundle", "flash", "rebate", "points"}
    reduced = 0
    for offer in items.itertuples():
        products = [catalogue[p] for p in offer.product_ids]
        assert all(p["promotable"] for p in products)
        assert offer.list_price == sum(p["list_price"] for p in products)
        assert offer.charged_price == sum(p["charged_price"] for p in products)
        assert offer.offer_price == (offer.charged_price * (1 - offer.discount_rate)).quantize(CENT, ROUND_HALF_UP)
        if offer.mechanic in ("rebate", "points"):  # the till asks for the price of today
            back = offer.charged_price - offer.offer_price
            assert f"{back} USD back" in offer.text or f"{back} USD for each" in offer.text
        else:
            assert f"{offer.offer_price} USD instead of {offer.charged_price} USD" in offer.text
        reduced += offer.charged_price < offer.list_price
        cost = sum(p["unit_cost"].quantize(CENT, ROUND_HALF_UP) for p in products)
        assert offer.offer_price - cost >= offer.offer_price * Decimal(str(settings.promote.min_margin))
        assert offer.margin_floor <= offer.offer_price < offer.charged_price <= offer.list_price
        least, greatest = settings.promote.depth[offer.scenario]
        assert least <= float(offer.discount_rate) <= greatest
    assert reduced > 10


def test_what_marketers_keep_out_is_in_no_offer(written: Any, lake: Lake, settings: Settings) -> None:
    """The product that is in most offers is kept out too: then it is in none, nor is what was kept out before."""
    rows, _, (promotions, _, _) = written
    offered = promotions.product_ids.explode().dropna()
    most = offered.value_counts().idxmax()
    kept_out = [*rows[PromotionExclusions], {"level": "product", "value": most, "why": "sold out at its maker"}]
    without, _, _ = decide(lake, settings, rows | {PromotionExclusions: kept_out}, **TIGHT)
    left = set(without.product_ids.explode().dropna())
    assert len(left) > 10 and not left & {most, "p15"} and "p15" not in set(offered)


def test_a_users_offers_keep_the_floor_when_they_are_used_together(written: Any) -> None:
    """A coupon for the whole shop on top of an item's offer would fall below the floor: it stands alone."""
    _, _, (promotions, _, _) = written
    offers = promotions[promotions.scenario != "none"]
    with_coupon = set(offers[offers.mechanic.isin(["coupon", "threshold", "gift"])].user_id)
    assert len(with_coupon) > 10
    assert (offers[offers.user_id.isin(with_coupon)].groupby("user_id").size() == 1).all()
    assert (offers.groupby("user_id").size() == 2).any()  # two items' offers do meet: each keeps its own floor


def test_every_offer_says_what_why_and_until_when(written: Any) -> None:
    """I25: no unfilled slot in any text. N08: each offer has a reason code. I15: promoted items are in the top-N.

    I01: a flash sale ends sooner.
    I04 (code, expiry): each coupon has a code of its own.
    """
    rows, _, (promotions, _, _) = written
    offers = promotions[promotions.scenario != "none"]
    top = {(r["user_id"], r["product_id"]) for r in rows[Recommendations]}
    assert not offers.text.str.contains("[{}]").any() and (offers.text.str.len() > 20).all()
    assert set(offers.valid_from.dt.date) == {DAY}
    last_days = offers.groupby(offers.scenario == "flash_sale").valid_to.agg(["min", "max"]).map(lambda day: day.date())
    assert list(last_days.loc[True]) == [datetime.date(2017, 12, 2)] * 2
    assert list(last_days.loc[False]) == [datetime.date(2017, 12, 7)] * 2
    # a member could get a holiday's offer of the same, which may be deeper; there is no partner, nor did anybody share;
    # to whom something is due, or who is likely to buy, others bring more
    absent = {"clearance", "members_only", "partner_offer", "share_reward", "repurchase", "likely_buyer", "none"}
    assert set(SCENARIOS) - absent <= set(offers.scenario)
    in_store = offers.scenario == "store_coupon"  # I26
    assert set(offers[in_store].channel) == {"store"} and set(offers[~in_store].channel) == {"till"}
    # who is put off by offers gets none, though something could be offered
    put_off = {row["user_id"] for row in rows[Uplift] if row["effect"] < 0}
    assert put_off & set(promotions.user_id) and not put_off & set(offers.user_id)
    for offer in offers.itertuples():
        if offer.scenario == "recommended_item":
            assert (offer.user_id, offer.product_ids[0]) in top
    assert (offers.incremental_margin >= Decimal("0.10")).all() and set(offers.basis) <= {"randomised", "prior"}
    codes = offers[offers.mechanic == "coupon"].coupon_code
    assert codes.str.fullmatch("([0-9A-F]{4}-){3}[0-9A-F]{4}").all() and codes.is_unique  # I04
    assert offers[offers.mechanic != "coupon"].coupon_code.isna().all()
    coupons = offers[offers.mechanic.isin(["coupon", "threshold"])]
    assert (coupons.coupon_amount < coupons.min_spend).all() and coupons.product_ids.str.len().max() == 0


def test_a_gift_is_cheap_of_a_kind_that_its_user_likes_and_has_no_price(written: Any, settings: Settings) -> None:
    """I05: in the user's interests, at most at the cap; the row has a product and a minimum spend, and no prices."""
    rows, _, (promotions, _, _) = written
    catalogue = {p["product_id"]: p for p in rows[ProductProfile]}
    users = {u["user_id"]: u for u in rows[UserProfile]}
    gifts = promotions[promotions.mechanic == "gift"]
    assert len(gifts) > 0
    for gift in gifts.itertuples():
        [product] = [catalogue[p] for p in gift.product_ids]
        assert product["category"] in [one["category"] for one in users[gift.user_id]["interests"]]
        assert product["promotable"] and product["unit_cost"] <= settings.promote.gift_max_cost
        assert gift.text.startswith(f"A gift with your next order of {gift.min_spend} USD or more, until 2017-12-07: ")
        assert float(gift.min_spend) >= 1.2 * users[gift.user_id]["basket_median"]
    empty = ["category", "discount_rate", "coupon_amount", "coupon_code"]
    empty += ["list_price", "charged_price", "offer_price", "margin_floor"]
    assert gifts[empty].isna().all(axis=None) and (gifts.expected_cost > 0).all()


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


def test_an_offer_that_still_holds_is_not_made_again_and_counts(lake: Lake, settings: Settings) -> None:
    """Two days, then the day after the first offers' last one. The most at a time is 2, of both days together."""
    rows = shop()
    few = TIGHT | {"daily_budget": 140.0, "scenarios": SOME}  # so that the first day leaves something
    first, _, _ = decide(lake, settings, rows, **few)
    tomorrow = DAY + datetime.timedelta(days=1)
    second, budget, _ = decide(lake, settings, rows, date=tomorrow, **few)
    given = [f[f.scenario != "none"] for f in (first, second)]
    both = pd.concat(given)
    what = pd.DataFrame({"user": both.user_id, "product": both.product_ids.map(list)}).explode("product")
    assert len(given[1]) > 4 and not what.duplicated().any()
    at_a_time = both.groupby("user_id").size()
    assert at_a_time.max() == settings.promote.max_offers_per_user
    coupons = both[both.product_ids.str.len() == 0].user_id
    assert (at_a_time[coupons] == 1).all()  # a coupon stands alone, whichever day it is of
    full = given[0].groupby("user_id").size().loc[lambda n: n == settings.promote.max_offers_per_user].index
    nones = second[second.scenario == "none"].set_index("user_id").reason_codes
    assert len(full) > 10 and all(list(nones[u]) == ["offers_held"] for u in full)
    # what the first day reserved is not reserved again
    assert budget.set_index("constraint").loc["daily"].reserved == given[1].expected_cost.sum()
    again = decide(lake, settings, rows, date=tomorrow, parts=3, **few)
    pd.testing.assert_frame_equal(second, again[0])
    over = DAY + datetime.timedelta(days=settings.promote.valid_days)
    third, _, _ = decide(lake, settings, rows, date=over, **few)
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
        Users: [],
        Recommendations: [{"user_id": "due", "rank": 1, "product_id": "sold out", "source": "als"}],
        Forecasts: [{"series_id": "product:sold out", "day": DAY, "model": "a", "units": 1.0, "champion": True}],
        Uplift: [
            {"user_id": p["user_id"], "mechanic": m, "effect": 8.0, "visits_per_week": 0.5, "readiness": 0.5}
            for p in profiles
            for m in ("discount", "coupon")
        ],
        UpliftCurves: curves(),
        ItemPropensity: [{"user_id": "due", "product_id": "tea", "source": "own", "p_offer": 0.2, "units_28d": 1.0}],
    }


def test_a_shop_in_yen_has_no_decimals_and_no_endless_coupon(lake: Lake, settings: Settings) -> None:
    business = settings.business.model_copy(update={"currency": "JPY"})
    changes: dict[str, Any] = {
        "holdout_share": 0.0,
        "explore_share": 0.0,
        "daily_budget": 50_000.0,
        "mechanic_budgets": {"coupon": 20_000.0},
        "coupon_max_budget_share": 0.25,
        "min_margin": 0.05,
        "least_gain": 1.0,
        "language": "zh-CN",
    }
    yen = settings.model_copy(update={"business": business})
    promotions, budget, _ = decide(lake, yen, yen_shop(), **changes)
    found = promotions.set_index("user_id")
    # 15 % off 765 are 650.25, half-up 650; the floor is 400 / 0.95 = 421.05, up to 422
    due = found.loc["due"]
    assert (due.list_price, due.charged_price, due.offer_price, due.margin_floor) == (841, 765, 650, 422)
    assert due.text == "Tea该补货了？立减15%：650 JPY（现价765 JPY），有效期至2017-12-07。"
    # 2000 × 1.2 = 2400, of which 30 % are 720
    quiet = found.loc["quiet"]
    assert (quiet.mechanic, quiet.min_spend, quiet.coupon_amount) == ("coupon", 2400, 720)
    assert quiet.text.startswith("好久不见！满2400 JPY减720 JPY")
    for offer in (due, quiet):
        assert all(amount % 1 == 0 for amount in (offer.expected_cost, offer.incremental_margin))
    # the least share, 15 % of 7,200,000, is more than a quarter of the coupons' budget
    assert list(found.loc["bulk"].reason_codes) == ["no_candidate"]
    assert set(budget.planned) == {50_000, 20_000} and set(promotions.currency) == {"JPY"}


def explored_table(lake: Lake) -> pd.DataFrame:
    return pl.read_delta(lake.path(Explored)).filter(pl.col("date") == DAY).sort(Explored.key).to_pandas()


def test_explored_users_get_what_chance_says_and_all_they_could_have_drawn_is_written(
    lake: Lake, settings: Settings
) -> None:
    """Every candidate of an explored user, and none, has the probability with which it was drawn.

    Of none it is 0.25, of each of 4 offers 0.75 / 4 = 0.1875; together 1, but for what is rounded.
    """
    rows = shop()
    half: dict[str, Any] = {"explore_share": 0.5, "explore_budget_share": 1.0, "daily_budget": 5000.0}
    half |= {"mechanic_budgets": {}, "scenarios": SOME}
    promotions, _, _ = decide(lake, settings, rows, **half)
    explored = explored_table(lake)
    users = explored.groupby("user_id")
    assert len(users) > 40 and (users.chosen.sum() == 1).all()
    is_none = explored.scenario == "none"
    assert (is_none.groupby(explored.user_id).sum() == 1).all()
    assert set(explored[is_none].action_propensity) == {Decimal("0.25")}
    offers = explored[~is_none].groupby("user_id").promotion_id.transform("size")
    assert ((explored[~is_none].action_propensity.astype(float) - 0.75 / offers).abs() <= 5.1e-7).all()
    assert ((users.action_propensity.sum().astype(float) - 1).abs() <= 5.1e-7 * users.size()).all()
    drawn = explored[explored.chosen].set_index("user_id")
    made = promotions[promotions.arm == "explore"].set_index("user_id")
    assert made.index.is_unique and set(made.index) == set(drawn.index)
    assert (made.promotion_id.sort_index() == drawn.promotion_id.sort_index()).all()
    assert (made.action_propensity.sort_index() == drawn.action_propensity.sort_index()).all()
    assert (promotions[promotions.arm != "explore"].action_propensity == 1).all()
    # one in four drew none; of others the mean place of what was drawn, from 0 to 1 among a user's offers, is a half
    assert abs((drawn.scenario == "none").mean() - 0.25) < 3 * (0.25 * 0.75 / len(drawn)) ** 0.5
    got = explored[~is_none & explored.user_id.isin(drawn[drawn.scenario != "none"].index)].groupby("user_id")
    place = got.chosen.agg(lambda chosen: (chosen.to_numpy().argmax() + 0.5) / len(chosen))
    assert abs(place.mean() - 0.5) < 4 * (1 / 12 / len(place)) ** 0.5
    assert list(made[made.scenario == "none"].reason_codes.str[0].unique()) == ["explored"]
    turned = {table: content[::-1] for table, content in rows.items()}
    decide(lake, settings, turned, parts=5, **half)
    pd.testing.assert_frame_equal(explored_table(lake), explored)


def test_no_more_users_are_explored_than_their_share_of_the_budgets_can_pay_at_the_dearest(
    lake: Lake, settings: Settings
) -> None:
    """The dearest candidates of all explored users together stay within the arm's share; others are treated."""
    tight: dict[str, Any] = {"explore_share": 0.5, "explore_budget_share": 0.2, "daily_budget": 500.0}
    tight |= {"mechanic_budgets": {}, "scenarios": SOME}
    promotions, budget, _ = decide(lake, settings, shop(), **tight)
    explored = explored_table(lake)
    dearest = explored.groupby("user_id").expected_cost.max()
    assert 0 < len(dearest) < 40 and dearest.sum() <= 100 and dearest.max() <= 10  # a fifth of 500
    assert set(promotions[promotions.arm == "explore"].user_id) == set(dearest.index)
    assert (promotions.arm == "treatment").sum() > 100
    assert (budget.reserved <= budget.planned).all()


def test_a_larger_budget_could_bring_more_but_each_unit_less(written: Any) -> None:
    """The frontier rises and bends: what one unit more brings falls."""
    _, lake, (_, budget, _) = written
    rows = pl.read_delta(lake.path(Frontier)).filter(pl.col("date") == DAY).sort("daily_budget").to_pandas()
    assert len(rows) >= 5 and (rows.incremental_margin.diff().dropna() >= 0).all()
    assert (rows.dual_price.diff().dropna() <= 1e-9).all()
    assert float(rows.daily_budget.iloc[0]) < float(budget.set_index("constraint").loc["daily"].planned)


def test_an_unknown_scenario_is_named_and_nothing_is_written(lake: Lake, settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"fleeting is unknown; there are: abandoned_cart, bundle, clearance"):
        decide(lake, settings, shop(), scenarios=["bundle", "fleeting"])
    assert not lake.exists(Promotions)
