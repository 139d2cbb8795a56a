"""How far users are today from those that the segments were fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.measures.population_stability import population_stability
from promo_spark.models.segments.clustering import Points
from promo_spark.models.segments.prototypes import Prototypes


@dataclass(frozen=True)
class Nearness:
    """How users lie around centres: per group the users to whom it is nearest, and their mean distance to it."""

    users: tuple[int, ...]
    distances: tuple[float, ...]

    @staticmethod
    def of(points: Points, prototypes: Prototypes) -> Nearness:
        """Ties go to the lower index. A group that is nearest to nobody has distance 0.

        >>> Nearness.of(np.array([[0.0], [1.0], [9.0]]), Prototypes.of_centres(np.array([[0.0], [7.0], [50.0]])))
        Nearness(users=(2, 1, 0), distances=(0.5, 2.0, 0.0))
        """
        to_each = prototypes.distances(points)
        labels, groups = to_each.argmin(axis=1), to_each.shape[1]
        users = np.bincount(labels, minlength=groups)
        sums = np.bincount(labels, weights=to_each.min(axis=1), minlength=groups)
        return Nearness(tuple(users.tolist()), tuple((sums / np.maximum(users, 1)).tolist()))

    def mean_distance(self) -> float:
        """Over all users; 0 where there are none."""
        whole = sum(n * distance for n, distance in zip(self.users, self.distances, strict=True))
        return whole / max(sum(self.users), 1)


@dataclass(frozen=True)
class Drift:
    """What has changed since a fit.

    `share_shift` is the population stability index of the segments' shares. `distance_growth` is how much longer the
    mean distance to the nearest centre has become, in standard deviations as of the fit.
    """

    share_shift: float
    distance_growth: float

    @staticmethod
    def between(fitted: Nearness, now: Nearness) -> Drift:
        """No drift, where there were no users then or are none now.

        >>> Drift.between(Nearness((50, 50), (1.0, 1.0)), Nearness((50, 50), (1.0, 1.5)))
        Drift(share_shift=0.0, distance_growth=0.25)
        """
        if not sum(fitted.users) or not sum(now.users):
            return Drift(0.0, 0.0)
        return Drift(population_stability(fitted.users, now.users), now.mean_distance() - fitted.mean_distance())

    def beyond(self, *, share_shift: float, distance_growth: float) -> str:
        """Which limit was passed, in words; empty: none.

        >>> Drift(0.25, 0.0).beyond(share_shift=0.1, distance_growth=0.1)
        "the segments' shares have shifted by 0.250, more than 0.1"
        >>> Drift(0.1, 0.1).beyond(share_shift=0.1, distance_growth=0.1)
        ''
        """
        if self.share_shift > share_shift:
            return f"the segments' shares have shifted by {self.share_shift:.3f}, more than {share_shift:g}"
        if self.distance_growth > distance_growth:
            return (
                f"users are {self.distance_growth:.3f} standard deviations farther from their centres, "
                f"more than {distance_growth:g}"
            )
        return ""
