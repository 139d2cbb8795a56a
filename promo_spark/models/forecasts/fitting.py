"""Forecasts and backtest of a batch of series: computed by numpy and pandas only, the same with Spark and without."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from promo_spark.contracts.models import ForecastModels
from promo_spark.models.forecasts.backtest import (
    Forecast,
    accuracy,
    champion,
    in_pieces,
    seasonal_naive_scale,
    windows_possible,
)
from promo_spark.models.forecasts.ensembles import ENSEMBLE, ensembles_of, mean_of, mixed, standard, with_ensembles
from promo_spark.models.forecasts.intervals import (
    IntervalEnds,
    Scores,
    covered,
    ended,
    error_scale,
    pooled_ends,
    scores,
)
from promo_spark.models.forecasts.local_models import MODELS, Batch, Floats, batch_forecasts
from promo_spark.models.forecasts.pooled import POOLED, Pooled, PooledForecast, of_series
from promo_spark.models.forecasts.reconciliation import coherent_units
from promo_spark.models.forecasts.rules import rule_forecast
from promo_spark.models.forecasts.series import (
    Series,
    SeriesModel,
    SeriesToForecast,
    StoredModel,
    ends_row,
    interval_row,
    model_row,
    series_of,
    stored_ends,
)
from promo_spark.settings.forecast import ForecastSettings

PoolKey = tuple[str, str]  # kind and level of series
Pools = Mapping[PoolKey, IntervalEnds]


def forecast_batch(batch: pd.DataFrame, settings: ForecastSettings, pooled: Pooled | None = None) -> pd.DataFrame:
    """SeriesToForecast → SeriesModel, without the intervals of models: `with_intervals` adds them.

    A series that keeps its stored champion has the champion's row, without errors: the model is run once, on all
    days. Any other series has one row per model: its forecast and its errors in the last window of the backtest.
    `champion` is chosen on all windows. `picked` is the model that the windows before the last would have chosen:
    judged on the last, it shows without flattery what choosing is worth. What is stored may be missing in the frame.
    `pooled`: models of all series, which have a share of a series' ensemble, and are contenders where they have one.
    """
    every = every_series(batch, settings)
    beside = _beside(every, settings, pooled) if pooled else {}
    rows = [_rule_row(series, settings, champion=True) for series in every if not series.models]
    rows.extend(_kept_rows(every, beside, settings))
    done = {row[SeriesModel.series_id] for row in rows}
    routes: dict[tuple[str, ...], list[Series]] = {}
    for series in every:
        if series.series_id not in done:
            routes.setdefault(series.models, []).append(dataclasses.replace(series, stored=None))
    for models, members in routes.items():
        rows.extend(_modelled(members, models, beside, settings))
    return pd.DataFrame(rows, columns=list(SeriesModel.columns()))


def every_series(batch: pd.DataFrame, settings: ForecastSettings) -> list[Series]:
    """SeriesToForecast → its series. Columns that are missing are not known."""
    batch = batch.reindex(columns=list(SeriesToForecast.columns()))
    batch = batch.astype(object).where(batch.notna(), None)
    return [series_of(row, settings) for row in batch.itertuples(index=False)]


def whole_batch(
    batch: pd.DataFrame, settings: ForecastSettings, pooled: Pooled | None = None, parts: pd.DataFrame | None = None
) -> pd.DataFrame:
    """SeriesToForecast → SeriesModel with intervals, where the batch is all series that there are.

    `parts`: hierarchy.SeriesPart, whose forecasts are to add up.
    """
    tried = forecast_batch(batch, settings, pooled)
    if parts is not None:
        champions = tried[tried[SeriesModel.champion]].merge(parts, on=SeriesModel.series_id, how="left")
        coherent = coherent_units(champions).set_index(SeriesModel.series_id)[SeriesModel.coherent]
        of_series = tried[SeriesModel.series_id].map(coherent)
        tried[SeriesModel.coherent] = of_series.where(tried[SeriesModel.champion] & of_series.notna(), None)
    now, before = (batch_pools(tried, settings, before=before) for before in (False, True))
    kept = tried[tried[ForecastModels.ends_of_total].notna()].sort_values(SeriesModel.series_id)
    stored = kept_pools(kept.drop_duplicates([SeriesModel.profile, SeriesModel.level]).to_dict("records"))
    return with_intervals(tried, {**now, **stored}, before, settings)


def kept_pools(rows: Iterable[Mapping[Any, Any]]) -> Pools:
    """The ends that series keep, by kind and level, one row of SeriesModel for each.

    Where most series keep theirs, those that are fitted for themselves are too few to pool.
    """
    pools = {(row[SeriesModel.profile], row[SeriesModel.level]): stored_ends(row) for row in rows}
    return {key: ends for key, ends in pools.items() if ends}


def batch_pools(models: pd.DataFrame, settings: ForecastSettings, *, before: bool = False) -> Pools:
    """Ends of intervals by kind and level, of the last window or the one before. SeriesModel of `forecast_batch`."""
    of = SeriesModel.scores_before if before else SeriesModel.scores
    picked = models[models[SeriesModel.picked_before if before else SeriesModel.picked] & models[of].notna()]
    pools: dict[PoolKey, list[Scores]] = {}
    for kind, level, plain in zip(picked[SeriesModel.profile], picked[SeriesModel.level], picked[of], strict=True):
        pools.setdefault((kind, level), []).append(_scores(plain))
    return {key: pooled_ends(pool, settings.season_days) for key, pool in pools.items()}


def with_intervals(models: pd.DataFrame, pools: Pools, before: Pools, settings: ForecastSettings) -> pd.DataFrame:
    """The rows with intervals by the ends of their kind and level, and how those of before the last window held in it.

    SeriesModel → SeriesModel. Rules have their own intervals, kept champions the ends that were stored. Where units
    add up with those of other series, these are told, with intervals around them.
    """
    season = settings.season_days
    normal = IntervalEnds.of_normal(settings.horizon_days, season)
    rows: list[dict[Any, Any]] = models.astype(object).where(models.notna(), None).to_dict("records")
    for row in rows:
        key = (row[SeriesModel.profile], row[SeriesModel.level])
        if row[SeriesModel.scores] is not None and key in before:
            names = ("covered_80", "covered_95", "total_covered_80", "total_covered_95")
            row |= dict(zip(names, covered(_scores(row[SeriesModel.scores]), before[key], season), strict=True))
        if row[SeriesModel.error_scale] is not None:
            ends = stored_ends(row) or pools.get(key, normal)
            told = row[SeriesModel.units] if row[SeriesModel.coherent] is None else row[SeriesModel.coherent]
            units, scale = np.asarray(told, np.float64), float(row[SeriesModel.error_scale])
            whole = bool(row[SeriesModel.in_pieces])
            days = ends.around(units, scale, whole=whole, season_days=season)
            row.update(interval_row(days, ends.total_around(units, scale, whole=whole)) | ends_row(ends))
        elif row[SeriesModel.coherent] is not None:
            row.update(_moved(row))
        row |= {SeriesModel.scores: None, SeriesModel.scores_before: None}
    return pd.DataFrame(rows, columns=list(SeriesModel.columns()))


def _moved(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The forecast of a rule at the units that add up, its intervals with it."""
    days = np.array([row[field.name] for field in dataclasses.fields(Forecast)], np.float64)
    units, total = (np.asarray(row[name], np.float64) for name in (SeriesModel.coherent, SeriesModel.total))
    sums = ended(np.array([units.sum()]), (total[1:] - total[0])[:, None], whole=False)
    return interval_row(ended(units, days[1:] - days[0], whole=False), sums)


