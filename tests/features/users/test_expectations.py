"""Orders that are expected of users, by their histories."""

from __future__ import annotations

from pyspark.sql import SparkSession

from promo_spark.features.users.activity import UserActivity
from promo_spark.features.users.expectations import order_expectations, with_expectation


def test_who_came_often_and_lately_is_expected_who_came_often_and_no_more_is_not(spark: SparkSession) -> None:
    """C19 (expected purchases): 40 users who order every week and did last week, 40 who did until 20 weeks ago, 40 who
    ordered once, 200 days ago; one without an order."""
    kinds = {"weekly": (30, 5, 210), "gone": (10, 140, 210), "once": (1, 200, 200)}
    rows: list[dict[str, object]] = [
        {"user_id": f"{kind}{n}", "orders": orders, "recency_days": recency, "tenure_days": tenure}
        for kind, (orders, recency, tenure) in kinds.items()
        for n in range(40)
    ]
    rows.append({"user_id": "nobody", "orders": 0})
    activity = UserActivity.frame(spark, rows)
    expectations = order_expectations(activity, least_users=80)
    groups = [(r.orders, r.bought_weeks, r.known_weeks) for r in expectations.orderBy("orders").collect()]
    assert groups == [(1, 0, 28), (10, 10, 30), (30, 29, 30)]  # 205 / 7, 210 / 7 …
    told = with_expectation(activity, expectations)
    assert "known_weeks" not in told.columns
    expected = {r.user_id: r.expected_orders_30d for r in told.collect()}
    assert len(expected) == 121
    assert 3.5 < expected["weekly0"] < 4.5  # 29 in 30 weeks are 4.1 in 30 days
    assert expected["gone0"] < 1.0
    assert expected["once7"] < 1.0
    assert expected["nobody"] is None
    # 80 users came again: where more are asked for, nothing is told
    assert order_expectations(activity, least_users=81).isEmpty()
    again = order_expectations(activity.repartition(5), least_users=80)
    assert sorted(again.collect()) == sorted(expectations.collect())
