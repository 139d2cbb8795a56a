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
from promo_spark.measures.best_rows import best_rows
from promo_spark.models.forecasts.backtest import Forecast
from promo_spark.models.forecasts.fitting import forecast_batch, kept_pools, with_intervals
from promo_spark.models.forecasts.hierarchy import with_other_parts
from promo_spark.models.forecasts.local_models import require_known
from promo_spark.models.forecasts.pooled import Pooled
from promo_spark.models.forecasts.pooled_fit import LocalWindows, local_windows
from promo_spark.models.forecasts.pools import pools_of
from promo_spark.models.forecasts.reconciliation import coherent_units
from promo_spark.models.forecasts.series import INTERVALS, OTHERS, SalesSeries, SeriesModel, SeriesToForecast
from promo_spark.settings.forecast import ForecastSettings

BY_DAY = tuple(f.name for f in dataclasses.fields(Forecast))
STORED = (ForecastModels.profile, ForecastModels.model, *INTERVALS, ForecastModels.trained_on)
_PLANNED = {  # drivers whose days to come are known, and what DailySales calls them
    SalesSeries.display: DailySales.display_share,
    SalesSeries.mailer: DailySales.mailer_share,
    SalesSeries.depth: DailySales.announced_depth,
}
_DRIVERS = (*_PLANNED, SalesSeries.daily_price, SalesSeries.stock_out)
_SERIES = (DailySales.series_id, DailySales.level, DailySales.item_id)


class SeriesCalendar(Frame):
    """One row per series: its days, and how many its calendar has."""

    by_day = Col(T.ArrayType(T.StructType()), "day and units, in order of the days", required=True)
    days = Col(T.LongType(), "rows of the series", required=True)
    shop_days = Col(T.IntegerType(), "days from the first one of any series to yesterday", required=True)
    span = Col(T.IntegerType(), "days from the first one to yesterday", required=True)


class PlannedDays(Frame):
    """One row per series: what is planned of the days to come, in their order."""

    display = Col(T.ArrayType(T.DoubleType()), "share on display by day; null elements: no plan", required=True)
    mailer = Col(T.ArrayType(T.DoubleType()), "the same in the mailer", required=True)
    depth = Col(T.ArrayType(T.DoubleType()), "mean announced reduction", required=True)


