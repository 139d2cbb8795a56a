"""What users are placed by: points, each of a group. A group is as far as the nearest of its points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.spatial.distance import cdist

from promo_spark.models.segments.clustering import Labels, Points

Metric = Literal["euclidean", "cityblock"]


@dataclass(frozen=True)
class Prototypes:
    """One row per point: the point, and its group, from 0.

    `shapes`: the matrix by which differences from each point are multiplied before they are squared, where groups are
    ellipses; `penalties`: what is added to the square, where groups are not as likely. None: a unit matrix, nothing.
    """

    points: Points
    groups: tuple[int, ...]
    metric: Metric = "euclidean"
    shapes: Points | None = None
    penalties: Points | None = None

    @staticmethod
    def of_centres(centres: Points, metric: Metric = "euclidean") -> Prototypes:
        """One point per group: its centre."""
        return Prototypes(centres, tuple(range(len(centres))), metric)

    @property
    def plain(self) -> bool:
        """Whether users belong to the nearest of some centres, as the crow flies."""
        alone = self.groups == tuple(range(len(self.points)))
        return alone and self.metric == "euclidean" and self.shapes is None and self.penalties is None

    def distances(self, points: Points) -> Points:
        """Point × group.

        >>> two = Prototypes(np.array([[0.0], [5.0], [9.0]]), (0, 1, 0))
        >>> two.distances(np.array([[8.0], [1.0]])).tolist()
        [[1.0, 3.0], [1.0, 4.0]]
        """
        if self.shapes is None:
            each = cdist(points, self.points, self.metric)
        else:
            turned = [(points - p) @ shape for p, shape in zip(self.points, self.shapes, strict=True)]
            each = np.sqrt(np.stack([(t**2).sum(axis=1) for t in turned], axis=1))
        if self.penalties is not None:
            each = np.sqrt(each**2 + self.penalties)
        groups = np.array(self.groups)
        return np.stack([each[:, groups == g].min(axis=1) for g in range(groups.max() + 1)], axis=1)

    def labels(self, points: Points) -> Labels:
        """The nearest group of each point; ties go to the lower one."""
        found: Labels = self.distances(points).argmin(axis=1).astype(np.int64)
        return found

    def to_plain(self, group: int) -> dict[str, Any]:
        """The points of a group, and how distances from them are taken."""
        own = np.array(self.groups) == group
        return {
            "metric": self.metric,
            "points": self.points[own].tolist(),
            "shapes": None if self.shapes is None else self.shapes[own].tolist(),
            "penalties": None if self.penalties is None else self.penalties[own].tolist(),
        }

    @staticmethod
    def from_plain(groups: Sequence[Mapping[str, Any]], places: Sequence[int]) -> Prototypes:
        """Those of the groups in their order; `places`: where each feature stands in their points."""

        def joined(name: str) -> Points | None:
            values = [np.array(of[name]) for of in groups if of[name] is not None]
            return np.concatenate(values) if values else None

        points, shapes = np.concatenate([np.array(of["points"]) for of in groups]), joined("shapes")
        return Prototypes(
            points[:, places],
            tuple(g for g, of in enumerate(groups) for _ in of["points"]),
            groups[0]["metric"],
            None if shapes is None else shapes[:, places],
            joined("penalties"),
        )
