"""How good the forecasts are, as metric rows."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.measures.exact_sums import exact_mean, exact_sum
from promo_spark.measures.metric_rows import MetricRow, metric_struct
from promo_spark.models.forecasts.series import SeriesModel

AVERAGED = (
    SeriesModel.mae,
    SeriesModel.rmse,
    SeriesModel.mase,
    SeriesModel.smape,
    SeriesModel.covered_80,
    SeriesModel.covered_95,
)
CHAMPION = "champion"
_STRUCTS = "structs"


def forecast_metrics(models: DataFrame) -> DataFrame:
    """One row per metric and slice: of the backtest, and counts. SeriesModel → MetricRow."""
    return _accuracy(models).unionByName(count_metrics(models))


def count_metrics(models: DataFrame) -> DataFrame:
    """`series` in all and by profile, `champions` by model, `failures` by model: series that it failed on."""
    every, model, profile = F.lit("all"), F.col(SeriesModel.model), F.col(SeriesModel.profile)
    failed = F.col(SeriesModel.units).isNull().cast("int")
    of_series = F.array(
        _count("series", every, F.lit(1)), _count("series", profile, F.lit(1)), _count("champions", model, F.lit(1))
    )
    of_models = F.array(_count("failures", every, failed), _count("failures", model, failed))
    counts = F.when(F.col(SeriesModel.champion), F.concat(of_series, of_models)).otherwise(of_models)
    return (
        models.select(F.inline(counts))
        .groupBy(MetricRow.metric, MetricRow.slice)
        .agg(F.sum(MetricRow.value).cast("double").alias(MetricRow.value), F.count("*").alias(MetricRow.n))
    )


def _accuracy(models: DataFrame) -> DataFrame:
    """Errors in the last window of the backtest, over series that have one.

    Slices: model, model:level, model:profile; among the models 'champion', per series the one that the
    windows before the last chose. mae, rmse, mase, smape, covered_80 and covered_95 are means over series
    (null: none measurable, as mase on histories that never change); wape is Σ|error| / Σ units.
    """
    model, level, profile = F.col(SeriesModel.model), F.col(SeriesModel.level), F.col(SeriesModel.profile)
    names = F.when(F.col(SeriesModel.picked), F.array(model, F.lit(CHAMPION))).otherwise(F.array(model))
    slices = F.array(model, F.concat_ws(":", model, level), F.concat_ws(":", model, profile))
    of = F.col(MetricRow.slice)
    means = [metric_struct(c, of=of, value=exact_mean(c), n=F.count(c)) for c in AVERAGED]
    wape = F.try_divide(exact_sum(SeriesModel.absolute_error), exact_sum(SeriesModel.actual))
    return (
        models.filter(F.col(SeriesModel.mae).isNotNull())
        .withColumn(SeriesModel.model, F.explode(names))
        .withColumn(MetricRow.slice, F.explode(slices))
        .groupBy(MetricRow.slice)
        .agg(F.array(*means, metric_struct("wape", of=of, value=wape, n=F.count("*"))).alias(_STRUCTS))
        .select(F.inline(_STRUCTS))
    )


def _count(metric: str, of: Column, value: Column) -> Column:
    return F.struct(F.lit(metric).alias(MetricRow.metric), of.alias(MetricRow.slice), value.alias(MetricRow.value))
