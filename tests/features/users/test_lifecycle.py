"""The lifecycle rules, each at its boundary."""

from __future__ import annotations

from collections.abc import Sequence

from chispa import assert_column_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.features import LIFECYCLES
from promo_spark.features.users.lifecycle import lifecycle
from promo_spark.settings import Settings

# orders, recency_days, cadence_days, recent spend, orders_90d
Figures = tuple[int, int | None, float | None, float, int]

# The user's figures and the lifecycle that follows; high value from a recent spend of 100.
CASES: list[tuple[Figures, str]] = [
    ((0, None, None, 0.0, 0), "new"),  # contacted or registered, nothing bought
    ((1, 1, None, 5.0, 1), "first_time"),
    ((1, 60, None, 5.0, 1), "first_time"),  # first_time_days is still first_time
    ((1, 61, None, 5.0, 1), "lapsing"),
    ((1, 119, None, 0.0, 0), "lapsing"),
    ((1, 120, None, 0.0, 0), "lost"),  # lost_days reached
    ((2, 5, None, 500.0, 2), "first_time"),  # two orders on one day are no habit yet, whatever was spent
    ((9, 29, 10.0, 20.0, 3), "repeat"),
    ((9, 30, 10.0, 20.0, 3), "lapsing"),  # 3 × 10 days of silence
    ((9, 13, 2.0, 20.0, 3), "repeat"),  # 3 × 2 = 6 days are over, but not lapsing_min_days
    ((9, 14, 2.0, 20.0, 3), "lapsing"),
    ((9, 119, 60.0, 20.0, 0), "repeat"),  # a slow buyer, 3 × 60 not reached
    ((9, 120, 60.0, 20.0, 0), "lost"),  # lost comes first, whatever the cadence
    ((40, 1, 5.0, 99.99, 11), "repeat"),
    ((40, 1, 5.0, 99.99, 12), "loyal"),  # loyal_orders_90d reached
    ((40, 1, 5.0, 100.0, 12), "high_value"),  # at the quantile; value comes before loyalty
    ((40, 1, 5.0, 100.0, 2), "high_value"),
    ((40, 15, 5.0, 900.0, 12), "lapsing"),  # silence comes before value
]


SILENT: list[tuple[Figures, str]] = [
    ((9, 29, 10.0, 0.0, 0), "repeat"),  # a day before three times the user's own cadence
    ((9, 30, 10.0, 0.0, 0), "lapsing"),  # that day
    ((9, 90, 10.0, 0.0, 0), "lapsing"),  # silent for 90 days
    ((1, 60, None, 0.0, 0), "first_time"),  # the last day of first_time_days
    ((1, 61, None, 0.0, 0), "lapsing"),
    ((1, 90, None, 0.0, 0), "lapsing"),  # silent for 90 days since the first order
    ((9, 119, 10.0, 0.0, 0), "lapsing"),  # a day before lost_days
    ((9, 120, 10.0, 0.0, 0), "lost"),
]


def with_lifecycle(
    spark: SparkSession, settings: Settings, cases: Sequence[tuple[Figures, str]], orders_expected: float | None = None
) -> DataFrame:
    """Each case as a user, with the lifecycle that is expected and the one that the rules give."""
    users = spark.createDataFrame(
        [(*figures, expected) for figures, expected in cases],
        "orders long, recency_days long, cadence_days double, spent double, orders_90d long, expected string",
    ).withColumn("expected_orders_30d", F.lit(orders_expected).cast("double"))
    rule = lifecycle(
        recent_spend=F.col("spent"),
        high_value_from=F.lit(100.0),
        settings=settings.profile.model_copy(
            update={
                "first_time_days": 60,
                "loyal_orders_90d": 12,
                "lapsing_cadences": 3.0,
                "lapsing_min_days": 14,
                "lapsing_expected_orders": 1.5,
                "lost_days": 120,
            }
        ),
    )
    return users.withColumn("lifecycle", rule)


def test_every_user_has_exactly_one_lifecycle_also_at_the_boundaries(spark: SparkSession, settings: Settings) -> None:
    """C19: the rules in order of priority."""
    assert {expected for _, expected in CASES} == set(LIFECYCLES)
    assert_column_equality(with_lifecycle(spark, settings, CASES), "lifecycle", "expected")


def test_a_user_who_is_silent_for_90_days_is_lapsing(spark: SparkSession, settings: Settings) -> None:
    """C07: silent for 90 days → lapsing, our word for dormant; both boundary days of each rule."""
    assert_column_equality(with_lifecycle(spark, settings, SILENT), "lifecycle", "expected")


def test_who_is_silent_but_expected_is_not_lapsing(spark: SparkSession, settings: Settings) -> None:
    """C19 (expected purchases): silence alone is lapsing up to 1.5 orders expected; lost, and one order, stay so."""
    at_most: list[tuple[Figures, str]] = [((40, 15, 5.0, 900.0, 12), "lapsing"), ((9, 30, 10.0, 20.0, 3), "lapsing")]
    more: list[tuple[Figures, str]] = [
        ((40, 15, 5.0, 900.0, 12), "high_value"),
        ((9, 30, 10.0, 20.0, 3), "repeat"),
        ((9, 120, 10.0, 20.0, 0), "lost"),
        ((1, 61, None, 5.0, 1), "lapsing"),
    ]
    for cases, expected in ((at_most, 1.5), (more, 1.51)):
        told = with_lifecycle(spark, settings, cases, expected)
        assert_column_equality(told, "lifecycle", "expected")
