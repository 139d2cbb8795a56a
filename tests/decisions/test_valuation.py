"""Offers at every depth with their value, from the tables that say what users do and how they answer."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.predictions import ItemPropensity, Propensity
from promo_spark.contracts.responses import Uplift, UpliftCurves
from promo_spark.contracts.silver import SegmentStrategies
from promo_spark.contracts.vocabulary import OBJECTIVES
from promo_spark.decisions.offers.pricing import ShopMargin
from promo_spark.decisions.offers.strategies import user_strategies
from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.policy import InForce
from promo_spark.decisions.shoppers import shoppers
from promo_spark.decisions.users import DailyUser
from promo_spark.decisions.valuation import Valuing, curves_of, valued_offers

BY = Valuing(datetime.date(2017, 12, 1), days=7, least_gain=0.10, usual_elasticity=2.0, digits=2, objective="profit")
CURVES = [("saving", 0, 0), ("saving", 1, 1), ("share", 0, 0), ("share", 1, 1), ("use", 0, 1)]
MILK = {
    "product_id": "milk",
    "department": "food",
    "category": "dairy",
    "charged_price": 10,
    "unit_cost": 5,
    "units_28d": 56,
    "units_at_once": 1.0,
}


def target(user_id: str, *rungs: tuple[str, int], **terms: Any) -> dict[str, Any]:
    depths = [(Decimal(rate), Decimal(off)) for rate, off in rungs]
    parts = [tuple(Decimal(v) if isinstance(v, int) else v for v in MILK.values())]
    same = {"mechanic": "discount", "scenario": "repurchase", "charged_price": 10, "list_price": 10, "days": 7}
    return {"user_id": user_id, "parts": parts, "rungs": depths} | same | terms


def known(spark: SparkSession, *users: dict[str, Any], uplift: list[dict[str, Any]], **tables: list[Any]) -> DataFrame:
    usual = {"orders": 100, "basket_value": 20.0, "basket_median": 20.0}
    everyone = DailyUser.frame(spark, [usual | user for user in users])
    return shoppers(
        everyone,
        everyone=everyone,
        uplift=Uplift.frame(spark, uplift),
        propensity=Propensity.frame(spark, tables.get("propensity", [])),
        item_propensity=ItemPropensity.frame(spark, tables.get("item_propensity", [])),
        strategies=user_strategies(everyone, SegmentStrategies.frame(spark, tables.get("strategies", []))),
        margin=ShopMargin.frame(spark, [{"margin_share": "0.25"}]),
    )


def valued(
    spark: SparkSession, targets: list[dict[str, Any]], of: DataFrame, elasticity: Any = (), **by: Any
) -> dict[Any, Row]:
    return {(r.user_id, float(r.rate)): r for r in valued_rows(spark, targets, of, elasticity, **by)}


def valued_rows(
    spark: SparkSession, targets: list[dict[str, Any]], of: DataFrame, elasticity: Any = (), **by: Any
) -> list[Row]:
    curves = [{"curve": curve, "at": float(at), "level": float(level)} for curve, at, level in CURVES]
    return valued_offers(
        OfferTarget.frame(spark, targets),
        shoppers=of,
        elasticity=Elasticity.frame(spark, elasticity),
        curves=curves_of(UpliftCurves.frame(spark, curves)),
        by=replace(BY, **by),
    ).collect()


def answer(user_id: str, effect: float) -> dict[str, Any]:
    same = {"effect_se": 0.5, "visits_per_week": 2.0, "readiness": 0.5, "basis": "randomised", "mechanic": "discount"}
    return same | {"user_id": user_id, "effect": effect}


def test_every_depth_is_valued_and_the_worthwhile_ones_are_told(spark: SparkSession) -> None:
    """H09: what is expected before launch stands in the row. A deeper one has to bring more than every lower one.

    The keen one comes 2 × exp(10 × saving × 0.1) times; half of 0.4 × 10 of 40 are spent on milk, an order leaves 5.
    """
    habits = [
        {"user_id": u, "product_id": "milk", "p_offer": 1 - float(np.exp(-0.4)), "units_28d": 9.0}
        for u in ("keen", "cool")
    ]
    of = known(
        spark,
        {"user_id": "keen"},
        {"user_id": "cool"},
        uplift=[answer("keen", 10.0), answer("cool", -2.0)],
        item_propensity=habits,
    )
    ladder = (("0.1", 1), ("0.2", 2), ("0.4", 4))
    # of a category that no price moves
    still = [{"category": "dairy", "segment_id": -1, "elasticity": 0.0}]
    found = valued(spark, [target("keen", *ladder), target("cool", *ladder), target("nobody", *ladder)], of, still)
    assert set(found) == {(user, rate) for user in ("keen", "cool") for rate in (0.1, 0.2, 0.4)}
    for rate in (0.1, 0.2, 0.4):
        factor = float(np.exp(10 * rate * 0.1))
        row = found["keen", rate]
        value = 5 * 2 * (factor - 1) - 0.4 * factor * 10 * rate
        assert row.value_micro / 1e6 == pytest.approx(value, abs=2e-6)
        assert row.expected_uplift == pytest.approx(2 * (factor - 1), abs=1e-6)
        assert row.cost_minor == int(np.ceil(round(0.4 * factor * rate * 1000, 6)))
        assert row.units_milli == [int(np.ceil(round(0.4 * factor * 1000, 6)))]
        assert row.basis == "randomised" and not found["cool", rate].worthwhile
    assert [found["keen", rate].worthwhile for rate in (0.1, 0.2, 0.4)] == [True, True, True]
    assert len({r.promotion_id for r in found.values()}) == 6


def test_who_buys_anyway_gets_no_discount_and_who_can_be_moved_does(spark: SparkSession) -> None:
    """H06: sure things get none at any depth, persuadables do: the value is Δ pieces × margin − cost, to the cent.

    Nobody comes more often for an offer. At 20 % off (2 of 10, elasticity 3, f = 0.8^-3 = 1.953) a piece leaves 5 − 2.
    The sure one buys milk with 0.999, so −ln 0.001 = 6.908 pieces, at every visit: 6.908 × f / (1 + 0.5 (f − 1)) =
    9.137 with the offer. That is 2.230 × 5 − 9.137 × 2 = −7.13: most is given on what would be bought anyway.
    The other buys it with 0.2, so 0.2231 pieces, at 0.1116 of 2 visits: 0.2231 × f / (1 + 0.5 × 0.1116 (f − 1)) =
    0.4138. That is 0.1907 × 5 − 0.4138 × 2 = 0.126. At 10 % it is 0.084, less than the least gain, at 40 % it loses.
    """
    chances = {"sure": 0.999, "persuadable": 0.2}
    of = known(
        spark,
        *({"user_id": u} for u in chances),
        uplift=[answer(u, 0.0) for u in chances],
        item_propensity=[{"user_id": u, "product_id": "milk", "p_offer": p} for u, p in chances.items()],
    )
    ladder = (("0.1", 1), ("0.2", 2), ("0.4", 4))
    prices = [{"category": "dairy", "segment_id": -1, "elasticity": 3.0}]
    rows = valued_rows(spark, [target(u, *ladder) for u in chances], of, prices)
    found = {(row.user_id, float(row.rate)): row for row in rows}
    assert found["sure", 0.2].value_micro / 1e6 == pytest.approx(-7.13, abs=0.005)
    assert found["persuadable", 0.2].value_micro / 1e6 == pytest.approx(0.126, abs=0.0005)
    # an offer moves the chance of the sure one by 0.001, that of the other by 0.139: 1 − 0.8^(0.4138 / 0.2231)
    moved = {u: found[u, 0.2].expected_conversion - p for u, p in chances.items()}
    assert moved == {"sure": pytest.approx(0.001, abs=5e-4), "persuadable": pytest.approx(0.139, abs=5e-4)}
    could_be_made = [user_and_rate for user_and_rate, row in found.items() if row.worthwhile and row.in_strategy]
    assert could_be_made == [("persuadable", 0.2)]


def test_whom_nothing_is_known_of_answers_as_is_usual(spark: SparkSession) -> None:
    """Effects are the mean of others, visits those of models.propensity, pieces what others buy, fewer of them."""
    of = known(
        spark,
        {"user_id": "new", "orders": 0, "basket_value": None, "basket_median": None},
        {"user_id": "old"},
        uplift=[answer("old", 4.0), answer("other", 8.0)],
        propensity=[{"user_id": "new", "target": "order_14d", "p": 1 - float(np.exp(-2.0))}],
    )
    [new] = [row for row in of.collect() if row.user_id == "new"]
    assert new.answers["discount"].effect == 6.0 and new.answers["discount"].basis == "prior"
    assert new.visits_per_week == pytest.approx(1.0)  # p of 14 days is 1 − e^−2
    assert new.order_margin == pytest.approx(0.25 * 20)
    [row] = valued(spark, [target("new", ("0.2", 2))], of).values()
    # 56 sold in 28 days by 4 visits a week: 3.5 a visit, of which 0.3 by those who never bought: 1.05, 0.525 of the
    # spend of 20. Visits are exp(6 × 0.2 × 0.525) as many, pieces at each by f / (1 + 0.5 (f − 1)), f = 0.8^-2
    pieces = 1.05 * np.exp(6 * 0.2 * 0.525) * 1.5625 / 1.28125
    assert row.basis == "prior" and row.cost_minor == int(np.ceil(pieces * 200))
    assert row.expected_conversion == pytest.approx(1 - np.exp(-pieces), abs=1e-5)


def test_without_uplift_nobody_is_expected_to_come_more_often(spark: SparkSession) -> None:
    """No table of effects: no effect is made up, and what is left is what the price sells, less what is given."""
    of = known(spark, {"user_id": "a"}, uplift=[])
    [row] = valued(spark, [target("a", ("0.2", 2))], of).values()
    assert (row.expected_uplift, row.basis) == (0.0, "prior")


def test_a_segments_own_elasticity_comes_before_that_of_all(spark: SparkSession) -> None:
    of = known(
        spark,
        {"user_id": "own", "segment_id": 1, "behaviour_id": 3},  # elasticities are by behaviour
        {"user_id": "all", "segment_id": 4},
        uplift=[answer("own", 0.0), answer("all", 0.0)],
        item_propensity=[{"user_id": u, "product_id": "milk", "p_offer": 0.01} for u in ("own", "all")],
    )
    told = [
        {"category": "dairy", "segment_id": 3, "elasticity": 4.0},
        {"category": "dairy", "segment_id": -1, "elasticity": 1.0},
        {"category": "rice", "segment_id": 4, "elasticity": 9.0},
    ]
    found = valued(spark, [target(u, ("0.2", 2)) for u in ("own", "all")], of, told)
    assert found["own", 0.2].expected_conversion > 1.8 * found["all", 0.2].expected_conversion  # 0.8 ** -4 : 0.8 ** -1


def test_an_offer_of_fewer_days_is_valued_by_these(spark: SparkSession) -> None:
    """I01: one day of seven brings a seventh of the visits; milk is bought with 0.7 in seven, with 0.16 in one."""
    of = known(
        spark,
        {"user_id": "a"},
        uplift=[answer("a", 5.0)],
        item_propensity=[{"user_id": "a", "product_id": "milk", "p_offer": 0.7}],
    )
    still = [{"category": "dairy", "segment_id": -1, "elasticity": 0.0}]
    week, day = (valued(spark, [target("a", ("0.2", 2), days=days)], of, still)["a", 0.2] for days in (7, 1))
    assert day.expected_uplift == pytest.approx(week.expected_uplift / 7, rel=1e-5)
    hazard = -np.log(0.3) / 7  # of a day; visits and so purchases are more by the factor of the week
    factor = 1 + week.expected_uplift / 2
    assert day.expected_conversion == pytest.approx(1 - np.exp(-hazard * factor), rel=1e-4)


def test_what_a_fund_pays_is_no_cost_of_the_shop(spark: SparkSession) -> None:
    """I16: the cost split sums to 100 %: own part + the fund's part = what is given, to the minor unit.

    Of one offer with no fund and with three of them: the value rises by what the fund pays, the customer sees the same.
    """
    of = known(spark, {"user_id": "keen"}, uplift=[answer("keen", 10.0)])
    same = valued(spark, [target("keen", ("0.2", 2))], of)[("keen", 0.2)]
    assert (same.fund_minor, same.fund) == (0, None)
    for share in ("0.3", "0.5", "1"):
        fund = ("f", "Alpen", Decimal(share), None, False)
        paid = valued(spark, [target("keen", ("0.2", 2), fund=fund)], of)[("keen", 0.2)]
        assert paid.cost_minor + paid.fund_minor == same.cost_minor  # all that is given
        # both the shop's part and all that is given are rounded up: the fund's is its share, to the cent
        assert Decimal(share) - 1 <= Decimal(share) * same.cost_minor - paid.fund_minor < 1
        gained = (paid.value_micro - same.value_micro) / 1e6
        assert gained == pytest.approx(float(share) * same.cost_minor / 100, abs=0.01 * float(share) + 1e-6)
        assert paid.sold_micro - same.sold_micro == pytest.approx(gained * 1e6, abs=2)
        assert (paid.expected_conversion, paid.expected_uplift) == (same.expected_conversion, same.expected_uplift)
        assert paid.promotion_id != same.promotion_id


def test_each_part_of_an_offer_has_its_pieces(spark: SparkSession) -> None:
    """0.1 pieces a week by habit, of both of a bundle a little more than without it; a basket has none."""
    habits = [{"user_id": "a", "product_id": p, "p_offer": 1 - float(np.exp(-0.1))} for p in ("milk", "rice")]
    of = known(spark, {"user_id": "a"}, uplift=[answer("a", 0.0)], item_propensity=habits)
    [milk] = target("a")["parts"]
    both = target("a", ("0.2", 4), mechanic="bundle", parts=[milk, ("rice", *milk[1:])], charged_price=20)
    basket = target("a", ("0.1", 2), mechanic="coupon", parts=[], charged_price=None, min_spend=20)
    rows = {row.mechanic: row.units_milli for row in valued_rows(spark, [both, basket, target("a", ("0.3", 3))], of)}
    assert rows["coupon"] == [] and len(rows["discount"]) == 1
    assert [100 < units < 110 for units in rows["bundle"]] == [True, True]


def test_a_fund_whose_budget_could_not_bound_what_it_pays_pays_nothing(spark: SparkSession) -> None:
    """Of less than a cent the shop's part, rounded up, is all: an offer that reserves nothing of a fund is not made."""
    seldom = {"user_id": "keen", "product_id": "milk", "p_offer": 1e-6}
    of = known(spark, {"user_id": "keen"}, uplift=[answer("keen", 10.0)], item_propensity=[seldom])
    fund = {limited: ("f", "Alpen", Decimal("0.5"), None, limited) for limited in (True, False)}
    rows = [
        valued(spark, [target("keen", ("0.2", 2), fund=f)], of, least_gain=0.0)[("keen", 0.2)] for f in fund.values()
    ]
    assert [(row.cost_minor, row.fund_minor) for row in rows] == [(1, 0)] * 2 and rows[0].value_micro >= 0
    assert [row.worthwhile for row in rows] == [False, True]


