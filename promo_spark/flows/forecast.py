"""The steps of forecast: whether the stored champions are kept, and what is fitted and measured."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import BasketRules, ForecastModels, Forecasts
from promo_spark.flows.forecast_pooled import PooledOfDate, planned_of_date, pooled_of_date
from promo_spark.flows.registry import Fit
from promo_spark.measures.metric_rows import Figure
from promo_spark.measures.refitting import refit_reason
from promo_spark.models.forecasts.batches import coherent_models, sales_series, series_models, tried_models
from promo_spark.models.forecasts.drift import drift
from promo_spark.models.forecasts.hierarchy import other_series, series_parts
from promo_spark.models.forecasts.hints import demand_hints, expected_sales
from promo_spark.models.forecasts.metrics import CHAMPION, count_metrics, forecast_metrics
from promo_spark.models.forecasts.pools import kept_ends, season_ends
from promo_spark.models.forecasts.series import SalesSeries
from promo_spark.models.forecasts.stored import StoredModels, stored_models
from promo_spark.models.forecasts.trends import demand_trends
from promo_spark.runtime.job import Context
from promo_spark.settings.forecast import ForecastSettings
from promo_spark.storage.refused_rows import collected, computed_rows


@dataclass(frozen=True)
class ForecastsOfDate:
    """The models run for the date (SeriesModel), figures of them, why they were fitted, "" if kept; pooled models."""

    models: DataFrame
    figures: list[Figure]
    reason: str
    pooled: PooledOfDate


@dataclass(frozen=True)
class SeriesOfDate:
    """The series that are forecast (SalesSeries), and whose forecasts are to add up (SeriesPart); None: nobody's."""

    series: DataFrame
    parts: DataFrame | None


def series_of_date(ctx: Context[ForecastSettings], sales: DataFrame) -> SeriesOfDate:
    """The series of features.daily_sales, and of what their parts leave. DailySales → SalesSeries, SeriesPart."""
    planned = planned_of_date(ctx, sales)
    series = computed_rows(sales_series(sales, as_of=ctx.date, partitions=ctx.settings.partitions, planned=planned))
    if ctx.settings.reconcile == "none":
        return SeriesOfDate(series, None)
    parts = computed_rows(series_parts(series, ctx.read_optional(ProductProfile)))
    return SeriesOfDate(series.unionByName(computed_rows(other_series(series, parts))), parts)


def forecasts_of_date(ctx: Context[ForecastSettings], sales: DataFrame, of_date: SeriesOfDate) -> ForecastsOfDate:
    """The stored champions of the newest earlier date where these are to be kept, else a backtest of all models.

    DailySales and its SalesSeries. What champions say adds up, the figures are of what each says alone.
    """
    series, parts = of_date.series, of_date.parts
    settings, stored = ctx.settings, stored_models(ctx.earlier(ForecastModels))
    reason, drifted = _judged(ctx, stored, sales) if stored else ("there were none of an earlier date", [])
    kept = stored if reason is None else None
    how = (
        f"by the champions of {kept.trained_on}"
        if kept
        else f"testing the models on {settings.backtest_windows} windows"
    )
    ctx.say(f"forecasting {settings.horizon_days} days, {how}")
    pooled = pooled_of_date(ctx, series, kept_since=kept.trained_on if kept else None)
    tried = computed_rows(tried_models(series, settings, kept.rows if kept else None, pooled.pooled))
    ends = collected(season_ends(tried, settings))  # a few per kind and level, as those that are kept
    ends_kept = collected(kept_ends(tried)) if kept else []
    adding_up = tried if parts is None else coherent_models(tried, parts)
    models = computed_rows(series_models(adding_up, ends, settings, ends_kept))
    measured = count_metrics(models) if kept else forecast_metrics(models)
    figures = [Figure(**row.asDict()) for row in collected(measured)]  # a few per model
    return ForecastsOfDate(models, [*figures, *drifted], reason or "", pooled)


def fits_of_date(ctx: Context[ForecastSettings], of_date: ForecastsOfDate, series: DataFrame) -> list[Fit]:
    """What was fitted to all series on the date. SalesSeries → Fit."""
    days = F.size(SalesSeries.units)
    rows, longest = series.agg(F.sum(days), F.max(days)).collect()[0] if of_date.reason else (0, 0)
    if not rows:
        return []
    fit = Fit(
        "forecasts",
        "statsforecast",
        ctx.settings.refit,
        of_date.reason,
        rows=rows,
        days=(ctx.date - datetime.timedelta(longest), ctx.date - datetime.timedelta(1)),
        features=[SalesSeries.units],
        state=ForecastModels,
        metrics={f.metric: f.value for f in of_date.figures if f.slice == CHAMPION and f.value is not None},
    )
    return [fit, *of_date.pooled.fits(ctx, of_date.reason)]


def expected_of_date(ctx: Context[ForecastSettings], ahead: DataFrame, sales: DataFrame) -> DataFrame:
    """One row per item that is forecast. Forecasts, DailySales → ExpectedSales."""
    days = ctx.settings.horizon_days
    return expected_sales(ahead, sales, ctx.read_optional(ProductProfile), as_of=ctx.date, days=days)


def hints_of_date(ctx: Context[ForecastSettings], expected: DataFrame) -> DataFrame:
    """One row per rule whose antecedent is forecast to sell more. ExpectedSales → DemandHints."""
    return demand_hints(expected, ctx.read_optional(BasketRules), days=ctx.settings.horizon_days)


def trends_of_date(ctx: Context[ForecastSettings], expected: DataFrame) -> DataFrame:
    """One row per category and what its products are. ExpectedSales → DemandTrends."""
    return demand_trends(expected, ctx.read_optional(ProductProfile), days=ctx.settings.horizon_days)


def _judged(ctx: Context[ForecastSettings], stored: StoredModels, sales: DataFrame) -> tuple[str | None, list[Figure]]:
    """Why the models are fitted again, None if the stored champions are kept; and how their forecasts have held."""
    settings = ctx.settings
    last_season = ctx.date - datetime.timedelta(settings.season_days)  # every day of the week counts as much
    held = drift(sales, ctx.read_earlier(Forecasts), since=max(stored.trained_on, last_season))
    reason = refit_reason(
        settings.refit,
        date=ctx.date,
        trained_on=stored.trained_on,
        same_maker=stored.made_by == ctx.made_by,
        drifted=held.beyond(settings.refit_outside_95),
    )
    return reason, [held.figure()]
