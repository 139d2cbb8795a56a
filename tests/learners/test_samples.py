"""The same rows are drawn, however they are partitioned."""

from __future__ import annotations

from pyspark.sql import SparkSession

from promo_spark.learners.samples import hashed_sample


def test_a_sample_does_not_depend_on_partitions(spark: SparkSession) -> None:
    rows = [(f"u{i:03}", part) for i in range(300) for part in range(2)]
    drawn = [
        sorted(
            hashed_sample(
                spark.createDataFrame(rows[::step], ["user_id", "part"]).repartition(partitions),
                "user_id",
                at_most=50,
                seed=seed,
            ).collect()
        )
        for step, partitions, seed in ((1, 1, 7), (-1, 5, 7), (1, 1, 8))
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 100, "both rows of 50 users"
