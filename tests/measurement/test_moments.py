"""Sums of figures and their products: exact, whatever the partitions, and those of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.measurement.figures import Figures
from promo_spark.measurement.moments import moments, moments_of_arrays


def figures() -> Figures:
    return {"one": (F.lit(1), 1), "paid": (F.col("paid"), 100), "gone": (F.col("gone"), 1)}


def test_each_group_has_the_moments_of_its_users(spark: SparkSession) -> None:
    """Users a and b are of group x, b and c of y; c's paid is unknown, and counts as 0."""
    rows = [(["x"], 1.25, -3), (["x", "y"], 2.0, 4), (["y"], None, 5)]
    users = spark.createDataFrame(rows, "groups array<string>, paid double, gone int")
    found = moments(users, groups=F.col("groups"), figures=figures())
    assert found.keys() == {"x", "y"}
    for name, paid, gone in (("x", [1.25, 2.0], [-3, 4]), ("y", [2.0, 0.0], [4, 5])):
        wanted = moments_of_arrays({"one": [1, 1], "paid": paid, "gone": gone})
        assert found[name].users == 2 and found[name].names == wanted.names
        np.testing.assert_allclose(found[name].sums, wanted.sums)
        np.testing.assert_allclose(found[name].products, wanted.products)


@pytest.mark.parametrize("partitions", [1, 5])
def test_large_figures_are_summed_exactly(spark: SparkSession, partitions: int) -> None:
    """20 million in cents, squared and summed over 1,000 users, is more than a long holds; more than that is cut."""
    large = (
        spark.range(1_000).repartition(partitions).select(F.lit(20_000_000.01).alias("paid"), F.lit(None).alias("gone"))
    )
    found = moments(large, groups=F.array(F.lit("all")), figures=figures())["all"]
    exactly = 1_000 * 2_000_000_001**2
    assert exactly > 2**63 and found.products[1, 1] == exactly / 10_000
    larger = spark.range(1).select(F.lit(1e9).alias("paid"), F.lit(None).alias("gone"))
    cut = moments(larger, groups=F.array(F.lit("all")), figures=figures())["all"]
    assert cut.sums[1] == (2**31 - 1) / 100


def test_nobody_has_no_moments(spark: SparkSession) -> None:
    nobody = spark.createDataFrame([], "groups array<string>, paid double, gone int")
    assert moments(nobody, groups=F.col("groups"), figures=figures()) == {}
    alone = spark.createDataFrame([([], 1.0, 1)], "groups array<string>, paid double, gone int")
    assert moments(alone, groups=F.col("groups"), figures=figures()) == {}