def sales_series(
    sales: DataFrame, *, as_of: datetime.date, partitions: int, planned: DataFrame | None = None
) -> DataFrame:
    """One row per series: its units by day, first sale to yesterday, and its revenue. DailySales → SalesSeries.

    With `planned` also what drives it: a row per series and day to come, with display_share, mailer_share and
    announced_depth of DailySales. Without it the drivers are null.

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
    stock_out = F.col(DailySales.stock_out).cast("double").alias(DailySales.stock_out)
    drivers = [] if planned is None else [*map(F.col, (*_PLANNED.values(), DailySales.price)), stock_out]
    shop_days = F.date_diff(F.lit(as_of), F.min(DailySales.day)).alias(SeriesCalendar.shop_days)
    series = (
        sales.select(*_SERIES, DailySales.day, units, DailySales.revenue, *drivers)
        .repartition(partitions, DailySales.series_id)
        .groupBy(*_SERIES)
        .agg(
            F.sort_array(F.collect_list(F.struct(DailySales.day, DailySales.units, *drivers))).alias(
                SeriesCalendar.by_day
            ),
            F.sum(DailySales.revenue).alias(SalesSeries.revenue),
            F.count("*").alias(SeriesCalendar.days),
            F.date_diff(F.lit(as_of), F.min(DailySales.day)).alias(SeriesCalendar.span),
        )
        .crossJoin(F.broadcast(sales.agg(shop_days)))
    )
    ahead = {name: F.lit(None).cast("array<double>") for name in _DRIVERS}
    if planned is not None:
        series = series.join(_planned_days(planned), DailySales.series_id, "left")
        ahead = {
            **{name: F.concat(by_day.getField(of), name) for name, of in _PLANNED.items()},
            SalesSeries.daily_price: by_day.getField(DailySales.price),
            SalesSeries.stock_out: by_day.getField(DailySales.stock_out),
        }
    known = {
        SalesSeries.revenue: F.col(SalesSeries.revenue),
        SalesSeries.days_before: F.col(SeriesCalendar.shop_days) - span,
        SalesSeries.units: units_by_day,
    }
    return SalesSeries.shaped(series.select(*_SERIES, *[of.alias(name) for name, of in (known | ahead).items()]))


def _planned_days(planned: DataFrame) -> DataFrame:
    """One row per series. Rows of series and days to come → PlannedDays."""
    by_day = F.sort_array(F.collect_list(F.struct(DailySales.day, *_PLANNED.values())))
    days = planned.groupBy(DailySales.series_id).agg(by_day.alias(SeriesCalendar.by_day))
    ahead = F.col(SeriesCalendar.by_day)
    return days.select(DailySales.series_id, *[ahead.getField(of).alias(name) for name, of in _PLANNED.items()])


def tried_models(
    series: DataFrame, settings: ForecastSettings, stored: DataFrame | None = None, pooled: Pooled | None = None
) -> DataFrame:
    """One row per series and model: its forecast, its errors, whether it is the champion. SalesSeries → SeriesModel.

    `stored` (ForecastModels) has the champions that series keep; None: every series is fitted. See `forecast_batch`.
    `pooled`: models of all series that take part. `pools.season_ends` and `series_models` read these rows: keep them.
    Raises SettingsError when a setting names a model that does not exist.
    """

    def forecast(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            for start in range(0, len(rows), settings.batch_series):
                yield forecast_batch(rows.iloc[start : start + settings.batch_series], settings, pooled)

    return series_to_forecast(series, settings, stored).mapInPandas(forecast, SeriesModel.schema())


def pooled_sample(series: DataFrame, settings: ForecastSettings) -> DataFrame:
    """The series of each level that pooled models are fitted on, by a hash. SalesSeries → SeriesToForecast."""
    order = F.xxhash64(F.lit(settings.pooled.seed), SeriesToForecast.series_id)
    return best_rows(
        series_to_forecast(series, settings),
        of=[SeriesToForecast.level],
        by=[order, SeriesToForecast.series_id],
        keep=settings.pooled.sample_series,
    )


def windows_of_series(series: DataFrame, ids: Sequence[str], settings: ForecastSettings) -> DataFrame:
    """What their own models said of windows that are over, of some series. SalesSeries → LocalWindows."""

    def windows(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            yield local_windows(batch, settings)

    judged = series_to_forecast(series, settings).filter(F.col(SeriesToForecast.series_id).isin(list(ids)))
    return judged.mapInPandas(windows, LocalWindows.schema())


def series_to_forecast(series: DataFrame, settings: ForecastSettings, stored: DataFrame | None = None) -> DataFrame:
    """Which series earn the dear models, and what is stored of each. SalesSeries, ForecastModels → SeriesToForecast.

    Raises SettingsError when a setting names a model that does not exist.
    """
    for setting in ("models_regular", "models_intermittent"):
        require_known(f"forecast.{setting}", getattr(settings, setting))
    require_known("forecast.models_regular with models_top", settings.models_regular + settings.models_top)
    top = (
        series.filter(~F.col(SalesSeries.level).isin(*OTHERS))
        .orderBy(F.desc(SalesSeries.revenue), SalesSeries.series_id)
        .limit(settings.top_series)
        .select(SalesSeries.series_id, F.lit(True).alias(SeriesToForecast.top))
    )
    kept = ForecastModels.frame(series.sparkSession) if stored is None else stored
    return SeriesToForecast.shaped(
        series.join(F.broadcast(top), SalesSeries.series_id, how="left")
        .join(kept.select(SalesSeries.series_id, *STORED), SalesSeries.series_id, how="left")
        .select(
            *_SERIES,
            F.col(SalesSeries.revenue).cast("double").alias(SeriesToForecast.revenue),
            SalesSeries.days_before,
            SalesSeries.units,
            *_DRIVERS,
            F.coalesce(SeriesToForecast.top, F.lit(False)).alias(SeriesToForecast.top),
            *STORED,
        )
    )


def coherent_models(tried: DataFrame, parts: DataFrame) -> DataFrame:
    """The same rows, of champions with the units that add up. SeriesModel of `tried_models`, SeriesPart → SeriesModel.

    All champions are looked at by one task: a number for each series and day ahead, as many as there are series.
    """

    def coherent(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        if every := list(batches):
            yield coherent_units(pd.concat(every))

    of = (SeriesModel.series_id, SeriesModel.profile, SeriesModel.error_scale, SeriesModel.units)
    champions = tried.filter(SeriesModel.champion).select(*of)
    in_tree = champions.join(F.broadcast(with_other_parts(parts)), SeriesModel.series_id, "left").coalesce(1)
    columns = SeriesModel.schema()
    names = (SeriesModel.series_id, SeriesModel.coherent)
    units = in_tree.mapInPandas(coherent, T.StructType([columns[name] for name in names]))
    units = units.withColumn(SeriesModel.champion, F.lit(True))
    on = [SeriesModel.series_id, SeriesModel.champion]
    return SeriesModel.shaped(tried.drop(SeriesModel.coherent).join(F.broadcast(units), on, "left"))


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
