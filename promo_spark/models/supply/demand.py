"""What may be sold over a number of days: the distribution that a forecast's days and its total speak of together."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc, gammaincinv, ndtr, ndtri

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_Z_80, _Z_95 = NormalDist().inv_cdf(0.9), NormalDist().inv_cdf(0.975)
_NORMAL_TO = 0.5  # coefficient of variation up to which demand is taken as normal, beyond as gamma: never negative
_NO_DEVIATION = 1e-9


@dataclass(frozen=True)
class Demand:
    """What is sold over some days, by row: its mean, its standard deviation, and whether it comes in whole pieces."""

    mean: Floats
    deviation: Floats
    whole: npt.NDArray[np.bool_]

    def of_share(self, share: Floats) -> Demand:
        """The demand of one of several places, each piece going to it with the probability `share`.

        Binomial thinning: the variance is share² × variance + share × (1 − share) × mean.
        """
        variance = share**2 * self.deviation**2 + share * (1 - share) * self.mean
        return Demand(share * self.mean, np.sqrt(variance), self.whole)

    def quantile(self, probability: float) -> Floats:
        """The least that demand stays within with this probability; of whole pieces a whole number.

        >>> Demand(np.array([100.0]), np.array([10.0]), np.array([False])).quantile(0.95).round(3).tolist()
        [116.449]
        >>> rare = Demand(np.array([0.5]), np.array([0.5**0.5]), np.array([True]))
        >>> rare.quantile(0.9).tolist()  # of Poisson, too: P(no more than 1) = 0.91
        [1.0]
        """
        shape, scale = self._gamma()
        normal = self.mean + ndtri(probability) * self.deviation
        found = np.where(self._is_normal(), normal, scale * gammaincinv(shape, probability))
        found = np.where(self.deviation > _NO_DEVIATION, found, self.mean)
        return np.maximum(np.where(self.whole, np.ceil(found - 0.5), found), 0.0)

    def at_most(self, units: Floats) -> Floats:
        """The probability that no more than so many are wanted.

        >>> of = Demand(np.array([100.0]), np.array([10.0]), np.array([False]))
        >>> of.at_most(np.array([116.449])).round(3).tolist()
        [0.95]
        """
        return self._below(np.where(self.whole, np.floor(units) + 0.5, units))

    def fewer(self, units: Floats) -> Floats:
        """The probability that fewer are wanted."""
        return self._below(np.where(self.whole, np.ceil(units) - 0.5, units))

    def _below(self, units: Floats) -> Floats:
        shape, scale = self._gamma()
        normal = ndtr((units - self.mean) / np.maximum(self.deviation, _NO_DEVIATION))
        found = np.where(self._is_normal(), normal, gammainc(shape, np.maximum(units, 0.0) / scale))
        return np.where(self.deviation > _NO_DEVIATION, found, (units >= self.mean).astype(np.float64))

    def _is_normal(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.deviation <= _NORMAL_TO * self.mean)

    def _gamma(self) -> tuple[Floats, Floats]:
        mean, deviation = np.maximum(self.mean, _NO_DEVIATION), np.maximum(self.deviation, _NO_DEVIATION)
        return mean**2 / deviation**2, deviation**2 / mean


@dataclass(frozen=True)
class ForecastDemand:
    """What forecasts say of any number of days, by row.

    The sum of t days has the variance t × `noise` + t² × `level`: errors of single days cancel out, an error of the
    level stays. Both follow from how wide the intervals of days and of the total are, so that a day and the whole
    horizon are as uncertain as they were forecast to be.
    """

    units: Floats  # by row and day ahead
    noise: Floats
    level: Floats
    whole: npt.NDArray[np.bool_]

    @staticmethod
    def of(days: tuple[Floats, Floats, Floats], total: tuple[Floats, Floats, Floats], whole: Floats) -> ForecastDemand:
        """From points, upper ends of 80% and of 95%: of days by row and day, and of their total by row.

        Upper ends only: the lower ones stop at 0 and say too little.

        >>> days = np.full((1, 4), 10.0)
        >>> of_total = (np.array([40.0]), np.array([42.5632]), np.array([43.92]))  # a deviation of 2, of a day 1
        >>> found = ForecastDemand.of((days, days + 1.2816, days + 1.96), of_total, np.array([False]))
        >>> found.over(np.array([9])).mean.tolist(), found.over(np.array([9])).deviation.round(3).tolist()
        ([90.0], [3.0])
        """
        horizon = days[0].shape[1]
        of_day, of_total = (_deviation(*days) ** 2).mean(axis=1), _deviation(*total) ** 2
        beyond = of_total - horizon * of_day
        level = np.clip(beyond / max(horizon**2 - horizon, 1), 0.0, of_total / horizon**2)
        noise = (of_total - horizon**2 * level) / horizon
        return ForecastDemand(days[0], noise, level, whole.astype(bool))

    def over(self, days: Ints) -> Demand:
        """The demand of the first `days` of each row; days after the horizon are like the mean of those within it."""
        sums = np.concatenate([np.zeros((len(days), 1)), self.units.cumsum(axis=1)], axis=1)
        horizon = self.units.shape[1]
        within = np.minimum(days, horizon)
        mean = sums[np.arange(len(days)), within] + (days - within) * self.units.mean(axis=1)
        return Demand(mean, np.sqrt(days * self.noise + days.astype(np.float64) ** 2 * self.level), self.whole)


def _deviation(units: Floats, upper_80: Floats, upper_95: Floats) -> Floats:
    found: Floats = ((upper_80 - units) / _Z_80 + (upper_95 - units) / _Z_95) / 2
    return found
