"""Groups of points: how many there are, where their centres lie, and how good the grouping is.

Plain functions of arrays: a fit is on a sample, which takes Spark's KMeans a hundred times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from promo_spark.learners.clusters import adjusted_rand, sample_kmeans

Points = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Effort:
    """How hard a fit tries: starts, of which the best counts, iterations of each, and the seed of them all."""

    starts: int
    max_iterations: int
    seed: int


def kmeans_centres(points: Points, k: int, *, effort: Effort) -> Points:
    """The centres with the lowest cost of several starts, sorted; fewer if points coincide.

    Points are in standard deviations from their mean, so the centre of a single group is 0 and needs no fit.
    """
    if k == 1:
        return np.zeros((1, points.shape[1]))
    centres = sample_kmeans(points, k, starts=effort.starts, max_iterations=effort.max_iterations, seed=effort.seed)
    return np.unique(centres, axis=0)


def nearest(points: Points, centres: Points) -> Labels:
    """Each point's nearest centre; ties go to the lower index.

    >>> nearest(np.array([[0.0], [1.0], [9.0]]), np.array([[0.0], [2.0]])).tolist()
    [0, 0, 1]
    """
    labels: Labels = cdist(points, centres, "sqeuclidean").argmin(axis=1).astype(np.int64)
    return labels


def cost(points: Points, centres: Points) -> float:
    """Sum of squared distances of the points to their nearest centres.

    >>> cost(np.array([[0.0], [1.0], [9.0]]), np.array([[0.0], [7.0]]))
    5.0
    """
    return float(cdist(points, centres, "sqeuclidean").min(axis=1).sum())


def cost_of(points: Points, labels: Labels) -> float:
    """Sum of squared distances of the points to the means of their groups.

    >>> cost_of(np.array([[0.0], [2.0], [9.0]]), np.array([0, 0, 1]))
    2.0
    """
    groups = [points[labels == g] for g in np.unique(labels)]
    return float(sum(((of_group - of_group.mean(axis=0)) ** 2).sum() for of_group in groups))


def squared_silhouette(points: Points, labels: Labels) -> float:
    """Mean silhouette with squared Euclidean distances, as MLlib's ClusteringEvaluator has it.

    Linear in the points, where scikit-learn's is quadratic: the mean squared distance to a group follows from its sums.
    Not comparable with the usual, Euclidean silhouette, which is lower. A point alone in its group counts 0.

    >>> amounts, halves = np.arange(1.0, 11)[:, None], np.arange(10) // 5
    >>> round(squared_silhouette(amounts, halves), 4)
    0.7543
    """
    groups, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(groups) < 2:
        return 0.0
    sums = np.stack([points[own == g].sum(axis=0) for g in range(len(groups))])
    squares = (points**2).sum(axis=1)
    group_squares = np.array([squares[own == g].sum() for g in range(len(groups))])
    mean_distance = squares[:, None] + (group_squares - 2 * points @ sums.T) / sizes
    return _silhouette(mean_distance, own, sizes)


@dataclass(frozen=True)
class Clustering:
    """A number of groups that was tried, and how well it suits the points."""

    k: int
    silhouette: float  # squared Euclidean
    stability: float  # mean adjusted Rand index between fits on halves
    cost: float
    min_share: float
    max_share: float

    @property
    def score(self) -> float:
        """Groups must be apart and come back: a k that lacks either scores low."""
        return max(self.silhouette, 0.0) * max(self.stability, 0.0)


def tried_clusterings(points: Points, ks: Sequence[int], *, rounds: int, effort: Effort) -> list[Clustering]:
    """How well each k suits the points; a k with fewer than four different points per group is left out.

    Stability: in each round two halves are drawn, which share about a quarter of the points; each half's fit
    groups all points, and the adjusted Rand index of the two is taken. The dozens of fits this needs run in
    memory, on the sample: an MLlib fit is some twenty Spark jobs.

    >>> two_groups = np.array([[0.0], [0.1], [0.2], [0.3], [9.0], [9.1], [9.2], [9.3]])
    >>> [two] = tried_clusterings(two_groups, [2, 3], rounds=2, effort=Effort(starts=2, max_iterations=9, seed=1))
    >>> (two.k, two.stability, two.min_share, round(two.cost, 3))
    (2, 1.0, 0.5, 0.1)
    """
    tried = []
    different = len(np.unique(points, axis=0))
    for k in sorted(set(ks)):
        if different < 4 * k:
            continue
        rng = np.random.default_rng([effort.seed, k])
        labels = nearest(points, _centres(points, k, effort, rng))
        agreements = []
        for _ in range(rounds):
            halves = [points[rng.permutation(len(points))[: (len(points) + 1) // 2]] for _half in range(2)]
            a, b = (nearest(points, _centres(half, k, effort, rng)) for half in halves)
            agreements.append(adjusted_rand(a, b))
        shares = np.bincount(labels, minlength=k) / len(points)
        tried.append(
            Clustering(
                k,
                squared_silhouette(points, labels),
                float(np.mean(agreements)),
                cost_of(points, labels),
                float(shares.min()),
                float(shares.max()),
            )
        )
    return tried


def chosen_k(tried: Sequence[Clustering], *, min_share: float, usual: int | None, margin: float) -> int:
    """The k of highest score without too small a group; the usual k stays unless beaten by the margin.

    The smallest k where all have too small a group; 1 where there is nothing to choose from. A tie goes to
    the smaller k.

    >>> three = Clustering(3, silhouette=0.50, stability=1.0, cost=9.0, min_share=0.1, max_share=0.5)
    >>> four = Clustering(4, silhouette=0.54, stability=1.0, cost=8.0, min_share=0.1, max_share=0.5)
    >>> chosen_k([three, four], min_share=0.02, usual=None, margin=0.1)
    4
    >>> chosen_k([three, four], min_share=0.02, usual=3, margin=0.1)  # 0.54 does not beat 0.50 by a tenth
    3
    """
    if not tried:
        return 1
    large_enough = [c for c in tried if c.min_share >= min_share]
    if not large_enough:
        return min(c.k for c in tried)
    best = max(large_enough, key=lambda c: (c.score, -c.k))
    kept = next((c for c in large_enough if c.k == usual), None)
    return kept.k if kept is not None and best.score <= kept.score * (1 + margin) else best.k


def _centres(points: Points, k: int, effort: Effort, rng: np.random.Generator) -> Points:
    seed = int(rng.integers(2**31))
    return sample_kmeans(points, k, starts=effort.starts, max_iterations=effort.max_iterations, seed=seed)


def _silhouette(mean_distance: Points, own: Labels, sizes: npt.NDArray[np.int64]) -> float:
    """The mean silhouette, from each point's mean distance to every group; in its own group it counts itself at 0."""
    at = np.arange(len(own))
    alone = sizes[own] == 1
    within = mean_distance[at, own] * sizes[own] / np.maximum(sizes[own] - 1, 1)
    others = mean_distance.copy()
    others[at, own] = np.inf
    between = others.min(axis=1)
    larger = np.maximum(within, between)
    each = np.divide(between - within, larger, out=np.zeros_like(larger), where=larger > 0)
    return float(np.where(alone, 0.0, each).mean())
