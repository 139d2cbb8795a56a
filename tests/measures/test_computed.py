"""What is computed once begins anew: its rows are there, and not how they came about."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.measures.computed import computed


def test_what_is_computed_is_planned_from_its_rows(spark: SparkSession) -> None:
    rows = spark.range(10).withColumn("half", F.col("id") / 2).filter(F.col("id") > 6)
    made = computed(rows)
    assert sorted(tuple(row) for row in made.collect()) == [(7, 3.5), (8, 4.0), (9, 4.5)]
    assert "Filter" not in made._jdf.queryExecution().analyzed().toString()
