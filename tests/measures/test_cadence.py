"""Cadence: the median gap between days, and when the next purchase is due."""

from __future__ import annotations

import datetime

from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.measures.cadence import due_date, median_gap


def test_the_median_gap_is_exact_and_due_rounds_half_days_up(spark: SparkSession) -> None:
    """C18: the interval between purchases."""

    def day(number: int) -> datetime.date:
        return datetime.date(2017, 1, 1) + datetime.timedelta(number)

    expected = spark.createDataFrame(
        [
            ([], None, None),
            ([day(0)], None, None),
            ([day(0), day(7)], 7.0, day(14)),
            ([day(0), day(3), day(7)], 3.5, day(11)),  # gaps 3 and 4: the middle; due on day 7 + 3.5 = 10.5
            ([day(0), day(1), day(91), day(93)], 2.0, day(95)),  # gaps 1, 90, 2: the long holiday does not count
        ],
        "days array<date>, gap double, due date",
    )
    measured = expected.select("days", median_gap(F.col("days")).alias("gap"))
    with_due = measured.withColumn("due", due_date(F.array_max("days"), F.col("gap")))
    assert_df_equality(with_due, expected, ignore_nullable=True)
