"""Inputs that have changed since models were fitted, and inputs that have not."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.features import DailySales, UserProfile
from promo_spark.contracts.measurement import Checks
from promo_spark.contracts.models import Registry
from promo_spark.measurement.check_rows import CheckRow
from promo_spark.measurement.drift import GROUPS, NUMBERS, SALES, compared_day, profile_drift, sales_drift

DATE = datetime.date(2024, 6, 10)
BEFORE = datetime.date(2024, 5, 11)  # 30 days earlier
Row = dict[str, Any]


def user(n: int, draw: np.random.Generator) -> Row:
    """Everyone has ordered, a tenth excepted."""
    own: Row = {"user_id": f"u{n}", "lifecycle": "repeat" if n % 3 else "loyal", "main_channel": "store"}
    own |= {"region": f"r{n % 4}", "orders_90d": int(draw.poisson(2)), "spend_90d": f"{draw.normal(100, 20):.2f}"}
    own |= {"basket_value": draw.normal(50, 10), "tenure_days": 200 + n % 300, "recency_days": 1 + n % 60}
    return own if n % 10 else own | {"basket_value": None, "recency_days": None, "tenure_days": None}


def profiles(spark: SparkSession, as_of: datetime.date, rows: list[Row]) -> DataFrame:
    return UserProfile.frame(spark, [{"as_of": as_of, **row} for row in rows])


def told(spark: SparkSession, then: list[Row], now: list[Row]) -> dict[str, CheckRow]:
    """By column. The tenures of `now` are as of BEFORE too, 30 days of which have gone by on DATE."""
    now = [row | {"tenure_days": row["tenure_days"] and row["tenure_days"] + 30} for row in now]
    rows = profile_drift(
        profiles(spark, DATE, now), profiles(spark, BEFORE, then), before=BEFORE, date=DATE, threshold=0.25
    )
    Checks.frame(spark, rows)
    assert [row["slice"] for row in rows] == [f"user_profile.{column}" for column in (*NUMBERS, *GROUPS)]
    return {row["slice"].removeprefix("user_profile."): row for row in rows}


def users(count: int, seed: int, change: Callable[[int], Row] = lambda _: {}) -> list[Row]:
    draw = np.random.default_rng(seed)
    return [user(n, draw) | change(n) for n in range(count)]


def test_the_same_users_twice_have_not_changed(spark: SparkSession) -> None:
    """But for their tenure, to which time has added 30 days: that is taken off."""
    found = told(spark, users(1000, 1), users(1000, 1))
    assert all(row["value"] < 0.01 and row["outcome"] == "ok" and row["n"] == 1000 for row in found.values())
    assert all(row["message"] is None for row in found.values())


def test_other_users_of_the_same_kind_have_not_changed_but_by_chance(spark: SparkSession) -> None:
    found = told(spark, users(1000, 1), users(1000, 2))
    assert 0 < found["spend_90d"]["value"] < 0.1 and {row["outcome"] for row in found.values()} == {"ok"}


def test_a_shift_by_a_standard_deviation_is_an_alarm_of_its_column_alone(spark: SparkSession) -> None:
    """Two normal distributions a standard deviation apart have an index of 1 (their divergences, ½ each)."""
    draw = np.random.default_rng(5)
    now = users(1000, 2, lambda _: {"spend_90d": f"{draw.normal(120, 20):.2f}"})
    found = told(spark, users(1000, 1), now)
    spend = found.pop("spend_90d")
    assert spend["outcome"] == "alarm" and 0.7 < spend["value"] < 1.2
    assert spend["message"].startswith(
        "features.user_profile.spend_90d is not distributed as on 2024-05-11: population "
    )
    assert {row["outcome"] for row in found.values()} == {"ok"}


def test_a_value_that_is_new_and_values_that_are_gone_are_alarms_and_no_infinity(spark: SparkSession) -> None:
    """A fifth of the users come by an app that nobody used; nobody has a basket value any more."""
    now = users(1000, 1, lambda n: {"main_channel": "store" if n % 5 else "app", "basket_value": None})
    found = told(spark, users(1000, 1), now)
    # 0.2 × ln(0.2 / 0.0005), and a little for the store
    assert found["main_channel"]["outcome"] == "alarm"
    assert found["main_channel"]["value"] == pytest.approx(0.2 * np.log(0.2 / 0.0005) - 0.2 * np.log(0.8), abs=0.02)
    assert found["basket_value"]["outcome"] == "alarm" and np.isfinite(found["basket_value"]["value"])
    # nobody has a cadence, then or now: there is one bin
    assert (found["cadence_days"]["value"], found["cadence_days"]["outcome"]) == (0.0, "ok")


def test_users_who_came_since_are_the_newest_tenth_not_a_bin_of_their_own(spark: SparkSession) -> None:
    """Of 1,000 users with tenures of 1 to 1,000 days 30 days later, and 50 who came since."""
    then = users(1000, 1, lambda n: {"tenure_days": n + 1})
    came = users(50, 3, lambda n: {"tenure_days": n % 30 - 29, "user_id": f"new{n}"})  # 1 to 30 days on DATE
    tenure = told(spark, then, then + came)["tenure_days"]
    # the lowest tenth has 150 of 1,050 in place of 100 of 1,000: 0.043 × ln(1.43), and little for the others
    assert tenure["value"] == pytest.approx(0.0175, abs=0.003)


def test_rare_values_are_one_bin(spark: SparkSession) -> None:
    """Every user lives in a place of his own: two hundred bins of one user are not two hundred surprises."""
    then, now = (users(400, 1, lambda n, p=p: {"region": f"{p}{n}"}) for p in "ab")  # type: ignore[misc]
    region = told(spark, then, now)["region"]
    assert np.isfinite(region["value"]) and region["n"] == 400
    same = told(spark, then, then)["region"]
    assert same["outcome"] == "ok" and same["value"] < 0.01


def test_few_users_or_no_earlier_date_tell_nothing(spark: SparkSession) -> None:
    few = told(spark, users(400, 1), users(199, 2))["spend_90d"]
    assert (few["value"], few["n"], few["outcome"]) == (None, 199, "insufficient")
    assert few["message"] == "400 users on 2024-05-11 and 199 now: 200 are needed on both dates"
    now = profiles(spark, DATE, users(300, 1))
    rows = profile_drift(now, now.limit(0), before=None, date=DATE, threshold=0.25)
    assert len(rows) == len(NUMBERS) + len(GROUPS) and {row["outcome"] for row in rows} == {"insufficient"}


def test_what_chance_makes_is_taken_off_before_it_is_an_alarm(spark: SparkSession) -> None:
    """Of 200 users each, in 11 bins, chance makes 10 × (1/200 + 1/200) = 0.1 of an index that is above 0.25.

    A tenth of the users have no basket value then, 0.3 now: 0.2 × ln(0.3 / 0.1) + 0.2 × ln(0.9 / 0.7) = 0.27.
    """
    then = users(200, 1)
    now = users(200, 2, lambda n: {"basket_value": None} if n % 10 < 3 else {})
    row = told(spark, then, now)["basket_value"]
    assert row["value"] > 0.25 and row["outcome"] == "ok"


def registry(spark: SparkSession, *fits: tuple[str, datetime.date, bool]) -> DataFrame:
    return Registry.frame(spark, [{"model": m, "as_of": day, "champion": champion} for m, day, champion in fits])


def test_the_day_is_that_of_the_oldest_model_in_use(spark: SparkSession) -> None:
    days = [
        datetime.date(2024, 2, 1),
        datetime.date(2024, 3, 20),
        datetime.date(2024, 5, 11),
        datetime.date(2024, 6, 3),
    ]
    earlier = UserProfile.frame(spark, [{"as_of": day, "user_id": "u"} for day in [*days, DATE]])
    fits = registry(
        spark,
        ("segments", datetime.date(2024, 3, 20), True),
        ("segments", datetime.date(2024, 6, 3), True),
        ("responses", datetime.date(2024, 5, 11), True),
        ("responses", datetime.date(2024, 6, 3), False),  # compared with the one in use, and no better
        ("forecasts", DATE, True),  # of the date itself: fitted on what is compared
        ("old", datetime.date(2024, 2, 1), True),  # more than 90 days ago
    )
    assert compared_day(earlier, fits, date=DATE) == datetime.date(2024, 5, 11)
    # Nothing was fitted: the oldest day within 90 days before, from 2024-03-12 on.
    assert compared_day(earlier, registry(spark), date=DATE) == datetime.date(2024, 3, 20)
    assert compared_day(earlier, None, date=DATE) == datetime.date(2024, 3, 20)
    # Fitted on a day whose profiles are not there any more: those of the next one.
    fitted = registry(spark, ("segments", datetime.date(2024, 5, 12), True))
    assert compared_day(earlier, fitted, date=DATE) == datetime.date(2024, 6, 3)
    assert compared_day(UserProfile.frame(spark, [{"as_of": DATE, "user_id": "u"}]), fits, date=DATE) is None


def sales(
    spark: SparkSession, as_of: datetime.date, units: Callable[[int], dict[str, float]], days: int = 40
) -> DataFrame:
    """Units by category of each day before the date, the newest being day 1; and a product, which does not count."""
    rows = [
        {"as_of": as_of, "level": level, "item_id": item, "day": as_of - datetime.timedelta(n), "units": str(amount)}
        for n in range(1, days + 1)
        for level, of_level in (("category", units(n)), ("product", {"p": 1000 * n}))
        for item, amount in of_level.items()
    ]
    return DailySales.frame(spark, rows)


def sold(spark: SparkSession, then: DataFrame, now: DataFrame) -> CheckRow:
    (row,) = sales_drift(now, then, before=BEFORE, date=DATE, threshold=0.25)
    Checks.frame(spark, [row])
    assert row["slice"] == SALES == "daily_sales.units"
    return row


def test_shares_of_categories_that_stay_are_no_drift_however_much_is_sold(spark: SparkSession) -> None:
    then = sales(spark, BEFORE, lambda n: {"tea": 10 + n % 7, "milk": 20 + 2 * (n % 7)})
    now = sales(spark, DATE, lambda n: {"tea": 30 + 3 * (n % 7), "milk": 60 + 6 * (n % 7)})
    row = sold(spark, then, now)
    assert (row["value"], row["n"], row["outcome"], row["message"]) == (pytest.approx(0, abs=1e-4), 28, "ok", None)


def test_a_category_that_takes_over_is_an_alarm_that_names_it(spark: SparkSession) -> None:
    """Tea goes from a third to two thirds: 2 × (1/3) × ln 2 = 0.462. What was sold before the 28 days is not seen."""
    then = sales(spark, BEFORE, lambda n: {"tea": 10, "milk": 20} if n <= 28 else {"milk": 999})
    now = sales(spark, DATE, lambda n: {"tea": 20, "milk": 10} if n <= 28 else {"milk": 999})
    row = sold(spark, then, now)
    assert row["outcome"] == "alarm" and row["value"] == pytest.approx(0.462, abs=0.002)
    assert "milk from 66.7% to 33.3%, tea from 33.3% to 66.7%" in row["message"]


def test_shares_that_differ_from_day_to_day_as_much_are_no_alarm(spark: SparkSession) -> None:
    """Whole days of tea and whole days of milk: by how they fall a window may have a third or two thirds of tea."""
    tea, milk = {"tea": 30.0, "milk": 0.0}, {"tea": 0.0, "milk": 30.0}
    then = sales(spark, BEFORE, lambda n: tea if n % 3 == 0 else milk, days=15)
    now = sales(spark, DATE, lambda n: milk if n % 3 == 0 else tea, days=15)
    row = sold(spark, then, now)
    # the index is 0.46, and chance makes 2 × 2 × (2/9 × 15/14 / 15) / ½ = 0.127; 0.33 is still beyond 0.25
    assert row["outcome"] == "alarm"
    less = sold(spark, sales(spark, BEFORE, lambda n: tea if n % 5 < 2 else milk, days=15), now)
    # 0.267 × ln(0.667 / 0.4) + 0.267 × ln(0.6 / 0.333) = 0.293, and 0.13 of it by chance
    assert less["value"] == pytest.approx(0.293, abs=0.01) and less["outcome"] == "ok"


def test_a_new_category_returns_and_few_days_of_sales(spark: SparkSession) -> None:
    then = sales(spark, BEFORE, lambda _: {"tea": 20, "milk": 20, "back": -1})  # only taken back: nothing of it is sold
    now = sales(spark, DATE, lambda _: {"tea": 20, "milk": 20, "juice": 40})
    row = sold(spark, then, now)
    assert row["outcome"] == "alarm" and np.isfinite(row["value"]) and "juice from 0.0% to 50.0%" in row["message"]
    few = sold(spark, then, sales(spark, DATE, lambda n: {"tea": 20.0 if n <= 13 else 0.0}))
    assert (few["value"], few["n"], few["outcome"]) == (None, 13, "insufficient")
    (none,) = sales_drift(now, then.limit(0), before=None, date=DATE, threshold=0.25)
    assert none["outcome"] == "insufficient"
