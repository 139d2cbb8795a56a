"""Forecasts of all series with Spark: series are shuffled once and reach the models in batches.

A Python call per series costs more than the cheap models themselves. So each series becomes one row
with its days in an array, by native aggregation, and a task hands hundreds of such rows to one call.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Sequence

import pandas as pd
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import ForecastModels, Forecasts, ForecastTotals
from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.forecasts.backtest import Forecast
from promo_spark.models.forecasts.fitting import forecast_batch, kept_pools, with_intervals
from promo_spark.models.forecasts.local_models import require_known
from promo_spark.models.forecasts.pools import pools_of
from promo_spark.models.forecasts.series import INTERVALS, SalesSeries, SeriesModel, SeriesToForecast
from promo_spark.settings.forecast import ForecastSettings

BY_DAY = tuple(f.name for f in dataclasses.fields(Forecast))
STORED = (ForecastModels.profile, ForecastModels.model, *INTERVALS, ForecastModels.trained_on)
_SERIES = (DailySales.series_id, DailySales.level, DailySales.item_id)


class SeriesCalendar(Frame):
    """One row per series: its days, and how many its calendar has."""

    by_day = Col(T.ArrayType(T.StructType()), "day and units, in order of the days", required=True)
    days = Col(T.LongType(), "rows of the series", required=True)
    shop_days = Col(T.IntegerType(), "days from the first one of any series to yesterday", required=True)
    span = Col(T.IntegerType(), "days from the first one to yesterday", required=True)


def sales_series(sales: DataFrame, *, as_of: datetime.date, partitions: int) -> DataFrame:
    """One row per series: its units by day, first sale to yesterday, and its revenue. DailySales → SalesSeries.

    The explicit repartition is kept by adaptive execution, which would otherwise merge so few bytes into
    one task. A series that misses a day, or does not end yesterday, fails as a ContractError that names it.
    """
    days, span, by_day = F.col(SeriesCalendar.days), F.col(SeriesCalendar.span), F.col(SeriesCalendar.by_day)
    message = F.concat(
        F.lit("[contract] features.daily_sales: series "),
        DailySales.series_id,
        F.lit(" has "),
        days,
        F.lit(" days where its calendar has "),
        span,
        F.lit(": run the profile job again"),
    )
    units_by_day = F.when(days == span, by_day.getField(DailySales.units)).otherwise(
        F.raise_error(message).cast("array<double>")
    )
    units = F.col(DailySales.units).cast("double").alias(DailySales.units)
    shop_days = F.date_diff(F.lit(as_of), F.min(DailySales.day)).alias(SeriesCalendar.shop_days)
    return (
        sales.select(*_SERIES, DailySales.day, units, DailySales.revenue)
        .repartition(partitions, DailySales.series_id)
        .groupBy(*_SERIES)
        .agg(
            F.sort_array(F.collect_list(F.struct(DailySales.day, DailySales.units))).alias(SeriesCalendar.by_day),
            F.sum(DailySales.revenue).alias(SalesSeries.revenue),
            F.count("*").alias(SeriesCalendar.days),
            F.date_diff(F.lit(as_of), F.min(DailySales.day)).alias(SeriesCalendar.span),
        )
        .crossJoin(F.broadcast(sales.agg(shop_days)))
        .select(
            *_SERIES,
            SalesSeries.revenue,
            (F.col(SeriesCalendar.shop_days) - span).alias(SalesSeries.days_before),
            units_by_day.alias(SalesSeries.units),
        )
    )


def tried_models(series: DataFrame, settings: ForecastSettings, stored: DataFrame | None = None) -> DataFrame:
    """One row per series and model: its forecast, its errors, whether it is the champion. SalesSeries → SeriesModel.

    `stored` (ForecastModels) has the champions that series keep; None: every series is fitted. See `forecast_batch`.
    `pools.season_ends` and `series_models` read these rows: keep them.
    Raises SettingsError when a setting names a model that does not exist.
    """
    for setting in ("models_regular", "models_intermittent"):
        require_known(f"forecast.{setting}", getattr(settings, setting))
    require_known("forecast.models_regular with models_top", settings.models_regular + settings.models_top)
    top = (
        series.orderBy(F.desc(SalesSeries.revenue), SalesSeries.series_id)
        .limit(settings.top_series)
        .select(SalesSeries.series_id, F.lit(True).alias(SeriesToForecast.top))
    )
    kept = ForecastModels.frame(series.sparkSession) if stored is None else stored
    marked = (
        series.join(F.broadcast(top), SalesSeries.series_id, how="left")
        .join(kept.select(SalesSeries.series_id, *STORED), SalesSeries.series_id, how="left")
        .select(
            *_SERIES,
            F.col(SalesSeries.revenue).cast("double").alias(SeriesToForecast.revenue),
            SalesSeries.days_before,
            SalesSeries.units,
            F.coalesce(SeriesToForecast.top, F.lit(False)).alias(SeriesToForecast.top),
            *STORED,
        )
    )

    def forecast(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            for start in range(0, len(rows), settings.batch_series):
                yield forecast_batch(rows.iloc[start : start + settings.batch_series], settings)

    return marked.mapInPandas(forecast, SeriesModel.schema())


def series_models(
    tried: DataFrame, ends: Sequence[Row], settings: ForecastSettings, kept: Sequence[Row] = ()
) -> DataFrame:
    """The same rows with the intervals that the errors of all of them give: `ends` are their SeasonEnds.

    `kept` are their `pools.kept_ends`. SeriesModel of `tried_models` → SeriesModel.
    """
    now, before = (pools_of(ends, before_last=before_last) for before_last in (False, True))
    now = {**now, **kept_pools([row.asDict() for row in kept])}

    def intervals(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            yield with_intervals(rows, now, before, settings)

    return tried.mapInPandas(intervals, SeriesModel.schema())


def forecasts(models: DataFrame, *, as_of: datetime.date) -> DataFrame:
    """One row per series, model and day ahead, as_of being the first. SeriesModel → Forecasts."""
    days = F.transform(
        F.arrays_zip(*BY_DAY),
        lambda ends, ahead: F.struct(
            F.date_add(F.lit(as_of), ahead).alias(Forecasts.day), *[ends[name].alias(name) for name in BY_DAY]
        ),
    )
    return models.filter(F.col(SeriesModel.units).isNotNull()).select(
        *_SERIES,
        SeriesModel.model,
        SeriesModel.champion,
        SeriesModel.profile,
        SeriesModel.failure,
        F.inline(days),
    )


def forecast_totals(models: DataFrame) -> DataFrame:
    """One row per series: the champion's sum of all days ahead. SeriesModel → ForecastTotals."""
    of_total = F.col(SeriesModel.total)
    return models.filter(SeriesModel.champion).select(
        *_SERIES,
        F.size(SeriesModel.units).alias(ForecastTotals.days),
        SeriesModel.model,
        *[F.get(of_total, F.lit(place)).alias(name) for place, name in enumerate(BY_DAY)],
    )
