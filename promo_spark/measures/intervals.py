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


def share_interval(hits: int, n: int, *, alpha: float = 0.05) -> Interval:
    """Of a share, by Wilson's score (1927, J. Am. Stat. Assoc. 22): within 0 and 1, and right for few rows too.

    >>> told = share_interval(20, 100)
    >>> round(told.low, 4), round(told.high, 4)
    (0.1334, 0.2888)
    """
    z = NormalDist().inv_cdf(1 - alpha / 2)
    share, weight = hits / n, z**2 / n
    middle = (share + weight / 2) / (1 + weight)
    width = z / (1 + weight) * math.sqrt(share * (1 - share) / n + weight / (4 * n))
    return Interval(max(middle - width, 0.0), min(middle + width, 1.0))


def share_difference_interval(one: tuple[int, int], other: tuple[int, int], *, alpha: float = 0.05) -> Interval:
    """Of the difference of two shares, each as (hits, n): Newcombe's of two score intervals (1998, Stat. Med. 17).

    >>> told = share_difference_interval((56, 70), (48, 80))  # his example: 0.0524 to 0.3339
    >>> round(told.low, 4), round(told.high, 4)
    (0.0524, 0.3339)
    """
    shares = one[0] / one[1], other[0] / other[1]
    first, second = (share_interval(*counts, alpha=alpha) for counts in (one, other))
    estimate = shares[0] - shares[1]
    return Interval(
        estimate - math.hypot(shares[0] - first.low, second.high - shares[1]),
        estimate + math.hypot(first.high - shares[0], shares[1] - second.low),
    )


def share_ratio_interval(one: tuple[int, int], other: tuple[int, int], *, alpha: float = 0.05) -> Interval:
    """Of the ratio of two shares, each as (hits, n): normal on the log (Katz et al. 1978, Biometrics 34).

    Half a row is added to each count (Walter 1975, Biometrika 62), so that a share of 0 is no infinity.

    >>> told = share_ratio_interval((20, 100), (40, 100))
    >>> round(told.low, 2), round(told.high, 2)
    (0.32, 0.8)
    """
    (hits, n), (others, m) = ((x + 0.5, y + 0.5) for x, y in (one, other))
    middle = math.log(hits / n) - math.log(others / m)
    around = fixed_interval(middle, math.sqrt(1 / hits - 1 / n + 1 / others - 1 / m), alpha=alpha)
    return Interval(math.exp(around.low), math.exp(around.high))
