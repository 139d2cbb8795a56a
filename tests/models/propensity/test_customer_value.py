"""Customer value: the paper's figures, parameters that were planted, and users of the same history."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.predictions import UserHistory
from promo_spark.learners.lifetimes import OrderGroups, OrderModel, fitted_orders, fitted_worth
from promo_spark.models.propensity.customer_value import (
    customer_values,
    fitted_value,
    order_groups,
    order_summaries,
)

DAY = (datetime.date(2017, 12, 1) - datetime.date(1970, 1, 1)).days


def planted(users: int, weeks: float, r: float, alpha: float, a: float, b: float) -> tuple[OrderGroups, float]:
    """Users who come at gamma rates and leave with beta chances, as of a week; and their orders of 26 weeks more."""
    draw = np.random.default_rng(11)
    rate, leave = draw.gamma(r, 1 / alpha, users), draw.beta(a, b, users)
    rows, later = [], 0
    for i in range(users):
        time, frequency, recency = 0.0, 0, 0.0
        while draw.random() >= leave[i] or time == 0.0:
            time += draw.exponential(1 / rate[i])
            if time > weeks + 26:
                break
            if time <= weeks:
                frequency, recency = frequency + 1, time
            else:
                later += 1
        rows.append((frequency, recency, weeks, 1.0))
    return OrderGroups(*np.array(rows).T), later / users


def test_parameters_that_were_planted_foretell_the_orders_to_come() -> None:
    """10,000 users of r 0.8, α 6, a 0.9, b 3: orders of the next 26 weeks within 5%, and about who is still there."""
    groups, later = planted(10_000, 40.0, 0.8, 6.0, 0.9, 3.0)
    model = fitted_orders(groups)
    expected = model.expected_orders(groups.frequency, groups.recency, groups.age, 26.0)
    assert expected.mean() == pytest.approx(later, rel=0.05)
    assert model.r / model.alpha == pytest.approx(0.8 / 6.0, rel=0.1)
    alive = model.alive(np.array([5.0, 5.0]), np.array([39.0, 10.0]), np.array([40.0, 40.0]))
    assert alive[0] > 0.7 > 0.3 > alive[1], "who bought often and then no more has left"


def test_worth_that_was_planted_is_found_again() -> None:
    """Each user's mean is inverse gamma around 30, each order a gamma around it: p 6, q 4, scale 15."""
    draw = np.random.default_rng(12)
    users, orders = 20_000, draw.integers(1, 8, 20_000)
    nu = draw.gamma(4.0, 1 / 15.0, users)
    mean = draw.gamma(6.0 * orders, 1 / nu) / orders
    model = fitted_worth(orders.astype(float), mean, np.ones(users))
    assert model.p * model.scale / (model.q - 1) == pytest.approx(30, rel=0.03)
    assert [model.p, model.q] == pytest.approx([6, 4], rel=0.1)
    # a single dear order is half believed: 6·1 of 6·1 + 3 parts of 90, the rest of 30
    assert model.expected_worth(np.array([1.0]), np.array([90.0]))[0] == pytest.approx(2 / 3 * 90 + 10, rel=0.05)


def test_users_are_counted_by_equal_histories_and_told_apart_by_them(spark: SparkSession) -> None:
    """60 users who order every other week and are there, 60 who did and have not for 20 weeks, 60 who ordered once."""
    rows = []
    for user in range(180):
        ago = {0: range(7, 210, 14), 1: range(147, 210, 14), 2: range(100, 101)}[user % 3]
        entries = [(DAY - days, "tea", 1000, 2000 + 10 * (user // 3), 1, 0) for days in sorted(ago, reverse=True)]
        rows.append({"user_id": f"u{user:03}", "bought": entries})
    rows.append({"user_id": "new", "bought": []})
    summaries = order_summaries(UserHistory.frame(spark, rows), DAY)
    groups = order_groups(summaries)
    # repeat days, weeks to the last, weeks to the date: 203 days before to 7 and to 147 before, 29 weeks ago
    assert list(zip(groups.frequency, groups.recency, groups.age, groups.users, strict=True)) == [
        (0.0, 0.0, 14.0, 60.0),
        (4.0, 8.0, 29.0, 60.0),
        (14.0, 28.0, 29.0, 60.0),
    ]
    model = fitted_value(summaries, groups, least_users=100)
    assert model is not None
    values = {r.user_id: r for r in customer_values(summaries, groups, model, weeks=26).collect()}
    assert len(values) == 180
    there, gone, once = values["u000"], values["u001"], values["u002"]
    assert there.p_alive > 0.9 > gone.p_alive
    assert there.expected_orders > max(gone.expected_orders, once.expected_orders)
    assert there.order_worth == pytest.approx(20, rel=0.1)
    assert there.value == pytest.approx(there.expected_orders * there.order_worth, rel=0.01)
    assert fitted_value(summaries, groups, least_users=121) is None, "120 users came again"


def test_a_user_of_the_paper_is_expected_as_in_the_paper() -> None:
    """Fader, Hardie and Lee 2005, section 4.4: 1.226 orders of the one with two repeats, 0.195 of those without."""
    model = OrderModel(0.243, 4.414, 0.793, 2.426)
    expected = model.expected_orders(np.array([2.0, 0.0]), np.array([30.43, 0.0]), np.array([38.86, 38.86]), 39.0)
    assert expected[0] == pytest.approx(1.226, abs=5e-4)
    assert 0 < expected[1] < 0.5
