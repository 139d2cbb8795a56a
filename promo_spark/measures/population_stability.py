"""How far the shares of groups have moved: the population stability index, and what chance makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def population_stability(expected: Sequence[float], actual: Sequence[float]) -> float:
    """The population stability index of the shares that groups have of all: 0 where they are the same.

    The sum over groups of (share now − share before) × ln(share now / share before): the same in both directions.
    Below 0.1 it is usually read as no change, above 0.25 as a large one. Half a user is added to each group, so that
    an empty one is no infinity.

    >>> population_stability([100, 300], [100, 300]), round(population_stability([500, 500], [300, 700]), 3)
    (0.0, 0.169)
    >>> population_stability([500, 500], [300, 700]) == population_stability([300, 700], [500, 500])
    True
    >>> round(population_stability([1000, 0], [900, 100]), 2)  # a group that is new
    0.54
    """
    shares = [(np.asarray(counts) + 0.5) / (sum(counts) + 0.5 * len(counts)) for counts in (expected, actual)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def stability_by_chance(groups: int, before: int, now: int) -> float:
    """The index to be expected of two samples of one population, of so many users in so many groups.

    Each group's share is off by chance; the squares of that, as shares of the share, sum up to
    (groups − 1) × (1 / before + 1 / now), as in the chi-square test. Samples that share users differ by less.

    >>> round(stability_by_chance(11, 200, 200), 6), round(stability_by_chance(11, 1_000_000, 1_000_000), 6)
    (0.1, 2e-05)
    """
    return max(groups - 1, 0) * (1 / before + 1 / now)
