"""Figures about a day's decisions, and a baseline beside them. All expected, none measured: that is for later."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, GroupedData
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Budget, Promotions


def decision_metrics(
    promotions: DataFrame, budget: DataFrame, candidates: DataFrame, response: DataFrame, segments: DataFrame
) -> DataFrame:
    """One row per figure: metric, slice, value, n.

    candidates, offers by scenario; none by reason; users with offers by segment; budget use by constraint;
    observed response by kind (n = trials). `segments` are the users with a profile.
    """
    is_offer = F.col(Promotions.scenario) != "none"
    offers = promotions.filter(is_offer)
    reasons = promotions.filter(~is_offer).select(F.explode(Promotions.reason_codes).alias("slice"))
    names = segments.groupBy("segment_id").agg(F.min("segment_name").alias("slice"))
    first = promotions.filter(F.col(Promotions.rank) == 1).join(segments, Promotions.user_id, "left_semi")
    reached = first.join(F.broadcast(names), "segment_id", "inner")
    has_trials = F.when(F.sum("trials") > 0, F.sum("successes") / F.sum("trials"))
    figures = [
        _counted(candidates.groupBy(F.col("scenario").alias("slice")), "candidates"),
        _counted(offers.groupBy(F.col(Promotions.scenario).alias("slice")), "offers"),
        _counted(offers.groupBy(F.lit("all").alias("slice")), "offers"),
        _counted(reasons.groupBy("slice"), "none"),
        _figures(
            reached.groupBy("slice").agg(
                (F.count(F.when(is_offer, 1)) / F.count("*")).alias("value"), F.count("*").alias("n")
            ),
            "users_with_offers_share",
        ),
        _figures(
            budget.select(
                F.col(Budget.constraint).alias("slice"),
                F.when(F.col(Budget.planned) > 0, F.col(Budget.reserved) / F.col(Budget.planned)).alias("value"),
                F.col(Budget.offers).alias("n"),
            ),
            "budget_used_share",
        ),
        _figures(
            response.groupBy(F.col("kind").alias("slice")).agg(has_trials.alias("value"), F.sum("trials").alias("n")),
            "observed_response",
        ),
    ]
    return reduce(DataFrame.unionByName, figures)


def expected_totals(candidates: DataFrame, offers: DataFrame, order: str) -> DataFrame:
    """Two figures of an allocation named `order`: expected margin and expected cost of all its offers."""
    given = candidates.join(offers.select("user_id", "promotion_id"), ["user_id", "promotion_id"], "left_semi")
    sums = given.agg(
        F.coalesce(F.sum("margin_micro"), F.lit(0)).alias("margin"),
        F.coalesce(F.sum("cost_cents"), F.lit(0)).alias("cost"),
        F.count("*").alias("n"),
    )
    both = F.explode(
        F.array(_total("expected_margin", F.col("margin") / 1e6), _total("expected_cost", F.col("cost") / 100))
    )
    return sums.select(both.alias("total"), "n").select("total.metric", F.lit(order).alias("slice"), "total.value", "n")


def _total(metric: str, value: Column) -> Column:
    return F.struct(F.lit(metric).alias("metric"), F.round(value.cast("double"), 2).alias("value"))


def _counted(groups: GroupedData, metric: str) -> DataFrame:
    counts = groups.agg(F.count("*").alias("n"))
    return _figures(counts.withColumn("value", F.col("n")), metric)


def _figures(df: DataFrame, metric: str) -> DataFrame:
    value = F.round(F.col("value").cast("double"), 6)
    return df.select(F.lit(metric).alias("metric"), "slice", value.alias("value"), F.col("n").cast("long").alias("n"))
