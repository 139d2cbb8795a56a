"""The steps of the command forecast_series: a file of series, their forecasts, and how good the models are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from promo_spark.errors import SettingsError, SourceError
from promo_spark.models.forecasts.any_series import (
    SERIES,
    TIME,
    VALUE,
    Gaps,
    TimeSeries,
    forecast_series,
    frequency_of,
    series_of_rows,
)
from promo_spark.models.forecasts.local_models import Floats, require_known
from promo_spark.models.forecasts.network import NETWORK
from promo_spark.models.forecasts.scaling import without_outliers
from promo_spark.settings.forecast import ForecastSettings
from promo_spark.storage.private_files import write_private


def forecast_file(arguments: Mapping[str, str], settings: ForecastSettings) -> str:
    """Writes forecasts.csv and models.csv into the folder; what was done, in one sentence.

    Raises SourceError for a file that cannot be read as series, SettingsError for an argument that cannot be right.
    """
    horizon = _whole("horizon", arguments["horizon"])
    gaps = arguments["gaps"] or "error"
    if gaps not in get_args(Gaps):
        raise SettingsError(f"--gaps {gaps} is unknown; write error, zero or keep")
    outliers = arguments["outliers"] or "keep"
    if outliers not in ("keep", "cut"):
        raise SettingsError(f"--outliers {outliers} is unknown; write keep or cut")
    names = [name.strip() for name in arguments["models"].split(",") if name.strip()]
    require_known("--models", names, also=[NETWORK])
    network = NETWORK in names
    if names := [name for name in names if name != NETWORK]:
        settings = settings.model_copy(update={"models_regular": names, "models_intermittent": names, "models_top": []})
    else:  # a shop's days have hardly a trend, and no model of them needs one beside a season: other series do
        settings = settings.model_copy(update={"models_regular": [*settings.models_regular, _WITH_TREND]})
    rows = _rows(arguments["file"])
    frequency = frequency_of(rows[TIME], arguments["frequency"])
    season = _whole("season", arguments["season"]) if arguments["season"] else frequency.season
    known, later = rows, rows.iloc[:0]
    if arguments["until"]:
        is_later = rows[TIME] >= _time(arguments["until"])
        if not (is_later & rows[VALUE].notna()).any():
            raise SettingsError(f"--until {arguments['until']}: there is no value of that time or later to judge by")
        known, later = rows.assign(**{VALUE: rows[VALUE].where(~is_later)}), rows[is_later]
    every = list(series_of_rows(known, frequency, gaps=gaps, horizon=horizon))  # type: ignore[arg-type]  # judged above
    if not every:
        before = f" before --until {arguments['until']}" if arguments["until"] else ""
        raise SourceError(f"{arguments['file']} has no row with a value of {VALUE}{before}")
    if outliers == "cut":
        every = [dataclasses.replace(series, values=without_outliers(series.values, season)) for series in every]
    ahead, models = forecast_series(
        every,
        settings,
        season=season,
        horizon=horizon,
        actual=_actual(every, later, horizon) or None,
        network=network,
    )
    for name, table in (("forecasts", ahead), ("models", models)):
        write_private(str(Path(arguments["to"], f"{name}.csv")), table.to_csv(index=False))
    left_out = rows[SERIES].nunique() - len(every)
    unjudged = int(models[models.champion].mae.isna().sum())
    told = [
        f"{len(every):,} series by {frequency.name}, forecast for {horizon} periods, with a season of {season}: "
        f"{arguments['to']}/forecasts.csv; how good each model is stands in models.csv."
    ]
    if left_out:
        told.append(f"{left_out:,} series have no value{' before --until' if arguments['until'] else ''}: left out.")
    if unjudged:
        told.append(
            f"Of {unjudged:,} series no error could be measured: that takes four seasons and --horizon, or --until."
        )
    return " ".join(told)


_WITH_TREND = "MFLES"
_OFFSET = r":\d\d(?:\.\d+)?\s*(?:Z|[+-]\d\d:?\d\d)$"


def _rows(file: str) -> pd.DataFrame:
    try:
        rows = pd.read_csv(file, dtype={SERIES: str, TIME: str})
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise SourceError(f"{file} cannot be read as CSV: {error}") from error
    if missing := [name for name in (SERIES, TIME, VALUE) if name not in rows.columns]:
        one = len(rows.columns) == 1 and any(sign in rows.columns[0] for sign in ";\t|")
        commas = ": write commas between columns" if one else ""
        raise SourceError(f"{file} has no column {', '.join(missing)}; it has {', '.join(rows.columns)}{commas}")
    if rows.empty:
        raise SourceError(f"{file} has no rows")
    try:
        times = _times(rows[TIME])
        numbers = {name: pd.to_numeric(rows[name]) for name in rows.columns if name not in (SERIES, TIME)}
    except (ValueError, TypeError) as error:
        raise SourceError(
            f"{file}: {error}; write days as 2024-01-31, years as 2024-01-01, hours as 2024-01-31 13:00, numbers as 1.5"
        ) from error
    for name, column in numbers.items():
        if np.isinf(column.to_numpy(np.float64)).any():
            raise SourceError(f"{file}: {name} has a value that is not finite: leave the cell empty, or write a number")
    rows = rows.assign(**{TIME: times, **numbers})
    if rows[[SERIES, TIME]].isna().any(axis=None):
        raise SourceError(f"{file} has a row without {SERIES} or {TIME}")
    return rows


def _times(texts: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """Days and instants as ISO 8601 writes them, a year alone too. Instants with an offset are told in UTC."""
    with_offset = texts.dropna().str.contains(_OFFSET, regex=True)
    if with_offset.any() and not with_offset.all():
        raise ValueError(f"some times of {TIME} have an offset from UTC and some have none")
    times = pd.to_datetime(texts, format="ISO8601", utc=bool(with_offset.any()), errors="coerce")
    if (wrong := texts[times.isna() & texts.notna()]).size:
        raise ValueError(f"{TIME} {wrong.iloc[0]!r} is no time")
    return times.dt.tz_localize(None) if with_offset.any() else times


def _actual(every: list[TimeSeries], later: pd.DataFrame, horizon: int) -> dict[str, Floats]:
    """The values of the periods ahead of each series that has some."""
    found = {}
    for series in every:
        of = later[later[SERIES] == series.series_id]
        places = [(period - series.first).n - len(series.values) for period in of[TIME].dt.to_period(series.first.freq)]
        values = np.full(horizon, np.nan)
        for place, value in zip(places, of[VALUE], strict=True):
            if 0 <= place < horizon:
                values[place] = value
        if np.isfinite(values).any():
            found[series.series_id] = values
    return found


def _whole(name: str, text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 10_000:
        raise SettingsError(f"--{name} {text!r} is no number of periods; write one such as 12")
    return int(text)


def _time(text: str) -> pd.Timestamp:
    try:
        return pd.Timestamp(text)
    except ValueError:
        raise SettingsError(f"--until {text!r} is no time; write a day such as 2024-01-31") from None
