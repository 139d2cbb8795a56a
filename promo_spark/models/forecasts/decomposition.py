"""How much of a series is trend, how much season, and how much neither."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.models.forecasts.local_models import Floats


@dataclass(frozen=True)
class Strengths:
    """0: nothing of it; 1: what is left beside it is nothing. `season` is NaN where a season is one period."""

    trend: float
    season: float


def strengths(values: Floats, season: int) -> Strengths | None:
    """1 − Var(rest) / Var(part + rest), 0 at least (Wang, Smith, Hyndman 2006); None: fewer than two seasons.

    The trend is the mean of the season around each period, the season the mean of what is left at each place of it.

    >>> week = np.tile([5.0, 3, 4, 6, 9, 14, 12], 10)
    >>> strengths(week, 7)
    Strengths(trend=0.0, season=1.0)
    """
    length = max(season, 3)
    if len(values) < 2 * length:
        return None
    window = np.full(length, 1 / length)
    if length % 2 == 0:  # half a period more on either side, so that the middle is a period
        window = np.convolve(window, [0.5, 0.5])
    trend = np.convolve(values, window, mode="valid")
    first = len(window) // 2
    rest = values[first : first + len(trend)] - trend
    if season == 1:
        return Strengths(_strength(trend, rest), float("nan"))
    place = (np.arange(len(rest)) + first) % season
    means = np.array([rest[place == k].mean() for k in range(season)])
    seasonal = (means - means.mean())[place]
    rest = rest - seasonal
    return Strengths(_strength(trend, rest), _strength(seasonal, rest))


def _strength(part: Floats, rest: Floats) -> float:
    both = float((part + rest).var())
    return max(0.0, 1 - float(rest.var()) / both) if both > 1e-12 else 0.0
