"""Forecasts and backtest of a batch of series: computed by numpy and pandas only, the same with Spark and without."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import Forecasts
from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.forecasts.backtest import (
    Accuracy,
    Forecast,
    accuracy,
    champion,
    in_pieces,
    residual_intervals,
    seasonal_naive_scale,
    windows_possible,
)
from promo_spark.models.forecasts.local_models import Batch, Floats, batch_forecasts
from promo_spark.models.forecasts.rules import rule_forecast, series_kind
from promo_spark.settings.forecast import ForecastSettings

DECIMALS = 6  # published figures: beyond lies the noise of floating point
NO_ACCURACY = {f.name: None for f in dataclasses.fields(Accuracy)}


_DAILY, _FORECASTS = DailySales.columns(), Forecasts.columns()
_BY_DAY = T.ArrayType(T.DoubleType())


class SalesSeries(Frame):
    """One row per series."""

    series_id = _DAILY[DailySales.series_id]
    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]
    revenue = Col(T.DecimalType(28, 2), "amount received ever", required=True)
    units = Col(_BY_DAY, "units by day, from the first sale to yesterday", required=True)


class SeriesToForecast(Frame):
    """One row per series."""

    series_id = _DAILY[DailySales.series_id]
    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]
    units = Col(_BY_DAY, "units by day, from the first sale to yesterday", required=True)
    top = Col(T.BooleanType(), "whether the series earns the dear models", required=True)


class SeriesModel(Frame):
    """One row per series and model. Forecasts are by day ahead; errors are of the last window of the backtest."""

    series_id = _DAILY[DailySales.series_id]
    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]
    profile = _FORECASTS[Forecasts.profile]
    model = _FORECASTS[Forecasts.model]
    champion = _FORECASTS[Forecasts.champion]
    picked = Col(T.BooleanType(), "what the windows before the last would have chosen", required=True)
    failure = _FORECASTS[Forecasts.failure]
    units = Col(_BY_DAY, "point forecast; null: the model failed")
    lower_80 = Col(_BY_DAY, "lower end of the 80% interval")
    upper_80 = Col(_BY_DAY, "upper end of the 80% interval")
    lower_95 = Col(_BY_DAY, "lower end of the 95% interval")
    upper_95 = Col(_BY_DAY, "upper end of the 95% interval")
    mae = Col(T.DoubleType(), "mean absolute error; null: no window")
    rmse = Col(T.DoubleType(), "root mean square error")
    mase = Col(T.DoubleType(), "mae over the history's seasonal naive error; NaN: that is 0")
    smape = Col(T.DoubleType(), "symmetric mean absolute percentage error")
    absolute_error = Col(T.DoubleType(), "sum of absolute errors")
    actual = Col(T.DoubleType(), "units really sold")
    covered_80 = Col(T.DoubleType(), "share of days within the 80% interval")
    covered_95 = Col(T.DoubleType(), "share of days within the 95% interval")


@dataclasses.dataclass(frozen=True)
class Series:
    """One series: units per day up to yesterday."""

    series_id: str
    level: str
    item_id: str
    kind: str
    units: Floats


def forecast_batch(batch: pd.DataFrame, settings: ForecastSettings) -> pd.DataFrame:
    """One row per series and model: its forecast and its errors in the last window of the backtest.

    SeriesToForecast → SeriesModel. `champion` is chosen on all windows. `picked` is the model that the windows before
    the last would have chosen: judged on the last, it shows without flattery what choosing is worth.
    """
    routes: dict[tuple[str, ...], list[Series]] = {}
    rows: list[dict[str, Any]] = []
    columns = (batch.series_id, batch.level, batch.item_id, batch.units, batch.top)
    for series_id, level, item_id, values, top in zip(*columns, strict=True):
        units = np.maximum(np.asarray(values, dtype=np.float64), 0.0)  # more returned than sold: no demand
        kind = series_kind(
            units,
            min_history_days=settings.min_history_days,
            dead_days=settings.dead_days,
            intermittent_gap=settings.intermittent_gap,
        )
        series = Series(series_id, level, item_id, kind, units)
        models = _models(kind, bool(top), settings)
        if models:
            routes.setdefault(models, []).append(series)
        else:
            rows.append(_rule_row(series, settings, champion=True))
    for models, members in routes.items():
        rows.extend(_modelled(members, models, settings))
    return pd.DataFrame(rows)


def _models(kind: str, top: bool, settings: ForecastSettings) -> tuple[str, ...]:
    if kind == "intermittent":
        return tuple(settings.models_intermittent)
    if kind == "regular":
        return tuple(settings.models_regular + (settings.models_top if top else []))
    return ()


def _modelled(members: Sequence[Series], models: Sequence[str], settings: ForecastSettings) -> Iterator[dict[str, Any]]:
    """The rows of series that share their models: all of them and all their windows in one call."""
    h, season = settings.horizon_days, settings.season_days
    windows = [
        windows_possible(len(s.units), horizon_days=h, season_days=season, at_most=settings.backtest_windows)
        for s in members
    ]
    histories = [
        s.units[: len(s.units) - w * h] for s, count in zip(members, windows, strict=True) for w in range(count + 1)
    ]
    batch = batch_forecasts(histories, models, horizon_days=h, season_days=season)
    start = 0
    for series, count in zip(members, windows, strict=True):
        own = range(start, start + count + 1)
        start += count + 1
        yield from _series_rows(series, models, batch.units[own], _failures(batch, own, len(models)), settings)


def _failures(batch: Batch, histories: range, models: int) -> dict[int, str]:
    """Why each failed model failed, of one series: the first reason that it gave."""
    reasons = {m: [batch.failures[i, m] for i in histories if (i, m) in batch.failures] for m in range(models)}
    return {m: texts[0] for m, texts in reasons.items() if texts}


def _series_rows(
    series: Series, models: Sequence[str], forecasts: Floats, failures: dict[int, str], settings: ForecastSettings
) -> Iterator[dict[str, Any]]:
    """Rows of one series from forecasts by origin (now, then window 0, 1, …), model and day.

    A model that failed at any origin has no forecast, and the rule's stands beside the others with the
    reason; it is the champion only where every model failed.
    """
    h, season = settings.horizon_days, settings.season_days
    now, past = forecasts[0], forecasts[1:].copy()
    past[:, list(failures), :] = np.nan
    ends = [len(series.units) - w * h for w in range(len(past))]
    actual = np.array([series.units[end - h : end] for end in ends]).reshape(len(past), 1, h)
    residuals = actual - past
    by = settings.champion_by_intermittent if series.kind == "intermittent" else settings.champion_by_regular
    simplest = next((m for m in range(len(models)) if m not in failures), None)  # where nothing can be compared
    best = champion(residuals, by) if len(past) else simplest
    picked = champion(residuals[1:], by) if len(past) > 1 else simplest
    scale = seasonal_naive_scale(series.units[: ends[0] - h], season) if ends else float("nan")
    whole = in_pieces(series.units)
    in_sample = series.units[season:] - series.units[:-season]
    for m, model in enumerate(models):
        if m in failures:
            yield _row(series, model, None, failure=failures[m])
            continue
        forecast = residual_intervals(now[m], residuals[:, m].ravel() if ends else in_sample, whole=whole)
        row = _row(series, model, forecast, champion=m == best)
        if ends:
            before = residuals[1:, m].ravel() if len(past) > 1 else in_sample[:-h]
            tried = _clipped(residual_intervals(past[0, m], before, whole=whole))
            row |= dataclasses.asdict(accuracy(actual[0, 0], tried, scale)) | {SeriesModel.picked: m == picked}
        yield row
    if failures:
        yield _rule_row(series, settings, champion=best is None) | {SeriesModel.failure: "; ".join(failures.values())}


def _rule_row(series: Series, settings: ForecastSettings, *, champion: bool) -> dict[str, Any]:
    rule = rule_forecast(
        series.units, series.kind, horizon_days=settings.horizon_days, season_days=settings.season_days
    )
    return _row(series, rule.name, rule.forecast, champion=champion)


def _row(
    series: Series, model: str, forecast: Forecast | None, *, champion: bool = False, failure: str | None = None
) -> dict[str, Any]:
    ends = (
        {f.name: None for f in dataclasses.fields(Forecast)}
        if forecast is None
        else {k: np.round(v, DECIMALS) for k, v in dataclasses.asdict(_clipped(forecast)).items()}
    )
    return {
        SeriesModel.series_id: series.series_id,
        SeriesModel.level: series.level,
        SeriesModel.item_id: series.item_id,
        SeriesModel.profile: series.kind,
        SeriesModel.model: model,
        SeriesModel.champion: champion,
        SeriesModel.picked: False,
        SeriesModel.failure: failure,
        **ends,
        **NO_ACCURACY,
    }


def _clipped(forecast: Forecast) -> Forecast:
    """Sales are never negative."""
    return Forecast(*[np.maximum(v, 0.0) for v in dataclasses.astuple(forecast)])
