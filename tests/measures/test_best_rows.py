from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.measures.best_rows import best_rows

SCORES = "category string, product string, score int"


def test_the_first_rows_of_each_group_are_kept_in_the_order_given(spark: SparkSession) -> None:
    scores = spark.createDataFrame(
        [
            ("tea", "green", 3),
            ("tea", "black", 3),  # the same score: the name decides
            ("tea", "white", 1),  # third of two
            ("milk", "whole", 1),  # alone in its group
        ],
        SCORES,
    )
    best = best_rows(scores, of=["category"], by=[F.desc("score"), "product"], keep=2)
    expected = spark.createDataFrame([("tea", "black", 3), ("tea", "green", 3), ("milk", "whole", 1)], SCORES)
    assert_df_equality(best, expected, ignore_row_order=True)


def test_a_place_column_counts_from_one_within_each_group(spark: SparkSession) -> None:
    scores = spark.createDataFrame([("tea", "green", 3), ("tea", "black", 9), ("milk", "whole", 1)], SCORES)
    best = best_rows(scores, of=["category"], by=[F.desc("score")], keep=2, place="place")
    expected = spark.createDataFrame(
        [("tea", "black", 9, 1), ("tea", "green", 3, 2), ("milk", "whole", 1, 1)], f"{SCORES}, place int"
    )
    assert_df_equality(best, expected, ignore_row_order=True, ignore_nullable=True)


def test_without_groups_the_best_of_all_rows_are_kept(spark: SparkSession) -> None:
    scores = spark.createDataFrame([("tea", "green", 3), ("milk", "whole", 1)], SCORES)
    best = best_rows(scores, of=[], by=["score"], keep=1)
    assert_df_equality(best, spark.createDataFrame([("milk", "whole", 1)], SCORES))