def test_another_objective_chooses_another_offer(spark: SparkSession) -> None:
    """I30: each of four offers is the best of one objective; one that loses margin is made for clearance alone."""
    kinds = {  # charged, cost, elasticity
        "wine": (20, 4, 3.0),  # leaves much
        "phone": (60, 56, 4.0),  # leaves little, but what sells more is dear
        "coat": (40, 39, 10.0),  # leaves nothing, but sells out
        "bread": (20, 9, 0.0),  # cheaper or not, as much is bought: the one who leaves comes for it
    }
    targets, habits = [], []
    for product, (charged, cost, _) in kinds.items():
        part = (product, "food", product, Decimal(charged), Decimal(cost), Decimal(0), 1.0)
        terms = {"parts": [part], "charged_price": charged, "list_price": charged}
        targets.append(target("a", ("0.1", charged // 10), **terms))
        habits.append({"user_id": "a", "product_id": product, "p_offer": 0.75 if product == "bread" else 0.3})
    prices = [{"category": p, "segment_id": -1, "elasticity": e} for p, (_, _, e) in kinds.items()]
    leaving = [{"user_id": "a", "target": "churn_60d", "p": 0.5}]
    of = known(spark, {"user_id": "a"}, uplift=[answer("a", 8.0)], item_propensity=habits, propensity=leaving)

    def best(of_targets: list[dict[str, Any]], objective: str) -> Row:
        rows = valued_rows(spark, of_targets, of, prices, objective=objective)
        return max((row for row in rows if row.worthwhile), key=lambda row: row.aim_micro)

    chosen = {objective: best(targets, objective) for objective in OBJECTIVES}
    assert {objective: row.parts[0].product_id for objective, row in chosen.items()} == {
        "profit": "wine",
        "revenue": "phone",
        "clearance": "coat",
        "retention": "bread",
    }
    assert chosen["profit"].aim_micro == chosen["profit"].value_micro
    assert chosen["clearance"].value_micro < 0 <= min(chosen[o].value_micro for o in OBJECTIVES if o != "clearance")
    # a campaign of another objective has it for its own offers
    campaign = best([t | {"objective": "revenue"} for t in targets], "profit")
    assert campaign.aim_micro == chosen["revenue"].aim_micro


def test_strategies_say_how_users_are_reached_until_it_is_measured(spark: SparkSession) -> None:
    """I21: without evidence the frequent get flash sales and the infrequent coupons; with evidence all compete.

    I22: by segment too; a user of two groups may get the mechanics of both, one of none any.
    """
    groups = {
        "often": {"lifecycle": "loyal"},
        "seldom": {"lifecycle": "lapsing"},
        "both": {"lifecycle": "loyal", "segment_name": "C1"},
        "free": {"lifecycle": "new", "segment_name": "C3"},
    }
    wanted = [("lifecycle", "loyal", "flash"), ("lifecycle", "lapsing", "coupon"), ("segment", "C1", "threshold")]
    mechanics = ("flash", "coupon", "threshold", "discount")

    def reached(basis: str) -> dict[str, set[str]]:
        answers = [answer(u, 5.0) | {"mechanic": m, "basis": basis} for u in groups for m in mechanics]
        of = known(
            spark,
            *({"user_id": u} | facts for u, facts in groups.items()),
            uplift=answers,
            strategies=[{"level": level, "value": value, "mechanic": m} for level, value, m in wanted],
        )
        found: dict[str, set[str]] = {u: set() for u in groups}
        for mechanic in mechanics:
            targets = [target(u, ("0.2", 2), mechanic=mechanic) for u in groups]
            found |= {u: found[u] | {mechanic} for (u, _), row in valued(spark, targets, of).items() if row.in_strategy}
        return found

    every = set(mechanics)
    assert reached("prior") == {"often": {"flash"}, "seldom": {"coupon"}, "both": {"flash", "threshold"}, "free": every}
    assert reached("transferred") == dict.fromkeys(groups, every)


def test_what_was_adjusted_multiplies_what_an_offer_brings_and_what_it_gives(spark: SparkSession) -> None:
    """L01 (factors): twice a visit becomes 2 × exp(10 × 0.2 × 0.1), 5 each; 0.4 pieces of milk as many, 2 off each.

    The factors of its mechanic and of its scenario multiply: 1.5 × 0.8 = 1.2 on what is given, 0.9 on what is brought.
    """
    of = known(
        spark,
        {"user_id": "u"},
        uplift=[answer("u", 10.0)],
        item_propensity=[{"user_id": "u", "product_id": "milk", "p_offer": 1 - float(np.exp(-0.4)), "units_28d": 9.0}],
        propensity=[{"user_id": "u", "target": "churn_60d", "p": 0.5}],
    )
    still = [{"category": "dairy", "segment_id": -1, "elasticity": 0.0}]
    values = {("cost_factor", "mechanic:discount"): 1.5, ("cost_factor", "scenario:repurchase"): 0.8}
    values |= {("value_factor", "scenario:repurchase"): 0.9, ("paused", "mechanic:discount"): 1.0}
    values |= {("paused", "scenario:repurchase"): 2.0, ("value_factor", "scenario:bundle"): 4.0}
    other = target("u", ("0.2", 2), scenario="recommended_item")
    targets = [target("u", ("0.2", 2)), other]
    plain = {row.scenario: row for row in valued_rows(spark, targets, of, still)}
    adjusted = {row.scenario: row for row in valued_rows(spark, targets, of, still, policy=InForce("v", values))}
    factor = float(np.exp(10 * 0.2 * 0.1))
    given, brought = 0.4 * factor * 2, 5 * 2 * (factor - 1)
    assert plain["repurchase"].value_micro / 1e6 == pytest.approx(brought - given, abs=2e-6)
    row = adjusted["repurchase"]
    assert row.value_micro / 1e6 == pytest.approx(0.9 * brought - 1.2 * given, abs=2e-6)
    assert row.aim_micro == row.value_micro
    assert row.cost_minor == int(np.ceil(120 * given)) and plain["repurchase"].cost_minor == int(np.ceil(100 * given))
    assert (row.expected_uplift, row.units_milli) == (plain["repurchase"].expected_uplift, row.units_milli)
    of_other = adjusted["recommended_item"]  # the mechanic's factor alone
    assert of_other.value_micro / 1e6 == pytest.approx(brought - 1.5 * given, abs=2e-6)
    assert [plain["repurchase"].paused, row.paused, of_other.paused] == [0, 2, 1]
    # one of two who leave is kept: of the margin of more orders a half, times what is brought
    kept = valued_rows(spark, targets[:1], of, still, objective="retention", policy=InForce("v", values))
    assert kept[0].aim_micro / 1e6 == pytest.approx(0.9 * 0.5 * brought, abs=2e-6)
    # what concerns other offers leaves these to the last bit
    of_bundles = InForce("v", {("value_factor", "scenario:bundle"): 4.0})
    assert valued_rows(spark, targets, of, still, policy=of_bundles) == valued_rows(spark, targets, of, still)
