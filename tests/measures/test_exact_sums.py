from itertools import permutations

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.measures.exact_sums import exact_mean, exact_sum, whole_parts


def test_sums_and_means_do_not_depend_on_the_order_of_rows(spark: SparkSession) -> None:
    amounts = [0.1, 0.2, 0.3, 1e9]
    assert len({sum(order) for order in permutations(amounts)}) > 1  # doubles do
    parts = F.sum(whole_parts(F.col("amount"), 1000)) / 1000
    results = {
        tuple(
            spark.createDataFrame([(a,) for a in order], "amount double")
            .coalesce(1)
            .agg(exact_sum("amount"), exact_mean("amount"), parts)
            .collect()[0]
        )
        for order in (amounts, amounts[::-1], amounts[2:] + amounts[:2])
    }
    assert results == {(1_000_000_000.6, 250_000_000.15, 1_000_000_000.6)}
