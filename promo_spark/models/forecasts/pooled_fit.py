"""The fit of the pooled models: from a sample of series, and how they do beside series' own models in the windows."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.forecasts.ensembles import ensembles_of, mean_of
from promo_spark.models.forecasts.fitting import every_series, windows_of
from promo_spark.models.forecasts.local_models import Floats, batch_forecasts
from promo_spark.models.forecasts.panel import Days
from promo_spark.models.forecasts.pooled import Pooled, PooledLevel, demand_panel, fitted_level, pooled_forecasts
from promo_spark.models.forecasts.series import Series, SeriesToForecast
from promo_spark.models.forecasts.shares import shares_of
from promo_spark.settings.forecast import ForecastSettings

Run = Callable[[Sequence[str]], pd.DataFrame]  # series_ids → their LocalWindows
_KINDS = ("regular", "intermittent")
_BY_DAY = T.ArrayType(T.DoubleType())


class LocalWindows(Frame):
    """One row per series and window of the backtest: what the ensemble of its own models said of it."""

    series_id = SeriesToForecast.columns()[SeriesToForecast.series_id]
    window = Col(T.IntegerType(), "the window, 0 being the last", required=True)
    units = Col(_BY_DAY, "forecast by day; NaN: every member failed", required=True)


def local_windows(batch: pd.DataFrame, settings: ForecastSettings) -> pd.DataFrame:
    """SeriesToForecast → LocalWindows. A series without an ensemble, or without a window, has no row."""
    routes: dict[tuple[str, ...], list[Series]] = {}
    for series in every_series(batch, settings):
        ensembles = list(ensembles_of(series.models, series.members).values())
        if ensembles:
            routes.setdefault(ensembles[0], []).append(series)
    rows: list[dict[str, Any]] = []
    h = settings.horizon_days
    for run, members in routes.items():
        places = [(series, window) for series in members for window in range(windows_of(series, settings))]
        if not places:
            continue
        histories = [series.units[: len(series.units) - (window + 1) * h] for series, window in places]
        found = batch_forecasts(histories, run, horizon_days=h, season_days=settings.season_days)
        rows.extend(
            {LocalWindows.series_id: series.series_id, LocalWindows.window: window, LocalWindows.units: units}
            for (series, window), units in zip(places, mean_of(found.units), strict=True)
        )
    return pd.DataFrame(rows, columns=list(LocalWindows.columns()))


def fitted_pooled(sample: pd.DataFrame, days: Days, settings: ForecastSettings, run: Run) -> Pooled | None:
    """The models of all levels with their shares, from a sample of SeriesToForecast; None: too little to learn from.

    `run` gives the LocalWindows of some of the series: `forecast.pooled.judged_series` of a level and kind.
    """
    every = sorted(every_series(sample, settings), key=lambda series: series.series_id)
    every = [series for series in every if series.history]
    levels = {level: [s for s in every if s.level == level] for level in sorted({s.level for s in every})}
    fits = {level: _fitted(of, days, settings) for level, of in levels.items()}
    found = {level: fit for level, fit in fits.items() if fit is not None}
    if not found:
        return None
    judged = {
        (level, kind): _drawn([s for s in levels[level] if s.kind == kind], settings.pooled.judged_series)
        for level in found
        for kind in _KINDS
    }
    local = run([series.series_id for drawn in judged.values() for series in drawn])
    by_window = {
        (series_id, window): np.asarray(units, np.float64) for series_id, window, units in local.itertuples(index=False)
    }
    return Pooled(
        days,
        {
            level: dataclasses.replace(
                model, shares=dict(_shares(model, {k: judged[level, k] for k in _KINDS}, by_window, days, settings))
            )
            for level, model in found.items()
        },
    )


def _fitted(of: Sequence[Series], days: Days, settings: ForecastSettings) -> PooledLevel | None:
    return fitted_level(demand_panel([s.history for s in of if s.history], days, settings), settings)


def _drawn(series: Sequence[Series], at_most: int) -> list[Series]:
    """Some of the series, by a hash of their ids."""
    return sorted(series, key=lambda s: (zlib.crc32(s.series_id.encode()), s.series_id))[:at_most]


def _shares(
    model: PooledLevel,
    judged: dict[str, list[Series]],
    local: dict[tuple[str, int], Floats],
    days: Days,
    settings: ForecastSettings,
) -> Iterator[tuple[str, Floats]]:
    """By kind the shares, of kinds of which a window tells."""
    h, windows = settings.horizon_days, settings.backtest_windows
    for kind, series in judged.items():
        panel = demand_panel([s.history for s in series if s.history], days, settings)
        if not series:
            continue
        pooled = pooled_forecasts(panel, model)[:, 1:]
        actual, own = np.full((2, len(series), windows, h), np.nan)
        for place, of in enumerate(series):
            for window in range(windows_of(of, settings)):
                end = len(of.units) - window * h
                actual[place, window] = of.units[end - h : end]
                own[place, window] = local.get((of.series_id, window), np.nan)
        yield kind, shares_of(actual, own, pooled, np.array(model.planned, bool))
