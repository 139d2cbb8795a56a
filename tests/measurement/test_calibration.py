"""Predicted shares against seen ones, tenth by tenth, with what chance may do."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.measurement import Checks
from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.silver import OrderLines
from promo_spark.measurement.calibration import Calibration, Tenth, calibration
from promo_spark.measurement.check_rows import CheckRow

DATE = datetime.date(2024, 6, 15)
FIRST, LAST = datetime.date(2024, 6, 1), datetime.date(2024, 6, 14)


def told(
    spark: SparkSession,
    ordering: dict[int, int],
    *,
    users: int = 100,
    last: datetime.date = LAST,
    more: list[dict[str, object]] | None = None,
) -> tuple[CheckRow, CheckRow]:
    """Both rows. Decile d has `users` users with p = d / 20; `ordering` of them order, on FIRST or on `last`."""
    predicted = [
        {"as_of": FIRST, "user_id": f"{d}-{n}", "target": "order_14d", "p": d / 20, "decile": d}
        for d in ordering
        for n in range(users)
    ]
    predicted += [
        {"as_of": FIRST, "user_id": "unknown", "target": "order_14d", "p": None},  # nobody knows
        {"as_of": FIRST, "user_id": "1-0", "target": "churn_60d", "p": 0.9, "decile": 9},  # another question
        {"as_of": LAST, "user_id": "1-0", "target": "order_14d", "p": 0.9, "decile": 9},  # of another date
    ]
    lines = [
        {"user_id": f"{d}-{n}", "quantity": 1, "order_date": last if n % 2 else FIRST}
        for d, count in ordering.items()
        for n in range(count)
    ]
    lines += [{"user_id": None, "quantity": 1, "order_date": last}, *(more or [])]
    frames = Propensity.frame(spark, predicted), OrderLines.frame(spark, lines)
    first, second = calibration(*frames, date=DATE, threshold=0.05, oldest_days=2)
    Checks.frame(spark, [first, second])
    return first, second


AS_PREDICTED = {d: 5 * d for d in range(1, 11)}  # of 100 users with p = d / 20


def test_shares_that_are_seen_as_predicted_are_no_alarm(spark: SparkSession) -> None:
    error, worst = told(spark, AS_PREDICTED)
    assert (error["slice"], error["value"], error["n"], error["outcome"]) == ("order_14d", 0.0, 1000, "ok")
    assert (worst["slice"], worst["value"], worst["threshold"]) == ("order_14d.worst_decile", 0.0, None)
    assert error["message"] is None


def test_shares_that_are_off_are_an_alarm_that_names_the_worst_tenth(spark: SparkSession) -> None:
    """Half of those predicted order: off by d / 40, 0.1375 on average, 0.25 at most; 1,000 users show it.

    Each tenth's standard error is √(p (1 − p) / 100), 0.042 on average: chance makes 0.8 × 0.042 and three times
    √((1 − 2/π) / 10) × 0.043 more, 0.058.
    """
    error, worst = told(spark, {d: -(-5 * d // 2) for d in range(1, 11)})  # rounded up: a little less off
    assert error["outcome"] == "alarm"
    assert error["value"] == pytest.approx(0.1375, abs=0.003)
    assert (worst["value"], worst["outcome"]) == (0.25, "ok")
    assert "most in decile 10, predicted 0.500, seen 0.250" in error["message"]
    assert "where chance makes at most 0.05" in error["message"]


def test_what_chance_may_do_is_no_alarm_though_it_is_above_the_threshold(spark: SparkSession) -> None:
    """Of 20 users of each tenth with p = d / 20, 2 more or less than d order: off by 0.1; chance makes 0.13."""
    error, worst = told(spark, {d: d + 2 * (-1) ** d if d > 2 else d for d in range(1, 11)}, users=20)
    assert error["value"] == pytest.approx(0.08) and error["value"] > error["threshold"]
    assert (error["outcome"], error["message"]) == ("ok", None)
    assert worst["value"] == pytest.approx(0.1)


def test_returns_other_days_and_users_without_prediction_do_not_count(spark: SparkSession) -> None:
    """Decile 1 orders on the days before and after the window, and takes back within it: nothing changes."""
    before, after = FIRST - datetime.timedelta(1), DATE
    more: list[dict[str, object]] = [
        *({"user_id": f"1-{n}", "quantity": 1, "order_date": day} for n in range(100) for day in (before, after)),
        *({"user_id": f"1-{n}", "quantity": -1, "order_date": LAST} for n in range(100)),
        *({"user_id": f"new-{n}", "quantity": 1, "order_date": LAST} for n in range(100)),
        {"user_id": "10-0", "quantity": 1, "order_date": LAST},  # once more: still one who ordered
    ]
    error, _ = told(spark, AS_PREDICTED, more=more)
    assert (error["value"], error["n"]) == (0.0, 1000)


def test_what_cannot_be_told_yet_is_said(spark: SparkSession) -> None:
    for days, outcome in ((2, "ok"), (3, "insufficient")):  # two days may be missing, as a shop may close
        error, worst = told(spark, AS_PREDICTED, last=LAST - datetime.timedelta(days))
        assert error["outcome"] == outcome
    assert "of 2024-06-01 to 2024-06-14 end on 2024-06-11" in error["message"]
    assert (error["value"], worst["value"], worst["outcome"]) == (None, None, "insufficient")
    few, _ = told(spark, {1: 5}, users=199)
    assert (few["outcome"], few["n"]) == ("insufficient", 199)
    nobody, _ = told(spark, {})
    assert nobody["outcome"] == "insufficient" and "order_14d of 0 users for 2024-06-01" in nobody["message"]


def test_without_any_order_line_of_the_days_nothing_is_told(spark: SparkSession) -> None:
    predicted = Propensity.frame(spark, [{"as_of": FIRST, "user_id": "u", "target": "order_14d", "p": 0.5}])
    row, _ = calibration(predicted, OrderLines.frame(spark), date=DATE, threshold=0.05, oldest_days=2)
    assert row["outcome"] == "insufficient" and "are missing" in row["message"]


@pytest.mark.parametrize("users", [20, 100, 2000])
def test_true_predictions_are_hardly_ever_beyond_chance(users: int) -> None:
    """Of 2,000 draws in tenths of so many users at most 0.5 % are beyond what chance is allowed."""
    draw, shares = np.random.default_rng(11), np.arange(1, 11) / 20
    beyond = 0
    for seen in draw.binomial(users, shares, (2000, 10)):
        tenths = [
            Tenth(d, users, users * p, users * p * (1 - p), int(s))
            for d, (p, s) in enumerate(zip(shares, seen, strict=True))
        ]
        found = Calibration.of(tenths)
        beyond += found.error > found.by_chance
    assert beyond <= 10
