"""How good forecasts were on days already known: rolling origins, errors, champion, intervals.

Windows are counted back from the end: window 0 is the last horizon before as_of, window 1 the horizon
before that. A model is fitted anew before each window, on what came before it only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.models.forecasts.local_models import SEASONS_NEEDED, Floats


@dataclass(frozen=True)
class Forecast:
    """Units per day ahead, with the ends of the 80% and 95% intervals."""

    units: Floats
    lower_80: Floats
    upper_80: Floats
    lower_95: Floats
    upper_95: Floats


@dataclass(frozen=True)
class Accuracy:
    """Errors of one forecast over a window; `mase` is NaN where the history's scale is 0."""

    mae: float
    rmse: float
    mase: float
    smape: float
    absolute_error: float
    actual: float
    covered_80: float
    covered_95: float


def windows_possible(days: int, *, horizon_days: int, season_days: int, at_most: int) -> int:
    """How many windows leave at least four seasons to be trained on."""
    return max(0, min(at_most, (days - SEASONS_NEEDED * season_days) // horizon_days))


def seasonal_naive_scale(history: Floats, season_days: int) -> float:
    """Mean absolute error of "as a season ago" within the history: the unit of MASE (Hyndman, Koehler 2006)."""
    if len(history) <= season_days:
        return float("nan")
    return float(np.abs(history[season_days:] - history[:-season_days]).mean())


def accuracy(actual: Floats, forecast: Forecast, scale: float = float("nan")) -> Accuracy:
    """MAE, RMSE, MASE, sMAPE (0–200; a day with nothing sold and nothing forecast counts 0), coverage."""
    error = np.abs(actual - forecast.units)
    mae = float(error.mean())
    size = np.abs(actual) + np.abs(forecast.units)
    return Accuracy(
        mae=mae,
        rmse=float(np.sqrt((error**2).mean())),
        mase=mae / scale if scale > 0 else float("nan"),
        smape=float(200 * np.divide(error, size, out=np.zeros_like(error), where=size > 0).mean()),
        absolute_error=float(error.sum()),
        actual=float(actual.sum()),
        covered_80=float(((forecast.lower_80 <= actual) & (actual <= forecast.upper_80)).mean()),
        covered_95=float(((forecast.lower_95 <= actual) & (actual <= forecast.upper_95)).mean()),
    )


def in_pieces(units: Floats) -> bool:
    """Whether sales are whole pieces, not weights or volumes."""
    return bool((units == np.floor(units)).all())


def champion(residuals: Floats, by: str) -> int | None:
    """The model with the least MAE or RMSE over all windows; of equals, the first, which is the simplest.

    `residuals` are by window, model and day. A model with a NaN failed and cannot win; None: all failed.
    """
    loss = np.abs(residuals) if by == "mae" else residuals**2
    mean = np.round(loss.mean(axis=(0, 2)), 9)  # noise of the last bits must not decide
    return None if np.isnan(mean).all() else int(np.nanargmin(mean))


def residual_intervals(units: Floats, residuals: Floats, *, whole: bool = False) -> Forecast:
    """The forecast with intervals from the order statistics of past errors (split conformal), all days pooled.

    Assumes no distribution: the ends are the errors of rank ⌊(n+1)·α/2⌋ from either end, or the
    extremes where there are too few, so that skewed counts get skewed intervals. `whole`: sales are whole
    pieces, so the ends are the nearest whole numbers; a forecast of 0.30 with a lower end of 0.02 would
    leave every day without a sale outside. The point never lies outside its interval.
    """
    ordered = np.sort(residuals)

    def end(tail: float, upper: bool) -> Floats:
        rank = max(int(np.floor(np.round((len(ordered) + 1) * tail, 9))), 1)  # 0.1 has no exact binary form
        moved: Floats = units + ordered[-rank if upper else rank - 1]
        nearest = np.round(moved) if whole else moved
        return np.fmax(nearest, units) if upper else np.fmin(nearest, units)

    return Forecast(units, end(0.10, False), end(0.10, True), end(0.025, False), end(0.025, True))
