"""Forecasts of series of any kind and frequency, hours to years, that no lake holds: rows of series_id, ds, y.

The models, their choice and intervals are those of the job forecast. Columns beside these are regressors: what is known
beforehand. A series with regressors has two more contenders, `Regression` and `RandomForest`; all series have one
together, `LSTM`, if it is asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from promo_spark.contracts.models import Forecasts
from promo_spark.errors import MissingDataError, SourceError
from promo_spark.models.forecasts.arima import fitted_arima
from promo_spark.models.forecasts.backtest import Accuracy, accuracy, seasonal_naive_scale
from promo_spark.models.forecasts.decomposition import strengths
from promo_spark.models.forecasts.fitting import whole_batch
from promo_spark.models.forecasts.local_models import SEASONS_NEEDED, Floats
from promo_spark.models.forecasts.network import NETWORK, TOO_SHORT, network_forecasts
from promo_spark.models.forecasts.regression import FOREST, REGRESSION, forest, regression
from promo_spark.models.forecasts.rules import Z_80, Z_95
from promo_spark.models.forecasts.series import DECIMALS, SeriesModel, SeriesToForecast
from promo_spark.settings.forecast import ForecastSettings

SERIES, TIME, VALUE = "series_id", "ds", "y"
_LEAST_TO_ERR = 3
LEAST = 8  # periods below which a series gets a rule
Gaps = Literal["error", "zero", "keep"]
_ENDS = (Forecasts.lower_80, Forecasts.upper_80, Forecasts.lower_95, Forecasts.upper_95)
_NO_RULE_FOR_THE_DEAD = 10**9
Judged = tuple[Accuracy | None, dict[str, Any]]  # the errors of a contender, and its row


@dataclass(frozen=True)
class Frequency:
    """A name, pandas' code of its periods, the most days from one to the next, and how many make a season."""

    name: str
    code: str
    days: float
    season: int


FREQUENCIES = (
    Frequency("hour", "h", 0.5, 24),
    Frequency("day", "D", 3.5, 7),
    Frequency("week", "W", 14, 52),
    Frequency("month", "M", 45, 12),
    Frequency("quarter", "Q", 180, 4),
    Frequency("year", "Y", 100_000, 1),
)


@dataclass(frozen=True)
class TimeSeries:
    """One series: values by period from `first` on, NaN where a gap is kept, and regressors up to the last forecast."""

    series_id: str
    first: pd.Period
    values: Floats
    names: tuple[str, ...]
    regressors: Floats  # by period and column, those to forecast included
    at_ends: bool = False  # times are the last days of periods, as of months that are written 2024-01-31

    def at(self, place: int) -> pd.Timestamp:
        """When a period begins; its last day where times are such."""
        period = self.first + place
        return period.to_timestamp(how="end").normalize() if self.at_ends else period.to_timestamp()


def frequency_of(times: pd.Series[Any], name: str = "") -> Frequency:
    """The frequency of that name, or the one that the least step from time to time tells. Raises SourceError.

    >>> frequency_of(pd.Series(pd.to_datetime(["2024-01-31", "2024-02-29", "2024-03-31"]))).name
    'month'
    """
    if name:
        found = next((f for f in FREQUENCIES if f.name == name), None)
        if found is None:
            known = ", ".join(f.name for f in FREQUENCIES)
            raise SourceError(f"there is no frequency {name!r}; there are: {known}")
        return found
    steps = times.drop_duplicates().sort_values().diff().dropna()
    if steps.empty:
        raise SourceError(f"all rows are of one {TIME}: name the frequency, such as --frequency month")
    least = steps.min() / pd.Timedelta(days=1)
    return next(f for f in FREQUENCIES if least <= f.days)


