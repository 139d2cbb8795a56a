"""Cadence: the median gap between days, and when the next purchase is due."""

from __future__ import annotations

import datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.measures.cadence import due_date, median_gap


def test_the_median_gap_is_exact_and_due_rounds_half_days_up(spark: SparkSession) -> None:
    """C18: the interval between purchases."""
    start = datetime.date(2017, 1, 1)
    cases = {
        "none": ([], None, None),
        "one day": ([0], None, None),
        "one gap of 7": ([0, 7], 7.0, 14),
        "gaps 3, 4: middle 3.5, due on day 7 + 3.5 = 10.5, so 11": ([0, 3, 7], 3.5, 11),
        "gaps 1, 90, 2: the long holiday does not count, median 2": ([0, 1, 91, 93], 2.0, 95),
    }
    rows = [(name, [start + datetime.timedelta(d) for d in days]) for name, (days, _, _) in cases.items()]
    df = spark.createDataFrame(rows, "name string, days array<date>").withColumn("gap", median_gap(F.col("days")))
    found = df.withColumn("due", due_date(F.array_max("days"), F.col("gap"))).collect()
    assert {r.name: (r.gap, (r.due - start).days if r.due else None) for r in found} == {
        name: (gap, due) for name, (_, gap, due) in cases.items()
    }
