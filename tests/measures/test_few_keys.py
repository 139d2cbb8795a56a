"""Rows looked up by a few keys before they are joined."""

from __future__ import annotations

from pyspark.sql import SparkSession

from promo_spark.measures.few_keys import that_may_match


def test_only_rows_with_one_of_the_keys_are_left(spark: SparkSession) -> None:
    """Both columns together are the key: u's tea is among them, neither u's milk nor v's tea; doubled keys add none."""
    rows = spark.createDataFrame(
        [("u", "tea", 1), ("u", "milk", 2), ("v", "tea", 3)], "user string, product string, n int"
    )
    keys = spark.createDataFrame([("tea", "u"), ("tea", "u"), ("milk", "v")], "product string, user string")
    found = that_may_match(rows, keys, ["user", "product"])
    assert found.columns == ["user", "product", "n"]
    assert [row.n for row in found.collect()] == [1]


def test_where_keys_are_many_all_rows_go_on(spark: SparkSession) -> None:
    """Two keys where one is the most: nothing is looked up, the join that follows finds what matches."""
    rows = spark.createDataFrame([("u", 1), ("v", 2), ("w", 3)], "user string, n int")
    keys = spark.createDataFrame([("u",), ("v",)], "user string")
    assert that_may_match(rows, keys, ["user"], most=1).count() == 3
    assert that_may_match(rows, keys, ["user"], most=2).count() == 2
