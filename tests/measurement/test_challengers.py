"""What a challenger would bring more than today's policy: played worlds whose truth is known."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Budget, Explored
from promo_spark.contracts.measurement import Effects
from promo_spark.measurement.challengers import Revaluing, challenger_contexts, challenger_row
from promo_spark.measurement.effects import Judging
from promo_spark.measurement.moments import Moments, moments_of_arrays
from promo_spark.measurement.windows import Window

DAY, MOST = datetime.date(2024, 3, 1), 28  # dates
BY = Judging(alpha=0.05, least_users=200, planned_days=28, before_days=28)
Row = dict[str, Any]


def drawn(draw: np.random.Generator, n: int, *, candidates: int, more: float, differs: float) -> Mapping[str, Any]:
    """Explored decisions of a date: the challenger would do something else in a share of them, and bring more there.

    Margins of a week scatter by 5. What was told says nothing of which is better. Each offer is as likely as any other.
    """
    p = 0.75 / candidates
    action = np.floor(draw.random(n) / p).astype(int)  # 0 is today's, 1 the challenger's; what is left is none
    other = draw.random(n) < differs
    theirs, ours = other & (action == 1), other & (action == 0)
    rest = draw.normal(0.0, 5.0, n) + more * theirs
    return {
        "contexts": np.ones(n),
        "differing": other,
        "weight_policy": theirs / p,
        "weight_none": ours / p,
        "rest_policy": theirs / p * rest,
        "rest_none": ours / p * rest,
        "told": np.zeros(n),
    }


def row(of: Moments, dates: int = MOST) -> Row:
    window = Window(DAY, 7)
    return challenger_row("bold", of, window, BY, dates=dates, most_dates=MOST, of_all=1)


def opened(draw: np.random.Generator, users_a_day: int, **world: Any) -> bool:
    """Whether the gate opens at any of four weeks of daily looks."""
    days = [moments_of_arrays(drawn(draw, users_a_day, **world)) for _ in range(MOST)]
    users, sums, products = 0, np.zeros(7), np.zeros((7, 7))
    for dates, of in enumerate(days, start=1):
        users, sums, products = users + of.users, sums + of.sums, products + of.products
        told = row(Moments(users, of.names, sums, products), dates)
        if told[Effects.estimate] is not None and told[Effects.cs_low] > 0:
            return True
    return False


def test_a_challenger_that_is_much_better_takes_over_and_one_that_changes_nothing_does_not() -> None:
    """L07: 28 daily looks each. Better by 3: found in all of 40 months; better by 0: in 5 % of 400 at most."""
    draw = np.random.default_rng(11)
    assert all(opened(draw, 400, candidates=4, more=3.0, differs=1.0) for _ in range(40))
    false = np.mean([opened(draw, 400, candidates=4, more=0.0, differs=0.5) for _ in range(400)])
    assert false <= 0.05


def test_the_same_policy_is_no_better_by_nothing() -> None:
    of = moments_of_arrays(drawn(np.random.default_rng(12), 5_000, candidates=4, more=0.0, differs=0.0))
    told = row(of)
    assert [told[name] for name in ("estimate", "se", "cs_low", "cs_high")] == [0.0, 0.0, 0.0, 0.0]


def test_few_users_cannot_tell_and_it_says_so() -> None:
    """20,000 users, of whom 0.7 % a day are explored: 3,500 decisions in four weeks, 19 candidates each."""
    few = moments_of_arrays(drawn(np.random.default_rng(13), 3_500, candidates=19, more=0.3, differs=0.5))
    told = row(few)
    assert told[Effects.estimate] is None and told[Effects.verdict] == "insufficient"
    assert "of 3,500 explored decisions it would do something else" in told[Effects.reason]
    assert not opened(np.random.default_rng(14), 125, candidates=4, more=0.3, differs=0.5)


def candidate(promotion: str, margin: float, cost: float, **more: Any) -> Row:
    mechanic, _, depth = promotion.partition(" ")
    zeros = dict.fromkeys(("off", "expected_conversion", "expected_uplift"), 0)
    known = {"date": DAY, "user_id": "u1", "promotion_id": promotion, "mechanic": mechanic, "product_ids": []}
    known |= {"scenario": f"of_{mechanic}", "saving": Decimal(depth or "0"), "chosen": False, "action_propensity": 0.25}
    return zeros | known | {"incremental_margin": margin, "expected_cost": cost} | more


CANDIDATES = [
    candidate("none", 0, 0, scenario="none"),
    candidate("coupon 0.2", 3, 2),  # at a price of 0.5 for the day: 3 − 0.5 × 2 = 2, what today's policy takes
    candidate("discount 0.1", 1, 1, chosen=True),  # 0.5
    candidate("discount 0.3", 2, 4),  # 0
]
NOT_DEEP = {"value": {DAY: {"mechanic:discount": 2.0}}, "depth_most": {"scenario:of_discount": 0.2}}


@pytest.mark.parametrize(
    ("challenger", "more", "drew"),
    [
        ({}, 0.0, 0.0),
        ({"value": {DAY: {"mechanic:coupon": 0.5}}}, -1.5, 4.0),  # 5 × 0.5 − 2 × 1.5 < 0
        ({"paused": frozenset({"mechanic:coupon"})}, -1.5, 4.0),
        ({"value": {DAY: {"mechanic:discount": 2.0}}}, -2.0, 0.0),  # of 0.3: 6 × 2 − 4 × 1.5 = 6
        (NOT_DEEP, -1.5, 4.0),  # without that of 0.3: of 0.1, 2 × 2 − 1 × 1.5 = 2.5
        ({"cost": {DAY: {"scenario:of_coupon": 4.0}}}, -1.5, 4.0),  # 5 − 8 × 1.5 < 0
        ({"value": {DAY: {"mechanic:coupon": 0.2}}, "paused": frozenset({"scenario:of_discount"})}, -2.0, 0.0),  # none
    ],
)
def test_a_challenger_chooses_by_its_own_values_at_the_prices_of_the_day(
    spark: SparkSession, challenger: Row, more: float, drew: float
) -> None:
    """After the price the discount of 0.1 is told to bring 0.5, that of 0.3 nothing, as none, and the coupon 2."""
    budget = Budget.frame(spark, [{"date": DAY, "constraint": "daily", "dual_price": 0.5}])
    today = Revaluing("", {DAY: {}})
    bold = Revaluing("bold", **challenger)
    found = challenger_contexts(Explored.frame(spark, CANDIDATES), budget, today, [bold]).collect()
    assert len(found) == 1
    context = found[0].asDict()
    assert (context["told_more"], context["w_challenger"]) == (pytest.approx(more), pytest.approx(drew))
    assert (context["told_drawn"], context["w_today"], context["differs"]) == (1.0, 0.0, more != 0)
