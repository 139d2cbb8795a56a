"""How good the forecasts are, as metric rows."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.measures.exact_sums import exact_mean, exact_sum
from promo_spark.measures.metric_rows import MetricRow, metric_struct
from promo_spark.models.forecasts.series import OTHERS, SeriesModel

AVERAGED = (
    SeriesModel.mae,
    SeriesModel.rmse,
    SeriesModel.mase,
    SeriesModel.smape,
    SeriesModel.covered_80,
    SeriesModel.covered_95,
    SeriesModel.total_covered_80,
    SeriesModel.total_covered_95,
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

    Slices: model, model:level, model:profile; of what the parts of a series leave, and of all that is sold, model:level
    alone, as their units are those of other series. Among the models 'champion', per series the one that the
    windows before the last chose. mae, rmse, mase, smape, covered_80, covered_95 (of days), total_covered_80 and
    total_covered_95 (of their sum) are means over series (null: none measurable, as mase on histories that never
    change, or coverage with a single window). Over all series wape is Σ|error| / Σ units,
    wape_revenue the same with each series' units at its mean price, bias Σ(forecast − units) / Σ units, and
    total_error Σ|forecast − units| / Σ units of the sums over the horizon: where sales are rare, the errors of days
    are least for a forecast of nothing, and the sum is what is reordered.
    """
    model, level, profile = F.col(SeriesModel.model), F.col(SeriesModel.level), F.col(SeriesModel.profile)
    names = F.when(F.col(SeriesModel.picked), F.array(model, F.lit(CHAMPION))).otherwise(F.array(model))
    of_level = F.concat_ws(":", model, level)
    slices = F.when(level.isin("all", *OTHERS), F.array(of_level)).otherwise(
        F.array(model, of_level, F.concat_ws(":", model, profile))
    )
    of = F.col(MetricRow.slice)
    means = [metric_struct(c, of=of, value=exact_mean(c), n=F.count(c)) for c in AVERAGED]
    off = F.col(SeriesModel.expected) - F.col(SeriesModel.actual)
    price = F.col(SeriesModel.price)
    shares = {
        "wape": (F.col(SeriesModel.absolute_error), F.col(SeriesModel.actual)),
        "wape_revenue": (F.col(SeriesModel.absolute_error) * price, F.col(SeriesModel.actual) * price),
        "bias": (off, F.col(SeriesModel.actual)),
        "total_error": (F.abs(off), F.col(SeriesModel.actual)),
    }
    means += [
        metric_struct(name, of=of, value=F.try_divide(exact_sum(part), exact_sum(whole)), n=F.count("*"))
        for name, (part, whole) in shares.items()
    ]
    return (
        models.filter(F.col(SeriesModel.mae).isNotNull())
        .withColumn(SeriesModel.model, F.explode(names))
        .withColumn(MetricRow.slice, F.explode(slices))
        .groupBy(MetricRow.slice)
        .agg(F.array(*means).alias(_STRUCTS))
        .select(F.inline(_STRUCTS))
    )


def _count(metric: str, of: Column, value: Column) -> Column:
    return F.struct(F.lit(metric).alias(MetricRow.metric), of.alias(MetricRow.slice), value.alias(MetricRow.value))
