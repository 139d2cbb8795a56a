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
    if arguments["models"]:
        names = arguments["models"].split(",")
        require_known("--models", names)
        settings = settings.model_copy(update={"models_regular": names, "models_intermittent": names, "models_top": []})
    rows = _rows(arguments["file"])
    frequency = frequency_of(rows[TIME], arguments["frequency"])
    season = _whole("season", arguments["season"]) if arguments["season"] else frequency.season
    known, later = rows, rows.iloc[:0]
    if arguments["until"]:
        is_later = rows[TIME] >= _time(arguments["until"])
        known, later = rows.assign(**{VALUE: rows[VALUE].where(~is_later)}), rows[is_later]
    every = list(series_of_rows(known, frequency, gaps=gaps, horizon=horizon))  # type: ignore[arg-type]  # judged above
    if outliers == "cut":
        every = [dataclasses.replace(series, values=without_outliers(series.values, season)) for series in every]
    ahead, models = forecast_series(
        every, settings, season=season, horizon=horizon, actual=_actual(every, later, horizon) or None
    )
    for name, table in (("forecasts", ahead), ("models", models)):
        write_private(str(Path(arguments["to"], f"{name}.csv")), table.to_csv(index=False))
    return (
        f"{len(every):,} series by {frequency.name} are forecast for {horizon} periods, with a season of {season}: "
        f"{arguments['to']}/forecasts.csv; how good each model is stands in models.csv."
    )


def _rows(file: str) -> pd.DataFrame:
    try:
        rows = pd.read_csv(file, dtype={SERIES: str})
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise SourceError(f"{file} cannot be read as CSV: {error}") from error
    if missing := [name for name in (SERIES, TIME, VALUE) if name not in rows.columns]:
        raise SourceError(f"{file} has no column {', '.join(missing)}; it has {', '.join(rows.columns)}")
    try:
        times = pd.to_datetime(rows[TIME])
        numbers = {name: pd.to_numeric(rows[name]) for name in rows.columns if name not in (SERIES, TIME)}
    except (ValueError, TypeError) as error:
        raise SourceError(
            f"{file}: {error}; write days as 2024-01-31, hours as 2024-01-31 13:00, numbers as 1.5"
        ) from error
    rows = rows.assign(**{TIME: times, **numbers})
    if rows[[SERIES, TIME]].isna().any(axis=None):
        raise SourceError(f"{file} has a row without {SERIES} or {TIME}")
    return rows


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
