"""Numbers brought to one scale, and series cleaned of outliers, before a model sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.models.forecasts.local_models import Floats

_DEVIATIONS = 4.0
_MAD = 1.4826  # median absolute deviation → standard deviation of normal values


@dataclass(frozen=True)
class Scale:
    """Where numbers lie and how wide they are spread; the width of a constant is 1."""

    level: float
    width: float

    @staticmethod
    def of(values: Floats) -> Scale:
        """Mean and standard deviation of what is known.

        >>> Scale.of(np.array([1.0, 3.0, np.nan])), Scale.of(np.array([5.0, 5.0]))
        (Scale(level=2.0, width=1.0), Scale(level=5.0, width=1.0))
        """
        width = float(np.nanstd(values))
        return Scale(float(np.nanmean(values)), width if width > 0 else 1.0)

    def applied(self, values: Floats) -> Floats:
        """The values in widths from the level."""
        return (values - self.level) / self.width

    def undone(self, scaled: Floats) -> Floats:
        """The values again."""
        return scaled * self.width + self.level


def without_outliers(values: Floats, season: int) -> Floats:
    """The values cut to within four robust deviations of the median of their place in the season (winsorised).

    The deviation is that of all values from the medians of their places, so that a rhythm is no outlier; a series that
    never leaves its rhythm on most days is left alone. Values that are not known stay so.

    >>> week = np.tile([1.0, 5.0], 6) + np.array([0.0, 0.1] * 3 + [0.1, 0.0] * 3)
    >>> week[6] = 60.0
    >>> bool(without_outliers(week, 2).max() < 7)
    True
    """
    place = np.arange(len(values)) % season
    usual = np.array([np.nanmedian(values[place == k]) if (place == k).any() else 0.0 for k in range(season)])[place]
    deviation = _MAD * float(np.nanmedian(np.abs(values - usual)))
    if deviation == 0:
        return values.copy()
    return np.clip(values, usual - _DEVIATIONS * deviation, usual + _DEVIATIONS * deviation)
