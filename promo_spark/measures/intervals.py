"""Intervals around an estimate: one for a look that was fixed beforehand, and one that holds at every look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Interval:
    """From the lowest to the highest value that is believed."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value is one that is believed."""
        return self.low <= value <= self.high


def fixed_interval(estimate: float, error: float, *, alpha: float = 0.05) -> Interval:
    """Holds the truth in a share of 1 − alpha of experiments, if it is looked at once, on a day fixed beforehand.

    >>> told = fixed_interval(2.0, 1.0)
    >>> round(told.low, 2), round(told.high, 2)
    (0.04, 3.96)
    """
    width = NormalDist().inv_cdf(1 - alpha / 2) * error
    return Interval(estimate - width, estimate + width)


def always_valid_interval(estimate: float, error: float, *, tightest_at: float, alpha: float = 0.05) -> Interval:
    """Holds the truth at all looks together in a share of 1 − alpha of experiments, however often people look.

    An asymptotic confidence sequence (Waudby-Smith et al. 2021, arXiv 2103.06476), with 1 / error² as the time.
    `tightest_at`: the error at which it is to be narrowest, chosen before the experiment, such as that of its last day.

    >>> told = always_valid_interval(2.0, 1.0, tightest_at=1.0)
    >>> round(told.low, 2), round(told.high, 2)  # where a fixed one has ± 1.96
    (-1.04, 5.04)
    """
    if error <= 0:
        return Interval(estimate, estimate)
    spread = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) * tightest_at**2
    time = 1 / error**2
    seen = time * spread + 1
    width = math.sqrt(2 * seen / (time**2 * spread) * math.log(math.sqrt(seen) / alpha))
    return Interval(estimate - width, estimate + width)


def two_sided(estimate: float, error: float) -> float:
    """The probability of an estimate as far from 0, were the truth 0; without an error 0 for any but 0.

    >>> round(two_sided(1.96, 1.0), 3), two_sided(1.0, 0.0), two_sided(0.0, 0.0)
    (0.05, 0.0, 1.0)
    """
    if error <= 0:
        return 0.0 if estimate else 1.0
    return 2 * NormalDist().cdf(-abs(estimate) / error)
