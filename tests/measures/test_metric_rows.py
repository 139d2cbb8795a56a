from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.measures.metric_rows import (
    Figure,
    MetricRow,
    figure_entries,
    metric_counts,
    metric_rows,
    metric_struct,
)


def test_figures_of_python_and_columns_of_a_frame_become_the_same_rows(spark: SparkSession) -> None:
    measured = spark.createDataFrame([("als", 2, 3), ("popular", None, 0)], "model string, hits int, users int")
    from_frame = metric_rows(measured, "hit_rate", of=F.col("model"), value=F.col("hits") / 3, n=F.col("users"))
    from_python = MetricRow.frame(
        spark, figure_entries([Figure("hit_rate", "als", 0.666667, 3), Figure("hit_rate", "popular", None, 0)])
    )
    assert_df_equality(from_frame, from_python, ignore_nullable=True, ignore_metadata=True)


def test_counts_are_value_and_n_of_each_slice(spark: SparkSession) -> None:
    offers = spark.createDataFrame([("bundle",), ("clearance",), ("bundle",)], "scenario string")
    expected = MetricRow.frame(
        spark,
        [
            {"metric": "offers", "slice": "bundle", "value": 2, "n": 2},
            {"metric": "offers", "slice": "clearance", "value": 1, "n": 1},
        ],
    )
    counts = metric_counts(offers, "offers", of=F.col("scenario"))
    assert_df_equality(counts, expected, ignore_nullable=True, ignore_metadata=True, ignore_row_order=True)


def test_one_row_becomes_several_metrics(spark: SparkSession) -> None:
    sums = spark.createDataFrame([(7, 0.4449)], "n int, margin double")
    all_rows, n = F.lit("all"), F.col("n")
    structs = F.array(
        metric_struct("rows", of=all_rows, value=n, n=n),
        metric_struct("margin", of=all_rows, value=F.col("margin"), n=n, decimals=2),
    )
    expected = MetricRow.frame(spark, figure_entries([Figure("rows", "all", 7.0, 7), Figure("margin", "all", 0.44, 7)]))
    assert_df_equality(sums.select(F.inline(structs)), expected, ignore_nullable=True, ignore_metadata=True)
