"""How good forecasts were on days that are over: rolling origins, errors, champion, intervals.

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
    """Errors of one forecast over a window; `mase` is NaN where the history's scale is 0. `expected` is its sum."""

    mae: float
    rmse: float
    mase: float
    smape: float
    absolute_error: float
    actual: float
    expected: float


def windows_possible(days: int, *, horizon_days: int, season_days: int, at_most: int) -> int:
    """How many windows leave at least four seasons to be trained on.

    >>> windows_possible(60, horizon_days=14, season_days=7, at_most=3)  # 60 − 4 × 7 days make two windows
    2
    """
    return max(0, min(at_most, (days - SEASONS_NEEDED * season_days) // horizon_days))


def seasonal_naive_scale(history: Floats, season_days: int) -> float:
    """Mean absolute error of "as a season ago" within the history: the unit of MASE (Hyndman, Koehler 2006).

    >>> seasonal_naive_scale(np.array([1.0, 2, 4, 3]), season_days=2)
    2.0
    """
    if len(history) <= season_days:
        return float("nan")
    return float(np.abs(history[season_days:] - history[:-season_days]).mean())


def accuracy(actual: Floats, units: Floats, scale: float = float("nan")) -> Accuracy:
    """MAE, RMSE, MASE, sMAPE (0–200; a day with nothing sold and nothing forecast counts 0), sums.

    >>> of_threes = accuracy(np.array([3.0, 5.0]), np.array([3.0, 3.0]), scale=2.0)
    >>> of_threes.mae, round(of_threes.rmse, 4), of_threes.mase, of_threes.smape
    (1.0, 1.4142, 0.5, 25.0)
    """
    error = np.abs(actual - units)
    mae = float(error.mean())
    size = np.abs(actual) + np.abs(units)
    return Accuracy(
        mae=mae,
        rmse=float(np.sqrt((error**2).mean())),
        mase=mae / scale if scale > 0 else float("nan"),
        smape=float(200 * np.divide(error, size, out=np.zeros_like(error), where=size > 0).mean()),
        absolute_error=float(error.sum()),
        actual=float(actual.sum()),
        expected=float(units.sum()),
    )


def in_pieces(units: Floats) -> bool:
    """Whether sales are whole pieces, not weights or volumes.

    >>> in_pieces(np.array([1.0, 0.0])), in_pieces(np.array([1.0, 0.4]))
    (True, False)
    """
    return bool((units == np.floor(units)).all())


def champion(residuals: Floats, by: str, *, standard: int | None = None, margin: float = 0.0) -> int | None:
    """The model with the least MAE or RMSE over all windows; of equals, the first, which is the simplest.

    `residuals` are by window, model and day. A model with a NaN failed and cannot win; None: all failed.
    `standard`: a model that stays the champion unless another's error is less by the share `margin` / √windows. The
    fewer windows, the more of a difference is chance.

    >>> two_windows = np.array([[[1.0, 1.0], [2.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]])
    >>> champion(two_windows, "mae"), champion(two_windows, "rmse"), champion(np.full((1, 2, 3), np.nan), "mae")
    (1, 0, None)
    >>> champion(two_windows, "mae", standard=0, margin=0.3)  # 0.75 is less than 1 by 0.25, and by more than 0.3 / √2
    1
    """
    loss = np.abs(residuals) if by == "mae" else residuals**2
    mean = loss.mean(axis=(0, 2))
    error = np.round(mean if by == "mae" else np.sqrt(mean), 9)  # noise of the last bits must not decide
    if np.isnan(error).all():
        return None
    best = int(np.nanargmin(error))
    if standard is None or np.isnan(error[standard]):
        return best
    return best if error[best] < error[standard] * (1 - margin / np.sqrt(len(residuals))) else standard


@dataclass(frozen=True)
class ResidualQuantiles:
    """Errors of the past at the ends of the 80% and 95% intervals, all days pooled (split conformal).

    Assumes no distribution: the ends are the errors of rank ⌊(n+1)·α/2⌋ from either end, or the extremes where
    there are too few, so that skewed counts get skewed intervals.
    """

    lower_80: float
    upper_80: float
    lower_95: float
    upper_95: float

    @staticmethod
    def of(residuals: Floats) -> ResidualQuantiles:
        """
        >>> ResidualQuantiles.of(np.arange(-10.0, 11.0))
        ResidualQuantiles(lower_80=-9.0, upper_80=9.0, lower_95=-10.0, upper_95=10.0)
        """
        ordered = np.sort(residuals)

        def ends(tail: float) -> tuple[float, float]:
            rank = max(int(np.floor(np.round((len(ordered) + 1) * tail, 9))), 1)  # 0.1 has no exact binary form
            return float(ordered[rank - 1]), float(ordered[-rank])

        return ResidualQuantiles(*ends(0.10), *ends(0.025))

    def around(self, units: Floats, *, whole: bool = False) -> Forecast:
        """The forecast with its intervals. The point never lies outside them.

        `whole`: sales are whole pieces, so the ends are the nearest whole numbers; a forecast of 0.30 with a lower
        end of 0.02 would leave every day without a sale outside.

        >>> forecast = ResidualQuantiles(-9.0, 9.0, -10.0, 10.0).around(np.array([10.0]))
        >>> forecast.lower_80.tolist(), forecast.upper_80.tolist()
        ([1.0], [19.0])
        """

        def end(error: float) -> Floats:
            moved: Floats = units + error
            return np.round(moved) if whole else moved

        return Forecast(
            units,
            np.fmin(end(self.lower_80), units),
            np.fmax(end(self.upper_80), units),
            np.fmin(end(self.lower_95), units),
            np.fmax(end(self.upper_95), units),
        )
