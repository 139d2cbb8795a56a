"""Counts of groups become rates, depths, comparisons and outcomes, by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.measurement import FAIRNESS_METRICS, Fairness
from promo_spark.measurement.fairness.audit import Group, Unequal, fairness_rows
from promo_spark.measurement.fairness.groups import GroupCount, ServedUser, group_counts

BY = Unequal(least_ratio=0.8, least_users=100, alpha=0.05)


def group(name: str, may: int, served: int, *, attribute: str = "region", depth: float = 0.1, **counts: int) -> Group:
    """A group in which all may get offers; half of the depths are a tenth of a share above the mean, half below."""
    squares = (depth - 0.1) ** 2 + (depth + 0.1) ** 2
    of_depths = {"depths": served, "depth_sum": round(served * depth * 1e6), "depth_squares": 0}
    of_depths["depth_squares"] = round(served * squares / 2 * 1e6)
    return Group(attribute, name, may, served, may, served, **(of_depths | counts))


def figure(rows: list[dict[str, Any]], name: str, metric: str) -> dict[str, Any]:
    [row] = [r for r in rows if r[Fairness.group_name] == name and r[Fairness.metric] == metric]
    return row


def test_of_whom_nothing_is_known_stops_nothing() -> None:
    """10% of unknown users have an offer, 50% of the others: 0.2 for sure."""
    rows = fairness_rows([group("North", 400, 200), group("unknown", 400, 40)], BY)
    assert figure(rows, "unknown", "disparate_impact")[Fairness.outcome] == "warn"


def test_a_group_below_four_fifths_is_told_and_stops_only_where_it_is_for_sure() -> None:
    """N07: of the North 50% have an offer. West 45%: 0.9, ok. East 38%: 0.76, may be chance. South 10%: 0.2, sure.

    Four groups are six pairs, so the ratio's interval is one of 1 − 0.05 / 6.
    """
    rows = fairness_rows(
        [group("North", 400, 200), group("West", 400, 180), group("East", 400, 152), group("South", 400, 40)], BY
    )
    impact = {n: figure(rows, n, "disparate_impact") for n in ("West", "East", "South")}
    assert {n: (r[Fairness.estimate], r[Fairness.outcome]) for n, r in impact.items()} == {
        "West": (0.9, "ok"),
        "East": (0.76, "warn"),
        "South": (0.2, "stop"),
    }
    assert {r[Fairness.reference] for r in impact.values()} == {"North"}
    assert impact["West"][Fairness.message] is None
    assert impact["South"][Fairness.message] == (
        "10.0% of region=South have an offer, 50.0% of region=North: 0.20 times as many (0.13 to 0.31), "
        "promote.fairness.least_ratio is 0.8"
    )
    z = 2.638257  # the quantile of 1 − 0.05 / 12
    error = math.sqrt(1 / 40.5 - 1 / 400.5 + 1 / 200.5 - 1 / 400.5)
    assert impact["South"][Fairness.ci_high] == pytest.approx(40.5 / 200.5 * math.exp(z * error), abs=1e-5)
    gap = figure(rows, "South", "gap")
    assert gap[Fairness.estimate] == pytest.approx(-0.4) and gap[Fairness.ci_high] < -0.3
    assert figure(rows, "North", "offer_rate")[Fairness.estimate] == 0.5
    assert figure(rows, "South", "mean_depth")[Fairness.estimate] == pytest.approx(0.1)
    assert {r[Fairness.metric] for r in rows} == set(FAIRNESS_METRICS)


def test_small_groups_and_unknown_attributes_are_not_told_of() -> None:
    """Of 99 users nobody says who gets what; of an attribute that nobody has there is no row."""
    rows = fairness_rows([group("North", 400, 200), group("Isle", 99, 0), group("unknown", 900, 9, attribute="a")], BY)
    [isle] = [r for r in rows if r[Fairness.group_name] == "Isle"]
    assert (isle[Fairness.estimate], isle[Fairness.outcome], isle[Fairness.n]) == (None, "insufficient", 99)
    assert isle[Fairness.message].startswith("99 users of region=Isle may get offers, fewer than promote.fairness")
    assert {r[Fairness.attribute] for r in rows} == {"region"}
    assert fairness_rows([], BY) == []


def test_of_few_depths_no_mean_is_told_and_of_nobody_with_offers_no_ratio() -> None:
    rows = fairness_rows([group("North", 400, 29), group("South", 400, 0)], BY)
    assert figure(rows, "North", "mean_depth")[Fairness.outcome] == "insufficient"
    none = fairness_rows([group("North", 400, 0), group("South", 400, 0)], BY)
    assert {r[Fairness.outcome] for r in none if r[Fairness.metric] != "mean_depth"} == {"ok"}
    assert not [r for r in none if r[Fairness.metric] == "disparate_impact"]


def test_loyal_customers_who_get_less_are_told_of_and_stop_nothing() -> None:
    """N07: others get 15% off on average, loyal ones 5%, and a fifth as often: both is said, neither is a stop."""
    rows = fairness_rows(
        [
            group("loyal", 400, 40, attribute="loyalty", depth=0.05),
            group("others", 400, 200, attribute="loyalty", depth=0.15),
        ],
        BY,
    )
    outcomes = {r[Fairness.metric]: r[Fairness.outcome] for r in rows if r[Fairness.group_name] == "loyal"}
    assert outcomes["disparate_impact"] == outcomes["depth_gap"] == "warn"
    assert figure(rows, "loyal", "depth_gap")[Fairness.message] == (
        "loyal customers get offers of 5.0% on average, others of 15.0%"
    )
    deeper = fairness_rows(
        [
            group("loyal", 400, 200, attribute="loyalty", depth=0.2),
            group("others", 400, 250, attribute="loyalty", depth=0.15),
        ],
        BY,
    )
    assert {r[Fairness.outcome] for r in deeper} == {"ok"}  # 0.8 is not below 0.8


def test_equal_groups_are_seldom_called_unequal_for_sure() -> None:
    """N07: in 400 draws of eight groups of 200 users who all have an offer with a chance of 0.3, none is a stop."""
    draw = np.random.default_rng(11)
    stops = 0
    for served in draw.binomial(200, 0.3, size=(400, 8)).tolist():
        rows = fairness_rows([group(f"g{n}", 200, count) for n, count in enumerate(served)], BY)
        stops += any(r[Fairness.outcome] == "stop" for r in rows)
    assert stops == 0


def test_users_are_counted_by_group_and_rare_groups_together(spark: SparkSession) -> None:
    """52 regions: r0 has three users, r1 to r51 one each: the fifty largest are told, r8 and r9, the last, together."""
    users = spark.createDataFrame(
        [(f"u{n}", n != 0, n < 2, 0.25 if n == 1 else None, "r0" if n < 3 else f"r{n - 2}", None) for n in range(54)],
        "user_id string, may boolean, served boolean, depth double, region string, gender string",
    )
    assert set(ServedUser.columns()) < set(users.columns)
    counted = group_counts(users, ["region", "gender"])
    assert counted.filter(F.col(GroupCount.attribute) == "region").count() == 51
    rows = {(r.attribute, r.group_name): r for r in counted.collect()}
    # u0 may not get offers but has one, u1 may and has one of a quarter off, u2 may and has none
    assert tuple(rows["region", "r0"])[2:] == (3, 2, 2, 1, 1, 250_000, 62_500)
    assert rows["region", "other groups"].users == 2
    assert rows["gender", "unknown"].users == 54