def series_of_rows(rows: pd.DataFrame, frequency: Frequency, *, gaps: Gaps, horizon: int) -> Iterator[TimeSeries]:
    """The series of rows with series_id, ds, y and regressors, in order of their ids. A row without y is one to come.

    `gaps`, of a period without a value inside a series: error raises SourceError; zero says that nothing was sold, also
    from a series' last row to the last one of all; keep says that it is not known: models see a straight line over it,
    and no error is measured of it. A series without a value is left out. Raises SourceError for a period with two rows,
    and for a regressor that is not known.
    """
    names = tuple(c for c in rows.columns if c not in (SERIES, TIME, VALUE))
    periods = pd.PeriodIndex(rows[TIME], freq=_code(rows[TIME], frequency))
    at_ends = frequency.days > _MOST_DAYS_OF_WEEKS and bool((periods.end_time.normalize() == rows[TIME]).all())
    of_all = periods[rows[VALUE].notna().to_numpy()].max()
    for series_id, of in rows.assign(**{_PERIOD: periods}).sort_values(_PERIOD).groupby(SERIES, sort=True):
        if twice := of.loc[of[_PERIOD].duplicated(), _PERIOD].astype(str).tolist():
            raise SourceError(f"series {series_id} has two rows of {twice[0]}: sum them, or name another frequency")
        sold = of.dropna(subset=[VALUE])
        if sold.empty:
            continue
        first, last = sold[_PERIOD].iloc[0], of_all if gaps == "zero" else sold[_PERIOD].iloc[-1]
        every = pd.period_range(first, last + horizon, freq=first.freq)
        whole = of.set_index(_PERIOD).reindex(every)
        values = whole[VALUE].to_numpy(np.float64)[: len(every) - horizon]
        if np.isnan(values).any():
            if gaps == "error":
                where = every[int(np.isnan(values).argmax())]
                raise SourceError(f"series {series_id} has no row of {where}: say what gaps are, zero or keep")
            values = np.nan_to_num(values) if gaps == "zero" else values
        known = whole[list(names)].to_numpy(np.float64)
        if not np.isfinite(known).all():
            place, column = (int(at[0]) for at in np.nonzero(~np.isfinite(known)))
            raise SourceError(
                f"series {series_id}: regressor {names[column]} has no value of {every[place]}: give one for every "
                f"period, the {horizon} to forecast too, or take the column out"
            )
        yield TimeSeries(str(series_id), first, values, names, known, at_ends)


_PERIOD = "_period"
_MOST_DAYS_OF_WEEKS = 14


def _code(times: pd.Series[Any], frequency: Frequency) -> str:
    """Weeks begin on the day of the week on which the first one does."""
    if frequency.code != "W":
        return frequency.code
    return f"W-{(times.min() - pd.Timedelta(days=1)).day_name()[:3].upper()}"


