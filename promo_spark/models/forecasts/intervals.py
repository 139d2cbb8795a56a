"""Prediction intervals by how far ahead a day lies, from errors of the backtest that are pooled over series.

One to three windows tell too little of one series' tails, and errors grow with the horizon. So an error is measured in
units of its series' own scale, and what such scores are at the tails is taken from all series of a kind and level
together, by season ahead (split conformal). The model whose errors count is the one that the windows before had chosen,
so that what choosing costs is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promo_spark.models.forecasts.backtest import Forecast
from promo_spark.models.forecasts.local_models import Floats

TAILS = (0.10, 0.90, 0.025, 0.975)  # of the errors: the ends of the 80% interval, then of the 95% interval
SCORE_STEPS = 100  # scores are rounded outward to hundredths, so that there are few different ones to count
FEW_IN_TAIL = 3
_LEVEL = 0.1  # units a day that are added to a forecast before the root is taken: rare sales have errors too
_LEAST = 1e-3
_OF_NORMAL = (-1.606, 1.606, -2.456, 2.456)  # normal quantiles over the mean absolute error, √(2/π) of σ
_DIFFERENCE = 1.3  # how much larger the difference of two days is than the error of a mean, some √2


@dataclass(frozen=True)
class Scores:
    """Errors of a window in units of the scale: by day and of the sum.

    Of whole pieces an end is rounded: a sale lies below the upper end if half a piece less does, and so `upper` are
    the scores of half a piece less, `lower` of half a piece more.
    """

    lower: Floats
    upper: Floats
    total_lower: float
    total_upper: float


@dataclass(frozen=True)
class IntervalEnds:
    """Where the intervals end, in units of the scale: `by_season` four ends × seasons ahead, `total` of the sum."""

    by_season: Floats
    total: Floats

    @staticmethod
    def of_normal(horizon_days: int, season_days: int) -> IntervalEnds:
        """Of independent normal errors: where no series of a kind has a window of the backtest."""
        ends = np.array(_OF_NORMAL)
        return IntervalEnds(np.tile(ends[:, None], seasons_ahead(horizon_days, season_days)), ends * horizon_days**0.5)

    def around(self, units: Floats, error_scale: float, *, whole: bool, season_days: int) -> Forecast:
        """The forecast of days with its intervals, never negative. The point never lies outside them.

        >>> ends = IntervalEnds(np.array([[-1.0, -2], [1, 2], [-2, -4], [2, 4]]), np.array([-1.0, 1, -2, 2]))
        >>> found = ends.around(np.array([8.9, 8.9]), 1.0, whole=True, season_days=1)  # scale √(8.9 + 0.1) = 3
        >>> found.lower_80.tolist(), found.upper_80.tolist()
        ([6.0, 3.0], [12.0, 15.0])
        """
        season = np.arange(len(units)) // season_days
        return ended(units, self.by_season[:, season] * scale_of(units, error_scale), whole)

    def total_around(self, units: Floats, error_scale: float, *, whole: bool) -> Forecast:
        """The sum of the days with its intervals, as one day."""
        return ended(np.array([units.sum()]), self.total[:, None] * scale_of(units, error_scale), whole)


def seasons_ahead(horizon_days: int, season_days: int) -> int:
    """How many seasons a horizon has, the last one cut off."""
    return -(-horizon_days // season_days)


def error_scale(history: Floats, residuals: Floats, forecasts: Floats, season_days: int) -> float:
    """Mean absolute error of a series for each √(units a day forecast), as of counts.

    From residuals and forecasts by window and day, and, as if one window more, the differences to a season ago: what
    is known where there is no window.
    """
    days = forecasts.shape[1]
    recent = history[-4 * days - season_days :]
    differences = np.abs(recent[season_days:] - recent[:-season_days]) / _DIFFERENCE
    if not differences.size:
        differences = np.abs(recent - recent.mean())
    known = differences.mean() / np.sqrt(recent.mean() + _LEVEL)
    relative = np.abs(residuals) / np.sqrt(forecasts.mean(axis=1, keepdims=True) + _LEVEL)
    return float(max((relative.sum() + days * known) / (relative.size + days), _LEAST))


def scale_of(units: Floats, error_scale: float) -> float:
    """The mean absolute error that is expected of a day of this forecast."""
    return float(error_scale * np.sqrt(units.mean() + _LEVEL))


def scores(actual: Floats, units: Floats, error_scale: float, *, whole: bool) -> Scores:
    """Errors of a forecast of a window.

    >>> of = scores(np.array([4.9, 0.9]), np.array([3.9, 3.9]), 0.5, whole=False)  # errors 1, -3; scale 0.5 · 2
    >>> of.lower.tolist(), of.upper.tolist()
    ([1.0, -3.0], [1.0, -3.0])
    >>> of = scores(np.array([4.9, 0.9]), np.array([3.9, 3.9]), 0.5, whole=True)  # half a piece more, and less
    >>> of.lower.tolist(), of.upper.tolist()
    ([1.5, -2.5], [0.5, -3.5])
    """
    scale, half = scale_of(units, error_scale), 0.5 if whole else 0.0
    error = actual - units
    total = error.sum()

    def low(of: Floats) -> Floats:
        steps = np.round((of + half) / scale * SCORE_STEPS, 6)  # the noise of the last bits is no step
        return np.asarray(np.floor(steps) / SCORE_STEPS, np.float64)

    def high(of: Floats) -> Floats:
        return -low(-of)

    return Scores(low(error), high(error), float(low(total)), float(high(total)))


def tail(ordered: Floats, share: float, of_normal: float) -> float:
    """The score that a share of the scores lies below.

    Where fewer than three scores are expected in the tail, not nearer than that of normal errors is; and where not one
    is, not nearer than the extreme score.

    >>> tail(np.arange(101.0), 0.10, 5.0), tail(np.arange(5.0), 0.10, 1.0), tail(np.arange(5.0), 0.10, -1.0)
    (10.0, 0.0, -1.0)
    """
    in_tail = (len(ordered) + 1) * min(share, 1 - share)
    extreme = float(ordered[0] if share < 0.5 else ordered[-1])
    score = extreme if in_tail < 1 else float(np.quantile(ordered, share))
    if in_tail >= FEW_IN_TAIL:
        return score
    return min(score, of_normal) if share < 0.5 else max(score, of_normal)


def pooled_ends(pool: Sequence[Scores], season_days: int) -> IntervalEnds:
    """The ends that hold the shares of the scores of several series, as `pools` finds them with Spark."""
    lower, upper = (np.array([getattr(s, name) for s in pool]) for name in ("lower", "upper"))
    sums = {True: [s.total_lower for s in pool], False: [s.total_upper for s in pool]}
    season = np.arange(lower.shape[1]) // season_days

    normal = IntervalEnds.of_normal(lower.shape[1], season_days)

    def end(place: int, days: Floats, of_normal: Floats) -> float:
        return tail(np.sort(days.ravel()), TAILS[place], float(of_normal[place]))

    by_season = [
        [end(p, (lower if s < 0.5 else upper)[:, season == k], normal.by_season[:, k]) for k in range(season[-1] + 1)]
        for p, s in enumerate(TAILS)
    ]
    of_total = [end(p, np.array(sums[s < 0.5]), normal.total) for p, s in enumerate(TAILS)]
    return IntervalEnds(np.array(by_season), np.array(of_total))


def covered(of: Scores, ends: IntervalEnds, season_days: int) -> tuple[float, float, float, float]:
    """Share of the window's days within the 80% and the 95% interval; whether their sum is in its own, as 0 or 1."""
    season = np.arange(len(of.lower)) // season_days
    low_80, high_80, low_95, high_95 = ends.by_season[:, season]
    total_80, total_above_80, total_95, total_above_95 = ends.total
    return (
        float(((of.lower >= low_80) & (of.upper <= high_80)).mean()),
        float(((of.lower >= low_95) & (of.upper <= high_95)).mean()),
        float(of.total_lower >= total_80 and of.total_upper <= total_above_80),
        float(of.total_lower >= total_95 and of.total_upper <= total_above_95),
    )


def ended(units: Floats, errors: Floats, whole: bool) -> Forecast:
    """A forecast with the ends at four errors, as TAILS; never negative, and the point never outside."""
    ends = units + errors
    if whole:
        ends = np.round(ends)
    ends = np.maximum(ends, 0.0)
    low_80, high_80, low_95, high_95 = ends
    lower_80, upper_80 = np.fmin(low_80, units), np.fmax(high_80, units)
    return Forecast(units, lower_80, upper_80, np.fmin(low_95, lower_80), np.fmax(high_95, upper_80))
