"""How good the forecasts are, as rows of models.metrics."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

AVERAGED = ("mae", "rmse", "mase", "smape", "covered_80", "covered_95")
_EXACT = "decimal(28,9)"  # a sum of decimals does not depend on the order of rows, one of doubles does


def forecast_metrics(models: DataFrame) -> DataFrame:
    """One row per metric and slice. series_models → metric, slice, value, n of Metrics."""
    return _accuracy(models).unionByName(_counts(models)).withColumn("value", F.round("value", 6))


def _accuracy(models: DataFrame) -> DataFrame:
    """Errors in the last window of the backtest, over series that have one.

    Slices: model, model:level, model:profile; among the models 'champion', per series the one that the
    windows before the last chose. mae, rmse, mase, smape, covered_80 and covered_95 are means over series
    (null: none measurable, as mase on histories that never change); wape is Σ|error| / Σ units.
    """
    name = F.when(F.col("picked"), F.array("model", F.lit("champion"))).otherwise(F.array("model"))
    means = [_measure(c, F.avg(F.col(c).cast(_EXACT)), F.count(c)) for c in AVERAGED]
    wape = F.try_divide(_exact_sum("absolute_error"), _exact_sum("actual"))
    return (
        models.filter(F.col("mae").isNotNull())
        .withColumn("name", F.explode(name))
        .withColumn(
            "slice",
            F.explode(F.array("name", F.concat_ws(":", "name", "level"), F.concat_ws(":", "name", "profile"))),
        )
        .groupBy("slice")
        .agg(F.array(*means, _measure("wape", wape, F.count(F.lit(1)))).alias("measures"))
        .select("slice", F.inline("measures"))
        .select("metric", "slice", "value", "n")
    )


def _counts(models: DataFrame) -> DataFrame:
    """`series` in all and by profile, `champions` by model, `failures` by model: series that it failed on."""
    of_series = F.array(
        *[
            F.struct(F.lit(metric).alias("metric"), slice_.alias("slice"), F.lit(1).alias("hit"))
            for metric, slice_ in (
                ("series", F.lit("all")),
                ("series", F.col("profile")),
                ("champions", F.col("model")),
            )
        ]
    )
    failed = F.col("units").isNull().cast("int")
    of_models = F.array(
        *[
            F.struct(F.lit("failures").alias("metric"), slice_.alias("slice"), failed.alias("hit"))
            for slice_ in (F.lit("all"), F.col("model"))
        ]
    )
    hits = F.when(F.col("champion"), F.concat(of_series, of_models)).otherwise(of_models)
    return (
        models.select(F.inline(hits))
        .groupBy("metric", "slice")
        .agg(F.sum("hit").cast("double").alias("value"), F.count(F.lit(1)).alias("n"))
    )


def _measure(metric: str, value: Column, n: Column) -> Column:
    return F.struct(F.lit(metric).alias("metric"), value.cast("double").alias("value"), n.alias("n"))


def _exact_sum(column: str) -> Column:
    return F.sum(F.col(column).cast(_EXACT)).cast("double")
