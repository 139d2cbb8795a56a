"""Forecasts and backtest of a batch of series: computed by numpy and pandas only, the same with Spark and without."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import ForecastModels, Forecasts
from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.forecasts.backtest import (
    Accuracy,
    Forecast,
    ResidualQuantiles,
    accuracy,
    champion,
    in_pieces,
    seasonal_naive_scale,
    windows_possible,
)
from promo_spark.models.forecasts.local_models import MODELS, Batch, Floats, batch_forecasts
from promo_spark.models.forecasts.rules import rule_forecast, series_kind
from promo_spark.settings.forecast import ForecastSettings

DECIMALS = 6  # published figures: beyond lies the noise of floating point
NO_ACCURACY = {f.name: None for f in dataclasses.fields(Accuracy)}
QUANTILES = (  # in the order of ResidualQuantiles
    ForecastModels.residual_lower_80,
    ForecastModels.residual_upper_80,
    ForecastModels.residual_lower_95,
    ForecastModels.residual_upper_95,
)

_DAILY, _FORECASTS, _STORED = DailySales.columns(), Forecasts.columns(), ForecastModels.columns()
_BY_DAY = T.ArrayType(T.DoubleType())


class SalesSeries(Frame):
    """One row per series."""

    series_id = _DAILY[DailySales.series_id]
    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]
    revenue = Col(T.DecimalType(28, 2), "amount received ever", required=True)
    units = Col(_BY_DAY, "units by day, from the first sale to yesterday", required=True)


class SeriesToForecast(Frame):
    """One row per series, with what an earlier date stored of it, where that is to be kept."""

    series_id = _DAILY[DailySales.series_id]
    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]
    units = Col(_BY_DAY, "units by day, from the first sale to yesterday", required=True)
    top = Col(T.BooleanType(), "whether the series earns the dear models", required=True)
    profile = Col(T.StringType(), "what kind of series it was; null: nothing is kept, as in all that follow")
    model = Col(T.StringType(), "the champion")
    residual_lower_80 = _STORED[ForecastModels.residual_lower_80]
    residual_upper_80 = _STORED[ForecastModels.residual_upper_80]
    residual_lower_95 = _STORED[ForecastModels.residual_lower_95]
    residual_upper_95 = _STORED[ForecastModels.residual_upper_95]
    trained_on = Col(T.DateType(), "the date as of which it was chosen")


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
    residual_lower_80 = _STORED[ForecastModels.residual_lower_80]
    residual_upper_80 = _STORED[ForecastModels.residual_upper_80]
    residual_lower_95 = _STORED[ForecastModels.residual_lower_95]
    residual_upper_95 = _STORED[ForecastModels.residual_upper_95]
    trained_on = Col(T.DateType(), "the earlier date as of which the champion was chosen; null: it is fitted now")
    mae = Col(T.DoubleType(), "mean absolute error; null: no window")
    rmse = Col(T.DoubleType(), "root mean square error")
    mase = Col(T.DoubleType(), "mae over the history's seasonal naive error; NaN: that is 0")
    smape = Col(T.DoubleType(), "symmetric mean absolute percentage error")
    absolute_error = Col(T.DoubleType(), "sum of absolute errors")
    actual = Col(T.DoubleType(), "units really sold")
    covered_80 = Col(T.DoubleType(), "share of days within the 80% interval")
    covered_95 = Col(T.DoubleType(), "share of days within the 95% interval")


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """The champion that an earlier date chose for a series, and the errors that its intervals are made of."""

    model: str
    quantiles: ResidualQuantiles
    trained_on: datetime.date


@dataclasses.dataclass(frozen=True)
class Series:
    """One series: units per day up to yesterday, the models that may be run on it, and what is kept of it."""

    series_id: str
    level: str
    item_id: str
    kind: str
    units: Floats
    models: tuple[str, ...]  # none: a rule forecasts it
    stored: StoredModel | None


def forecast_batch(batch: pd.DataFrame, settings: ForecastSettings) -> pd.DataFrame:
    """SeriesToForecast → SeriesModel.

    A series that keeps its stored champion has the champion's row, without errors: the model is run once, on all
    days. Any other series has one row per model: its forecast and its errors in the last window of the backtest.
    `champion` is chosen on all windows. `picked` is the model that the windows before the last would have chosen:
    judged on the last, it shows without flattery what choosing is worth. What is stored may be missing in the frame.
    """
    batch = batch.reindex(columns=list(SeriesToForecast.columns()))
    every = [_series(row, settings) for row in batch.itertuples(index=False)]
    rows = [_rule_row(series, settings, champion=True) for series in every if not series.models]
    rows.extend(_kept_rows(every, settings))
    done = {row[SeriesModel.series_id] for row in rows}
    routes: dict[tuple[str, ...], list[Series]] = {}
    for series in every:
        if series.series_id not in done:
            routes.setdefault(series.models, []).append(dataclasses.replace(series, stored=None))
    for models, members in routes.items():
        rows.extend(_modelled(members, models, settings))
    return pd.DataFrame(rows)


def _series(row: Any, settings: ForecastSettings) -> Series:
    """A row of SeriesToForecast as a series. What is stored of another kind of series is not kept."""
    units = np.maximum(np.asarray(row.units, dtype=np.float64), 0.0)  # more returned than sold: no demand
    kind = series_kind(
        units,
        min_history_days=settings.min_history_days,
        dead_days=settings.dead_days,
        intermittent_gap=settings.intermittent_gap,
    )
    stored = None
    if row.profile == kind:
        quantiles = ResidualQuantiles(*[getattr(row, name) for name in QUANTILES])
        stored = StoredModel(row.model, quantiles, row.trained_on)
    return Series(row.series_id, row.level, row.item_id, kind, units, _models(kind, bool(row.top), settings), stored)


def _models(kind: str, top: bool, settings: ForecastSettings) -> tuple[str, ...]:
    if kind == "intermittent":
        return tuple(settings.models_intermittent)
    if kind == "regular":
        return tuple(settings.models_regular + (settings.models_top if top else []))
    return ()


def _kept_rows(every: Iterable[Series], settings: ForecastSettings) -> Iterator[dict[str, Any]]:
    """The rows of the series whose stored champion is a model that still works on them."""
    members: dict[str, list[tuple[Series, StoredModel]]] = {}
    for series in every:
        if series.models and series.stored and series.stored.model in MODELS:
            members.setdefault(series.stored.model, []).append((series, series.stored))
    for model, kept in members.items():
        histories = [series.units for series, _ in kept]
        batch = batch_forecasts(
            histories, [model], horizon_days=settings.horizon_days, season_days=settings.season_days
        )
        for i, (series, stored) in enumerate(kept):
            if (i, 0) not in batch.failures:
                units, quantiles = batch.units[i, 0], stored.quantiles
                forecast = quantiles.around(units, whole=in_pieces(series.units))
                yield _row(series, model, forecast, quantiles=quantiles, champion=True)


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
        quantiles = ResidualQuantiles.of(residuals[:, m].ravel() if ends else in_sample)
        forecast = quantiles.around(now[m], whole=whole)
        row = _row(series, model, forecast, quantiles=quantiles, champion=m == best)
        if ends:
            before = residuals[1:, m].ravel() if len(past) > 1 else in_sample[:-h]
            tried = _clipped(ResidualQuantiles.of(before).around(past[0, m], whole=whole))
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
    series: Series,
    model: str,
    forecast: Forecast | None,
    *,
    quantiles: ResidualQuantiles | None = None,
    champion: bool = False,
    failure: str | None = None,
) -> dict[str, Any]:
    ends = (
        {f.name: None for f in dataclasses.fields(Forecast)}
        if forecast is None
        else {k: np.round(v, DECIMALS) for k, v in dataclasses.asdict(_clipped(forecast)).items()}
    )
    errors = dataclasses.astuple(quantiles) if quantiles else (None,) * len(QUANTILES)
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
        **dict(zip(QUANTILES, errors, strict=True)),
        SeriesModel.trained_on: series.stored.trained_on if series.stored else None,
        **NO_ACCURACY,
    }


def _clipped(forecast: Forecast) -> Forecast:
    """Sales are never negative."""
    return Forecast(*[np.maximum(v, 0.0) for v in dataclasses.astuple(forecast)])
