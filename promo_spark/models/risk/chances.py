"""How likely an honest account shows as much: tails, and robust distances from what is usual.

Arrays of numbers → arrays of numbers; NaN in, NaN out: what could not be measured says nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammainc

Floats = NDArray[np.float64]

_SPREAD_OF_MAD = 1.4826  # standard deviations of a normal distribution per median absolute deviation
_LEAST_SPREAD = 1.0  # of a count's root, doubled: that of Poisson counts (Anscombe 1948)
RULE_OF_THREE = 3.0  # what has not been seen in n tries happens at most 3 / n times, with 95 % (Hanley et al. 1983)


def poisson_tail(count: Floats, mean: Floats) -> Floats:
    """The chance of so many events or more where `mean` are expected.

    >>> poisson_tail(np.array([0.0, 1.0, 5.0]), np.array([2.0, 2.0, 0.1])).round(8).tolist()
    [1.0, 0.86466472, 8e-08]
    """
    count, mean = np.asarray(count, np.float64), np.asarray(mean, np.float64)
    tail: Floats = np.where(count > 0, gammainc(np.maximum(count, 1e-12), mean), 1.0 + 0.0 * (count + mean))
    return tail


def geometric_tail(count: Floats, mean: Floats) -> Floats:
    """The chance of so many events or more where rates differ by user as widely as an exponential distribution.

    Poisson counts whose rates are exponential are geometric.

    >>> geometric_tail(np.array([0.0, 1.0, 3.0]), np.array([0.25, 0.25, 0.25])).tolist()
    [1.0, 0.2, 0.008]
    """
    count, mean = np.asarray(count, np.float64), np.asarray(mean, np.float64)
    tail: Floats = ((mean / (1 + mean)) ** count).round(15)
    return tail


def binomial_tail(hits: Floats, tries: Floats, chance: Floats) -> Floats:
    """The chance of so many hits or more in so many tries.

    >>> binomial_tail(np.array([6.0, 0.0]), np.array([6.0, 6.0]), np.array([0.5, 0.5])).round(6).tolist()
    [0.015625, 1.0]
    """
    hits, tries, chance = (np.asarray(of, np.float64) for of in (hits, tries, chance))
    inside = np.clip(hits, 1, np.maximum(tries, 1))
    tail = betainc(inside, np.maximum(tries, 1) - inside + 1, chance)
    tail = np.where(hits > tries, 0.0, np.where(hits > 0, tail, 1.0))
    return np.asarray(tail + 0.0 * (hits + tries + chance), np.float64)


def robust_z(counts: Floats, median: float, deviation: float) -> Floats:
    """How many robust standard deviations counts lie above the median.

    Counts are compared by their roots, doubled, on which those of Poisson's distribution spread by 1 wherever they lie;
    `median` and `deviation` (MAD) are of these. A spread below 1, such as that of a shop where nearly all order once a
    day, counts as 1.

    >>> robust_z(np.array([1.0, 40.0]), *median_and_mad(np.array([1.0, 2.0]), np.array([90, 10]))).round(1).tolist()
    [0.0, 10.4]
    """
    spread = max(_SPREAD_OF_MAD * deviation, _LEAST_SPREAD)
    z: Floats = (roots(counts) - median) / spread
    return z


def median_and_mad(values: Floats, times: NDArray[np.int64]) -> tuple[float, float]:
    """Median and median absolute deviation of the roots of counts that are there so many times."""
    if not len(values) or not times.sum():
        return 0.0, 0.0
    root = roots(values)
    median = _weighted_median(root, times)
    return median, _weighted_median(np.abs(root - median), times)


def roots(counts: Floats) -> Floats:
    """2·√(x + 3/8): counts on a scale on which Poisson noise has a standard deviation of 1."""
    scaled: Floats = 2 * np.sqrt(np.asarray(counts, np.float64) + 0.375)
    return scaled


def tail_of_z(z: Floats) -> Floats:
    """At most the chance of a distance so far up, for tails that fall as slowly as an exponential one.

    >>> tail_of_z(np.array([-1.0, 0.0, 7.0])).round(4).tolist()
    [1.0, 1.0, 0.0009]
    """
    return _of_logs(-np.maximum(z, 0.0))


def _weighted_median(values: Floats, times: NDArray[np.int64]) -> float:
    order = np.argsort(values, kind="stable")
    until = np.cumsum(times[order])
    return float(values[order][np.searchsorted(until, until[-1] / 2)])


def _of_logs(log_p: Floats) -> Floats:
    p: Floats = np.exp(np.minimum(log_p, 0.0))
    return p
