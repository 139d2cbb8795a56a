"""Forecasts of all series with Spark: series are shuffled once and reach the models in batches.

A Python call per series costs more than the cheap models themselves. So each series becomes one row
with its days in an array, by native aggregation, and a task hands hundreds of such rows to one call.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales
from promo_spark.models.forecasts.backtest import Accuracy, Forecast
from promo_spark.models.forecasts.local_models import require_known
from promo_spark.models.forecasts.series import forecast_batch
from promo_spark.settings.forecast import ForecastSettings

ENDS = tuple(f.name for f in dataclasses.fields(Forecast))
ACCURACY = tuple(f.name for f in dataclasses.fields(Accuracy))

_TEXT, _FLAG, _DOUBLE = T.StringType(), T.BooleanType(), T.DoubleType()
SERIES_MODELS = T.StructType(
    [T.StructField(c, _TEXT) for c in ("series_id", "level", "profile", "model")]
    + [T.StructField(c, _FLAG) for c in ("champion", "picked")]
    + [T.StructField("failure", _TEXT)]
    + [T.StructField(c, T.ArrayType(_DOUBLE)) for c in ENDS]
    + [T.StructField(c, _DOUBLE) for c in ACCURACY]
)


def sales_series(sales: DataFrame, *, as_of: datetime.date, partitions: int) -> DataFrame:
    """One row per series: its units by day, first sale to yesterday, and its revenue. DailySales → series.

    The explicit repartition is kept by adaptive execution, which would otherwise merge so few bytes into
    one task. A series that misses a day, or does not end yesterday, fails as a ContractError that names it.
    """
    days = F.count(F.lit(1))
    span = F.datediff(F.lit(as_of), F.min(DailySales.day))
    broken = F.raise_error(
        F.concat(
            F.lit("[contract] features.daily_sales: series "),
            F.col("series_id"),
            F.lit(" has "),
            F.col("days"),
            F.lit(" days where its calendar has "),
            F.col("span"),
            F.lit(": run the profile job again"),
        )
    ).cast("array<double>")
    return (
        sales.select("series_id", "level", "day", F.col("units").cast("double").alias("units"), "revenue")
        .repartition(partitions, "series_id")
        .groupBy("series_id", "level")
        .agg(
            F.sort_array(F.collect_list(F.struct("day", "units"))).alias("by_day"),
            F.sum("revenue").alias("revenue"),
            days.alias("days"),
            span.alias("span"),
        )
        .select(
            "series_id",
            "level",
            "revenue",
            F.when(F.col("days") == F.col("span"), F.col("by_day.units")).otherwise(broken).alias("units"),
        )
    )


def series_models(series: DataFrame, settings: ForecastSettings) -> DataFrame:
    """One row per series and model: its forecast, its backtest, whether it is the champion. See `forecast_batch`.

    Raises SettingsError when a setting names a model that does not exist.
    """
    for setting in ("models_regular", "models_intermittent"):
        require_known(f"forecast.{setting}", getattr(settings, setting))
    require_known("forecast.models_regular with models_top", settings.models_regular + settings.models_top)
    top = (
        series.orderBy(F.desc("revenue"), "series_id")
        .limit(settings.top_series)
        .select("series_id", F.lit(True).alias("top"))
    )
    marked = series.join(F.broadcast(top), "series_id", how="left").select(
        "series_id", "level", "units", F.coalesce("top", F.lit(False)).alias("top")
    )

    def forecast(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            for start in range(0, len(rows), settings.batch_series):
                yield forecast_batch(rows.iloc[start : start + settings.batch_series], settings)

    return marked.mapInPandas(forecast, SERIES_MODELS)


def forecasts(models: DataFrame, *, as_of: datetime.date) -> DataFrame:
    """One row per series, model and day ahead, as_of being the first. series_models → Forecasts."""
    return (
        models.filter(F.col("units").isNotNull())
        .select(
            F.lit(as_of).alias("as_of"),
            "series_id",
            "model",
            "champion",
            "profile",
            "failure",
            F.posexplode(F.arrays_zip(*ENDS)).alias("ahead", "end"),
        )
        .select(
            "as_of",
            "series_id",
            "model",
            "champion",
            "profile",
            "failure",
            F.date_add(F.lit(as_of), F.col("ahead")).alias("day"),
            "end.*",
        )
    )