def windows_of(series: Series, settings: ForecastSettings) -> int:
    """How many windows of the backtest the series is long enough for."""
    return windows_possible(
        len(series.units),
        horizon_days=settings.horizon_days,
        season_days=settings.season_days,
        at_most=settings.backtest_windows,
    )


def _beside(every: Sequence[Series], settings: ForecastSettings, pooled: Pooled) -> dict[str, PooledForecast]:
    """By series what the pooled model says of it, where it takes part."""
    asked = [series for series in every if series.models and series.history and pooled.of(series.level, series.kind)]
    return of_series([(s.series_id, s.level, s.kind, s.history) for s in asked if s.history], pooled, settings)


def _kept_rows(
    every: Iterable[Series], beside: Mapping[str, PooledForecast], settings: ForecastSettings
) -> Iterator[dict[str, Any]]:
    """The rows of the series whose stored champion is a model that still works on them."""
    routes: dict[tuple[str, ...], list[tuple[Series, StoredModel, IntervalEnds]]] = {}
    for series in every:
        if series.models and series.stored and series.stored.ends:
            ensembles = ensembles_of(series.models, series.members)
            run = ensembles.get(series.stored.model, (series.stored.model,))
            if all(model in MODELS for model in run) or (run == (POOLED,) and series.series_id in beside):
                routes.setdefault(run, []).append((series, series.stored, series.stored.ends))
    for run, kept in routes.items():
        if run == (POOLED,):
            found = [beside[series.series_id].units[0] for series, _, _ in kept]
        else:
            histories = [series.units for series, _, _ in kept]
            batch = batch_forecasts(
                histories, run, horizon_days=settings.horizon_days, season_days=settings.season_days
            )
            found = list(mean_of(batch.units))
        for units, (series, stored, ends) in zip(found, kept, strict=True):
            if stored.model == ENSEMBLE and series.series_id in beside:
                of = beside[series.series_id]
                units = mixed(units, of.units[0], of.share[0])
            if np.isfinite(units).all():
                row = model_row(series, stored.model, units, champion=True)
                yield row | {SeriesModel.error_scale: stored.error_scale} | ends_row(ends)


