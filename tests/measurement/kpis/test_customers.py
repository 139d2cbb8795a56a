"""What customers do, on users whose figures are reckoned by hand."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.silver import Events, OrderLines
from promo_spark.measurement.kpis.customers import CustomerDays, customer_figures
from promo_spark.measurement.kpis.groups import user_groups
from tests.measurement.kpis.shop import DATE, Rows, days_ago, line, offer, told


def figures(
    spark: SparkSession,
    lines: Rows,
    *,
    events: Rows | None = None,
    promotions: Rows | None = None,
    first_orders: dict[str, int] | None = None,
    tiers: Rows | None = None,
) -> DataFrame:
    profiles = [
        {"user_id": user, "first_order_date": days_ago(ago), "as_of": DATE}
        for user, ago in (first_orders or {}).items()
    ]
    return customer_figures(
        OrderLines.frame(spark, lines),
        Events.frame(spark, events or []),
        groups=user_groups(Promotions.frame(spark, promotions or []), days_ago(1)),
        profiles=UserProfile.frame(spark, profiles),
        risk=Risk.frame(spark, tiers or []),
        days=CustomerDays(DATE, retention_days=[30, 60, 90], churn_days=60),
    )


def test_cohorts_are_followed_for_as_many_days(spark: SparkSession) -> None:
    """K09: of those whose first order was 31 to 60 days ago, who ordered again within 30 days of it.

    The last that count ordered first 31 days ago: their 30 days ended yesterday.
    """
    lines = [
        line("ann", "a1", 60),  # the first day that counts for 30 days
        line("ann", "a2", 30),  # 30 days later: in time
        line("bob", "b1", 60),
        line("bob", "b2", 29),  # 31 days later: too late
        line("cid", "c1", 31),  # the last day that counts
        line("cid", "c2", 31),  # the same day: nobody came again
        line("dot", "d1", 30),  # one day too late for this cohort
        line("dot", "d2", 29),
        line("eve", "e1", 61),  # of the cohort of 60 days, the last day of it
        line("eve", "e2", 1),  # 60 days later
        line("fay", "f1", 120),  # of the cohort of 90 days, the first day of it
        line("fay", "f2", 30),  # 90 days later
        line("gus", "g1", 100),  # of the same cohort, and came no more
        line("hal", "h1", 40),  # ordered long before: no first order here
        line("hal", "h2", 39),
    ]
    first = {"ann": 60, "bob": 60, "cid": 31, "dot": 30, "eve": 61, "fay": 120, "gus": 100, "hal": 400}
    groups = [offer("ann", "1", 1, arm="holdout"), offer("bob", "2", 1), offer("cid", "3", 1)]
    found = figures(spark, lines, first_orders=first, promotions=groups)
    assert told(found, "retention_30d") == {
        "all": (round(1 / 3, 6), 3),  # ann of ann, bob and cid
        "arm:holdout": (1.0, 1),
        "arm:treatment": (0.0, 2),
        "segment:1": (round(1 / 3, 6), 3),
    }
    assert told(found, "retention_60d")["all"] == (1.0, 1)
    assert told(found, "retention_90d")["all"] == (0.5, 2)
    assert told(found, "retention_90d")["arm:holdout"] == (None, 0), "ann is of a later cohort"


def test_repurchase_frequency_and_order_value(spark: SparkSession) -> None:
    """K09: whoever ordered once is no repeat buyer; sales of nobody in particular count for order_value only."""
    lines = [
        line("ann", "a1", 30, 10.0),  # the first day of the month
        line(None, "a1", 30, 5.0, line_no=2),  # a second line of the order, whose user is missing: one order, of ann
        line("ann", "a2", 1, 20.0),
        line("ann", "a3", 1, -20.0, quantity=-1),  # gives a2 back: no order, and it takes off nothing here
        line("bob", "b1", 2, 25.0),  # once
        line("cid", "c1", 31, 99.0),  # before the month
        line(None, "n1", 3, 40.0),
        line(None, "n2", 3, 60.0),
        line("dot", "d1", 0, 99.0),  # the date itself is not over
    ]
    groups = [
        offer("ann", "1", 1, segment_id=1),
        offer("ann", "2", 1, segment_id=1),  # two offers of a user are one user
        offer("bob", "3", 1, arm="holdout", segment_id=2),
        offer("bob", "4", 2, arm="explore", segment_id=9),  # what was decided the day before that does not count
    ]
    found = figures(spark, lines, promotions=groups)
    assert told(found, "repurchase_rate") == {
        "all": (0.5, 2),  # ann of ann and bob
        "arm:treatment": (1.0, 1),
        "arm:holdout": (0.0, 1),
        "segment:1": (1.0, 1),
        "segment:2": (0.0, 1),
    }
    assert told(found, "orders_per_user")["all"] == (1.5, 2)  # (2 + 1) / 2
    assert told(found, "order_value")["all"] == (32.0, 5)  # (15 + 20 + 25 + 40 + 60) / 5
    assert told(found, "order_value")["arm:treatment"] == (17.5, 2)  # (15 + 20) / 2


def test_who_left_of_those_who_came_regularly(spark: SparkSession) -> None:
    """K11: of regular buyers of the 60 days before the month, who have not ordered in the last 60 days.

    The month begins 30 days ago; the 60 days before it are those from 90 to 31 days ago.
    """
    lines = [
        *(line("ann", "a1", 90), line("ann", "a2", 61)),  # left: the last order is 61 days ago
        *(line("bob", "b1", 90), line("bob", "b2", 60)),  # was here 60 days ago
        *(line("cid", "c1", 80), line("cid", "c2", 70), line("cid", "c3", 1)),  # came back in the month
        *(line("dot", "d1", 80), line("dot", "d2", 80)),  # one day only: not regular
        *(line("eve", "e1", 91), line("eve", "e2", 70)),  # one of the days is too long ago
        line("fay", "f1", 10),  # new
    ]
    assert told(figures(spark, lines), "churn_rate")["all"] == (round(1 / 3, 6), 3)  # ann of ann, bob and cid
    young = [*(line("ann", "a1", 45), line("ann", "a2", 44)), line("bob", "b1", 5)]  # a shop of 45 days
    assert told(figures(spark, young), "churn_rate")["all"] == (None, 1)  # nobody can have left 60 days ago


def test_orders_of_cheats(spark: SparkSession) -> None:
    """K11: orders of accounts of the tiers high and blocked, as a share of those of all scored accounts."""
    lines = [
        *(line("ann", f"a{n}", 5) for n in range(6)),
        *(line("bob", f"b{n}", 5) for n in range(2)),  # high
        *(line("cid", f"c{n}", 5) for n in range(2)),  # medium: is only limited
        line("dot", "d1", 5),  # refused to be profiled, and is not scored
        line(None, "n1", 5),
        line("bob", "b9", 31),  # before the month
    ]
    tiers = {"ann": "low", "bob": "high", "cid": "medium"}
    scores: Rows = [{"user_id": user, "tier": tier, "as_of": DATE} for user, tier in tiers.items()]
    scores.append({"user_id": "ann", "tier": "blocked", "as_of": days_ago(1)})  # was thought so the day before
    assert told(figures(spark, lines, tiers=scores), "fraud_rate")["all"] == (0.2, 10)  # 2 / (6 + 2 + 2)
    assert told(figures(spark, lines), "fraud_rate")["all"] == (None, 0)


def test_who_is_seen_and_how_often(spark: SparkSession) -> None:
    """K16: of four users of the month two were there yesterday; days with an order or an event count once."""
    lines = [
        line("ann", "a1", 1),
        line("bob", "b1", 30),  # the first day of the month
        line("cid", "c1", 31),  # before it
        line(None, "n1", 1),
    ]

    def event(user: str | None, ago: int, number: int = 0) -> dict[str, Any]:
        return {"event_id": f"{user}{ago}{number}", "user_id": user, "event_date": days_ago(ago), "event_type": "view"}

    events = [
        *(event("ann", 1), event("ann", 1, 1)),  # the day of the order
        *(event("ann", 2), event("ann", 3)),
        *(event("dot", 1), event("eve", 9), event(None, 1), event("fay", 31), event("gus", 0)),
    ]
    groups = [offer("ann", "1", 1), offer("bob", "2", 1, arm="holdout"), offer("dot", "3", 1, arm="holdout")]
    found = figures(spark, lines, events=events, promotions=groups)
    assert told(found, "daily_users")["all"] == (2.0, 2)  # ann, dot
    assert told(found, "monthly_users")["all"] == (4.0, 4)  # ann, bob, dot, eve
    assert told(found, "stickiness")["all"] == (0.5, 4)
    assert told(found, "conversion_rate")["all"] == (0.5, 4)  # ann and bob ordered
    assert told(figures(spark, lines), "conversion_rate")["all"] == (None, 2), "without events nobody is seen to leave"
    assert told(found, "visit_frequency")["all"] == (1.5, 4)  # (3 + 1 + 1 + 1) / 4
    assert told(found, "stickiness")["arm:holdout"] == (0.5, 2)  # dot of bob and dot
    assert told(found, "visit_frequency")["arm:treatment"] == (3.0, 1)


def test_there_is_no_figure_of_the_brand(spark: SparkSession) -> None:
    """K16: nothing measures how the brand is known, so nothing says so."""
    kpis = {row.kpi for row in figures(spark, [line("ann", "a1", 1)]).collect()}
    assert kpis and not [kpi for kpi in kpis if "brand" in kpi or "aware" in kpi]


@pytest.mark.parametrize("partitions", [1, 7])
def test_the_same_however_the_rows_are_spread(spark: SparkSession, partitions: int) -> None:
    lines = [line(f"u{n % 9}", f"o{n}", 1 + n % 60, 0.1 + n / 7) for n in range(200)]
    days = CustomerDays(DATE, retention_days=[30], churn_days=60)
    nothing = {
        "groups": user_groups(Promotions.frame(spark), days_ago(1)),
        "profiles": UserProfile.frame(spark),
        "risk": Risk.frame(spark),
    }
    whole, spread = (
        customer_figures(rows, Events.frame(spark), days=days, **nothing).orderBy("kpi", "slice").collect()
        for rows in (OrderLines.frame(spark, lines), OrderLines.frame(spark, lines).repartition(partitions))
    )
    assert whole == spread