def forecast_series(
    every: Sequence[TimeSeries],
    settings: ForecastSettings,
    *,
    season: int,
    horizon: int,
    actual: Mapping[str, Floats] | None = None,
    network: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The forecasts, one row per series, period ahead and model; how good models are, one row per series and model.

    `actual` has the values of the periods ahead, by series, where they are known: models are judged by them; else by
    the last `horizon` periods, forecast from those before them. Errors are null where neither is there. `network`: a
    recurrent network of all series together is one more contender.
    """
    if not every:
        raise MissingDataError(f"there is no row with a value of {VALUE}")
    rows: list[dict[str, Any]] = []
    for length in sorted({season, 1}):
        of = [s for s in every if length == (season if len(s.values) >= 2 * season else 1)]  # fewer tell of no season
        if of:
            rows.extend(_forecast(of, settings, length, horizon, network))
    ahead, models = [], []
    strengths_of = {series.series_id: _strengths(series, season) for series in every}
    for row in sorted(rows, key=lambda r: (r[SERIES], not r[Forecasts.champion], r[Forecasts.model])):
        series: TimeSeries = row.pop(_OF)
        errors = row.pop(_ERRORS)
        known = (actual or {}).get(series.series_id)
        if known is not None and row[VALUE] is not None:
            told = np.isfinite(known[:horizon])
            past = series.values[np.isfinite(series.values)]
            scale = seasonal_naive_scale(past, season if len(past) > season else 1)
            errors = accuracy(known[:horizon][told], row[VALUE][: len(known)][told], scale) if told.any() else None
        plain = dataclasses.asdict(errors) if errors else dict.fromkeys(_METRICS)
        judged = {name: row[name] for name in (SERIES, *_TOLD)} | {name: plain[name] for name in _METRICS}
        models.append(judged | strengths_of[series.series_id])
        if row[VALUE] is None:
            continue  # it failed, and says why
        places = range(len(series.values), len(series.values) + horizon)
        ahead.append(
            pd.DataFrame(
                {SERIES: row[SERIES], TIME: [series.at(p) for p in places], VALUE: row[VALUE]}
                | {name: row[name] for name in (*_ENDS, Forecasts.model, Forecasts.champion)}
            )
        )
    return pd.concat(ahead, ignore_index=True).round(DECIMALS), pd.DataFrame(models).round(DECIMALS)


_OF, _ERRORS, _PARAMETERS = "_of", "_errors", "parameters"
_METRICS = ("mae", "rmse", "mase", "smape")
_TOLD = (Forecasts.model, Forecasts.champion, Forecasts.profile, Forecasts.failure, _PARAMETERS)


def _forecast(
    every: Sequence[TimeSeries], settings: ForecastSettings, season: int, horizon: int, network: bool
) -> Iterator[dict[str, Any]]:
    """One row per series and model, each with its forecast by period."""
    settings = settings.model_copy(
        update={
            "horizon_days": horizon,
            "season_days": season,
            "min_history_days": LEAST,
            "dead_days": _NO_RULE_FOR_THE_DEAD,
        }
    )
    of = {series.series_id: (series, *_above_zero(_bridged(series.values))) for series in every}
    batch = pd.DataFrame(
        {
            SeriesToForecast.series_id: list(of),
            SeriesToForecast.level: "any",
            SeriesToForecast.item_id: list(of),
            SeriesToForecast.units: [values for _, values, _ in of.values()],
            SeriesToForecast.top: True,
        }
    )
    found: list[dict[Any, Any]] = whole_batch(batch, settings).to_dict("records")
    champions = {row[SeriesModel.series_id]: row for row in found if row[SeriesModel.champion]}
    explained = {
        s.series_id: [*_explained(s, v + floor, season, horizon)] if s.names else [] for s, v, floor in of.values()
    }
    if network:
        for series_id, judged in _networked([(s, v + floor) for s, v, floor in of.values()], season, horizon):
            explained[series_id].append(judged)
    best = {name: _better(champions[name], found, settings) for name, found in explained.items()}
    for row in found:
        series, values, floor = of[row[SeriesModel.series_id]]
        known = None if row[SeriesModel.units] is None else np.asarray(row[SeriesModel.units], np.float64) + floor
        if known is None or len(known) != horizon:
            continue
        yield {
            SERIES: series.series_id,
            VALUE: known,
            **{name: _ends(np.asarray(row[name], np.float64) + floor, series) for name in _ENDS},
            Forecasts.model: row[SeriesModel.model],
            Forecasts.champion: bool(row[SeriesModel.champion]) and not best.get(series.series_id),
            Forecasts.profile: row[SeriesModel.profile],
            Forecasts.failure: row[SeriesModel.failure],
            _PARAMETERS: _arima_told(values + floor, season) if row[SeriesModel.model] == "AutoARIMA" else None,
            _OF: series,
            _ERRORS: _errors_of(row),
        }
    for series_id, rows in explained.items():
        for errors, row in rows:
            is_best = row[Forecasts.model] == best[series_id]
            yield row | {SERIES: series_id, Forecasts.champion: is_best, _OF: of[series_id][0], _ERRORS: errors}


def _explained(series: TimeSeries, values: Floats, season: int, horizon: int) -> Iterator[Judged]:
    """By engine: the errors in the last `horizon` periods, forecast from those before, and its row."""
    known, n = series.regressors, len(values)
    for name, engine in ((REGRESSION, regression), (FOREST, forest)):
        found = engine(values, known[:n], known[n:], season)
        if found is None:
            continue
        ends = [found.ahead + z * found.deviation for z in (-Z_80, Z_80, -Z_95, Z_95)]
        unit = " as a share" if found.in_shares else ""
        effects = [f"{of}: {effect:+.4g}{unit}" for of, effect in zip(series.names, found.effects, strict=True)]
        errors = None
        if n - horizon > max(LEAST, 2 * known.shape[1] + season):
            before = engine(values[: n - horizon], known[: n - horizon], known[n - horizon : n], season)
            told = np.isfinite(series.values[n - horizon :])
            scale = seasonal_naive_scale(values[: n - horizon], season)
            if before is not None and told.any():
                errors = accuracy(values[n - horizon :][told], before.ahead[told], scale)
        yield (
            errors,
            {
                VALUE: found.ahead,
                **{end: np.maximum(of, 0.0) if found.in_shares else of for end, of in zip(_ENDS, ends, strict=True)},
                Forecasts.model: name,
                Forecasts.profile: "explained",
                Forecasts.failure: None,
                _PARAMETERS: "; ".join(effects),
            },
        )


def _networked(every: Sequence[tuple[TimeSeries, Floats]], season: int, horizon: int) -> Iterator[tuple[str, Judged]]:
    """By series: what a network of all series says, and its errors where it has not seen the last `horizon` periods."""
    ahead = network_forecasts([values for _, values in every], season=season, horizon=horizon)
    before = network_forecasts([values[:-horizon] for _, values in every], season=season, horizon=horizon)
    for (series, values), now, then in zip(every, ahead, before, strict=True):
        errors, told = None, np.isfinite(series.values[-horizon:])
        if then is not None and told.any():
            scale = seasonal_naive_scale(values[:-horizon], season)
            errors = accuracy(values[-horizon:][told], then.ahead[told], scale)
        row: dict[str, Any] = {VALUE: None, Forecasts.model: NETWORK, Forecasts.profile: "pooled", _PARAMETERS: None}
        row |= {Forecasts.failure: TOO_SHORT if now is None else None, **dict.fromkeys(_ENDS)}
        if now is not None:
            row[VALUE] = now.ahead
            row |= {
                end: now.ahead + z * now.deviation for end, z in zip(_ENDS, (-Z_80, Z_80, -Z_95, Z_95), strict=True)
            }
        yield series.series_id, (errors, row)


def _better(champion: Mapping[Any, Any], explained: Sequence[Judged], settings: ForecastSettings) -> str | None:
    """The best of these models in the last window, where it is better than the champion by the margin of settings."""
    judged = [(errors.mae, row[Forecasts.model]) for errors, row in explained if errors is not None]
    if not judged:
        return None
    least, name = min(judged)
    error = champion[SeriesModel.mae]
    return name if error is None or error != error or least < error * (1 - settings.champion_margin) else None


def _ends(told: Floats, series: TimeSeries) -> Floats:
    """The ends of intervals; not known of a series of one or two values, which tell nothing of errors."""
    return told if len(series.values) >= _LEAST_TO_ERR else np.full(len(told), np.nan)


def _errors_of(row: Mapping[Any, Any]) -> Accuracy | None:
    if row[SeriesModel.mae] is None or row[SeriesModel.mae] != row[SeriesModel.mae]:
        return None
    told = {f.name: row[f.name] for f in dataclasses.fields(Accuracy)}
    return Accuracy(**{name: float("nan") if value is None else float(value) for name, value in told.items()})


def _bridged(values: Floats) -> Floats:
    """The values with a straight line over what is not known."""
    known = np.isfinite(values)
    places = np.arange(len(values))
    line: Floats = np.interp(places, places[known], values[known])
    return line


def _strengths(series: TimeSeries, season: int) -> dict[str, float | None]:
    enough = len(series.values) >= SEASONS_NEEDED * season  # of two seasons noise looks like one
    found = strengths(_bridged(series.values), season) if enough else None
    return {"trend_strength": found.trend if found else None, "season_strength": found.season if found else None}


def _above_zero(values: Floats) -> tuple[Floats, float]:
    """The values, and what they are above: models know no value below 0, so that a series with such is lifted."""
    floor = 2 * float(values.min()) - float(values.max()) if values.min() < 0 else 0.0
    return values - floor, floor


def _arima_told(values: Floats, season: int) -> str:
    found = fitted_arima(values, season)
    return f"{found.name}: {found.equation}; variance of e {found.variance:.4g}"
