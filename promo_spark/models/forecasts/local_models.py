"""The forecasting models that settings may name, run over a batch of histories in one StatsForecast call.

A model that raises or returns no number on one history costs that history this model only, and what went
wrong is kept as text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from promo_spark.errors import SettingsError

Floats = npt.NDArray[np.float64]

SEASONS_NEEDED = 4  # averages are taken over so many seasons, and no backtest is trained on fewer

# Name in settings → what statsforecast's class of that name is given for a season of so many days.
MODELS: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "SeasonalNaive": lambda season: {"season_length": season},
    "WindowAverage": lambda season: {"window_size": SEASONS_NEEDED * season},
    "SeasonalWindowAverage": lambda season: {"season_length": season, "window_size": SEASONS_NEEDED},
    "SeasonalExponentialSmoothing": lambda season: {"season_length": season, "alpha": 0.2},
    "CrostonSBA": lambda _season: {},
    "TSB": lambda _season: {"alpha_d": 0.1, "alpha_p": 0.1},  # small, as sales are rare
    "IMAPA": lambda _season: {},
    "ADIDA": lambda _season: {},
    "Theta": lambda season: {"season_length": season},
    "DynamicOptimizedTheta": lambda season: {"season_length": season},
    "MFLES": lambda season: {"season_length": season},
    # no trend: over four weeks a day's sales return to their level; the trends cost ten times the time
    "AutoETS": lambda season: {"season_length": season, "model": "ZNA" if season > 1 else "ZNN"},
    "AutoARIMA": lambda season: {"season_length": season},
}


def require_known(setting: str, names: Sequence[str], also: Sequence[str] = ()) -> None:
    """Raises SettingsError when a setting lists no model, one that does not exist, or one twice.

    `also` are names that may stand there beside those of MODELS.
    """
    every = [*MODELS, *also]
    unknown = [name for name in names if name not in every]
    if unknown:
        raise SettingsError(f"{setting}: there is no model {', '.join(unknown)}; there are: {', '.join(every)}")
    if len(set(names)) < len(names):
        raise SettingsError(f"{setting}: a model stands twice in {', '.join(names)}; name each once")


@dataclass(frozen=True)
class Batch:
    """Forecasts of a batch: `units` by history, model and day, and why models failed by (history, model)."""

    units: Floats
    failures: Mapping[tuple[int, int], str]


def batch_forecasts(histories: Sequence[Floats], names: Sequence[str], *, horizon_days: int, season_days: int) -> Batch:
    """Every named model's forecast of every history, never negative. A failed one is all NaN."""
    from statsforecast import StatsForecast  # 1.6 s, paid by workers only
    from statsforecast import models as library

    lengths = [len(history) for history in histories]
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(histories)), lengths),
            "ds": np.concatenate([np.arange(n) for n in lengths]),
            "y": np.concatenate(histories),
        }
    )
    raised = _Raised()
    engine = StatsForecast(
        models=[getattr(library, name)(**MODELS[name](season_days), alias=name) for name in names],
        freq=1,
        n_jobs=1,  # Spark's tasks are the parallelism; this also holds BLAS to one thread
        fallback_model=raised,
    )
    with np.errstate(invalid="ignore"):  # of a series that never moves no model asks what its noise is like in vain
        table = engine.forecast(df=frame, h=horizon_days)
    by_day = np.column_stack([table[name].to_numpy() for name in names]).astype(np.float64)
    units = by_day.reshape(len(histories), horizon_days, len(names)).transpose(0, 2, 1)
    errors = iter(raised.errors)  # in the order of StatsForecast's loop: by history, then by model
    failures: dict[tuple[int, int], str] = {}
    for i, m in np.argwhere(~np.isfinite(units).all(axis=2)):
        text = next(errors) if np.isneginf(units[i, m]).all() else "no number returned"
        failures[int(i), int(m)] = f"{names[m]}: {text}"
    failed = tuple(np.array(list(failures), dtype=int).reshape(-1, 2).T)
    units = np.maximum(units, 0.0)
    units[failed] = np.nan
    return Batch(units, failures)


@dataclass
class _Raised:
    """StatsForecast's fallback model: marks the forecast of a model that raised, and keeps its error."""

    errors: list[str] = field(default_factory=list)

    def forecast(self, *, h: int, **_: object) -> dict[str, Floats]:
        error = sys.exc_info()[1]  # StatsForecast calls its fallback while it handles the error
        self.errors.append(f"{type(error).__name__}: {error}")
        return {"mean": np.full(h, -np.inf)}  # no model returns this