def _modelled(
    members: Sequence[Series],
    models: Sequence[str],
    beside: Mapping[str, PooledForecast],
    settings: ForecastSettings,
) -> Iterator[dict[str, Any]]:
    """The rows of series that share their models: all of them and all their windows in one call."""
    h = settings.horizon_days
    windows = [windows_of(series, settings) for series in members]
    histories = [
        s.units[: len(s.units) - w * h] for s, count in zip(members, windows, strict=True) for w in range(count + 1)
    ]
    batch = batch_forecasts(histories, models, horizon_days=h, season_days=settings.season_days)
    start = 0
    for series, count in zip(members, windows, strict=True):
        own = range(start, start + count + 1)
        start += count + 1
        pooled = beside[series.series_id].of_origins(count + 1) if series.series_id in beside else None
        yield from _series_rows(series, models, batch.units[own], _failures(batch, own, len(models)), settings, pooled)


def _failures(batch: Batch, histories: range, models: int) -> dict[int, str]:
    """Why each failed model failed, of one series: the first reason that it gave."""
    reasons = {m: [batch.failures[i, m] for i in histories if (i, m) in batch.failures] for m in range(models)}
    return {m: texts[0] for m, texts in reasons.items() if texts}


def _series_rows(
    series: Series,
    models: Sequence[str],
    forecasts: Floats,
    failures: dict[int, str],
    settings: ForecastSettings,
    pooled: PooledForecast | None,
) -> Iterator[dict[str, Any]]:
    """Rows of one series from forecasts by origin (now, then window 0, 1, …), model and day.

    A model that failed at any origin has no forecast, and the rule's stands beside the others with the
    reason; it is the champion only where every model failed.
    """
    h, season, whole = settings.horizon_days, settings.season_days, in_pieces(series.units)
    forecasts = forecasts.copy()
    forecasts[:, list(failures), :] = np.nan
    ensembles = ensembles_of(models, series.members)
    forecasts, names = with_ensembles(forecasts, models, ensembles), [*ensembles, *models]
    if pooled:
        if ENSEMBLE in ensembles:
            place = names.index(ENSEMBLE)
            forecasts[:, place] = mixed(forecasts[:, place], pooled.units, pooled.share)
        forecasts, names = np.concatenate([forecasts, pooled.units[:, None]], axis=1), [*names, POOLED]
    now, past = forecasts[0], forecasts[1:]
    works = [m for m in range(len(names)) if np.isfinite(forecasts[:, m]).all()]
    ends = [len(series.units) - w * h for w in range(len(past))]
    actual = np.array([series.units[end - h : end] for end in ends]).reshape(len(past), 1, h)
    residuals = actual - past

    def chosen(since: int) -> int | None:
        """The model that the windows from this one on choose."""
        windows = residuals[since:]
        usual = standard(ensembles, windows=len(windows))
        place = names.index(usual) if usual else None
        if not len(windows):
            return place if place in works else (works[0] if works else None)
        by = settings.champion_by_intermittent if series.kind == "intermittent" else settings.champion_by_regular
        if len(ensembles) > 1:  # of a series with a trend the Theta models' mean is the standard
            place = champion(windows[:, : len(ensembles)], by, standard=place, margin=settings.champion_margin)
        return champion(windows, by, standard=place, margin=settings.champion_margin)

    def relative_error(m: int, since: int) -> float:
        """The model's error as known from the windows from this one on, and the days before it."""
        history = series.units[: len(series.units) - since * h]
        return error_scale(history, residuals[since:, m], past[since:, m], season)

    def errors(m: int, window: int) -> Scores:
        """Of a window, in units of the scale that was known before it."""
        return scores(actual[window, 0], past[window, m], relative_error(m, window + 1), whole=whole)

    best, picked = chosen(0), chosen(1) if ends else None
    before = chosen(2) if len(ends) > 1 else None
    naive = seasonal_naive_scale(series.units[: ends[0] - h], season) if ends else float("nan")
    for m, model in enumerate(names):
        if m not in works:
            if model in models:
                yield model_row(series, model, None, failure=failures[models.index(model)])
            continue
        row = model_row(series, model, now[m], champion=m == best) | {SeriesModel.error_scale: relative_error(m, 0)}
        if ends:
            row |= dataclasses.asdict(accuracy(actual[0, 0], past[0, m], naive))
            row |= {SeriesModel.picked: m == picked, SeriesModel.scores: _plain(errors(m, 0))}
        if m == before:
            row |= {SeriesModel.picked_before: True, SeriesModel.scores_before: _plain(errors(m, 1))}
        yield row
    if failures:
        yield _rule_row(series, settings, champion=best is None) | {SeriesModel.failure: "; ".join(failures.values())}


def _plain(of: Scores) -> list[Floats]:
    return [of.lower, of.upper, np.array([of.total_lower, of.total_upper])]


def _scores(plain: Sequence[Floats]) -> Scores:
    lower, upper, total = (np.asarray(part, np.float64) for part in plain)
    return Scores(lower, upper, float(total[0]), float(total[1]))


def _rule_row(series: Series, settings: ForecastSettings, *, champion: bool) -> dict[str, Any]:
    rule = rule_forecast(
        series.units,
        series.kind,
        horizon_days=settings.horizon_days,
        season_days=settings.season_days,
        days_before=series.days_before,
    )
    row = model_row(series, rule.name, rule.forecast.units, champion=champion)
    return row | interval_row(_clipped(rule.forecast), _clipped(rule.total))


def _clipped(forecast: Any) -> Any:
    """Sales are never negative."""
    return dataclasses.replace(
        forecast, **{name: np.maximum(ends, 0.0) for name, ends in dataclasses.asdict(forecast).items()}
    )
