"""Groups of points: how many there are, where their centres lie, and how good the grouping is.

Plain functions of arrays, but for the fit itself, which is MLlib's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession
from scipy.spatial.distance import cdist

Points = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def kmeans_centres(
    spark: SparkSession, points: Points, names: Sequence[str], k: int, *, starts: int, max_iterations: int, seed: int
) -> Points:
    """The centres of MLlib's KMeans with the lowest cost of several starts, sorted; fewer if points coincide.

    MLlib has no n_init, and one start does end in a local optimum even on ten points. One partition in the
    given order makes the fit the same on every cluster; `solver="block"` is several times faster than "row".
    """
    frame = spark.createDataFrame(pd.DataFrame(points, columns=list(names))).coalesce(1)
    assembled = VectorAssembler(inputCols=list(names), outputCol="features").transform(frame).select("features")
    assembled.persist()
    try:
        fits = []
        for start in range(starts):
            model = KMeans(k=k, seed=seed + start, solver="block", maxIter=max_iterations, tol=1e-6).fit(assembled)
            centres = np.array(sorted(tuple(float(x) for x in centre) for centre in model.clusterCenters()))
            fits.append((cost(points, centres), start, centres))
    finally:
        assembled.unpersist()
    return min(fits, key=lambda fit: fit[:2])[2]


def nearest(points: Points, centres: Points) -> Labels:
    """Each point's nearest centre; ties go to the lower index."""
    labels: Labels = cdist(points, centres, "sqeuclidean").argmin(axis=1).astype(np.int64)
    return labels


def cost(points: Points, centres: Points) -> float:
    """Sum of squared distances of the points to their nearest centres."""
    return float(cdist(points, centres, "sqeuclidean").min(axis=1).sum())


def squared_silhouette(points: Points, labels: Labels) -> float:
    """Mean silhouette with squared Euclidean distances, as MLlib's ClusteringEvaluator has it.

    Linear in the points: the mean squared distance to a group follows from its sums. Not comparable with
    the usual, Euclidean silhouette, which is lower (0.56 for 0.75). A point alone in its group counts 0.
    """
    groups, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(groups) < 2:
        return 0.0
    sums = np.stack([points[own == g].sum(axis=0) for g in range(len(groups))])
    squares = (points**2).sum(axis=1)
    group_squares = np.array([squares[own == g].sum() for g in range(len(groups))])
    mean_distance = squares[:, None] + (group_squares - 2 * points @ sums.T) / sizes
    return _silhouette(mean_distance, own, sizes)


def euclidean_silhouette(points: Points, labels: Labels) -> float:
    """Mean silhouette with Euclidean distances, as scikit-learn has it; quadratic, for some thousand points."""
    groups, own, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(groups) < 2:
        return 0.0
    blocks = (cdist(points[i : i + 500], points) for i in range(0, len(points), 500))
    members = np.eye(len(groups))[own]
    return _silhouette(np.concatenate([block @ members for block in blocks]) / sizes, own, sizes)


def adjusted_rand(a: Labels, b: Labels) -> float:
    """Agreement of two groupings: 1 the same but for labels, 0 as by chance (Hubert & Arabie 1985)."""

    def pairs(counts: npt.NDArray[np.int64]) -> int:
        return int((counts * (counts - 1) // 2).sum())

    _, a_at = np.unique(a, return_inverse=True)
    _, b_at = np.unique(b, return_inverse=True)
    table = np.zeros((a_at.max() + 1, b_at.max() + 1), dtype=np.int64)
    np.add.at(table, (a_at, b_at), 1)
    together, in_a, in_b = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    every = len(a) * (len(a) - 1) // 2
    expected = in_a * in_b / every if every else 0.0
    best = (in_a + in_b) / 2
    return 1.0 if best == expected else (together - expected) / (best - expected)


@dataclass(frozen=True)
class Candidate:
    """A number of groups and how well it suits the points."""

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


def candidates(
    points: Points, ks: Sequence[int], *, starts: int, rounds: int, max_iterations: int, seed: int
) -> list[Candidate]:
    """How well each k suits the points; a k with fewer than four different points per group is left out.

    Stability: in each round two halves are drawn, which share about a quarter of the points; each half's fit
    groups all points, and the adjusted Rand index of the two is taken. The dozens of fits this needs run in
    memory, on the sample: an MLlib fit is some twenty Spark jobs.
    """
    found = []
    different = len(np.unique(points, axis=0))
    for k in sorted(set(ks)):
        if different < 4 * k:
            continue
        rng = np.random.default_rng([seed, k])
        labels = nearest(points, _best_fit(points, k, starts, max_iterations, rng))
        agreements = []
        for _ in range(rounds):
            halves = [points[rng.permutation(len(points))[: (len(points) + 1) // 2]] for _half in range(2)]
            a, b = (nearest(points, _best_fit(half, k, starts, max_iterations, rng)) for half in halves)
            agreements.append(adjusted_rand(a, b))
        shares = np.bincount(labels, minlength=k) / len(points)
        centres = np.stack([points[labels == g].mean(axis=0) for g in np.unique(labels)])
        found.append(
            Candidate(
                k,
                squared_silhouette(points, labels),
                float(np.mean(agreements)),
                cost(points, centres),
                float(shares.min()),
                float(shares.max()),
            )
        )
    return found


def chosen(found: Sequence[Candidate], *, min_share: float, usual: int | None, margin: float) -> int:
    """The k of highest score without too small a group; the usual k stays unless beaten by the margin.

    The smallest k where all have too small a group; 1 where there is nothing to choose from. A tie goes to
    the smaller k.
    """
    if not found:
        return 1
    fit = [c for c in found if c.min_share >= min_share]
    if not fit:
        return min(c.k for c in found)
    best = max(fit, key=lambda c: (c.score, -c.k))
    kept = next((c for c in fit if c.k == usual), None)
    return kept.k if kept is not None and best.score <= kept.score * (1 + margin) else best.k


def _best_fit(points: Points, k: int, starts: int, max_iterations: int, rng: np.random.Generator) -> Points:
    fits = [_settled(points, _spread_points(points, k, rng), max_iterations) for _ in range(starts)]
    return min(fits, key=lambda centres: cost(points, centres))


def _settled(points: Points, centres: Points, max_iterations: int) -> Points:
    """Centres moved to the mean of their points until they stay (Lloyd); one without points stays where it is."""
    for _ in range(max_iterations):
        labels = nearest(points, centres)
        moved = np.stack(
            [points[labels == g].mean(axis=0) if (labels == g).any() else centre for g, centre in enumerate(centres)]
        )
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _spread_points(points: Points, k: int, rng: np.random.Generator) -> Points:
    """k of the points, each drawn with the odds of its squared distance to those before (k-means++)."""
    centres = points[[rng.integers(len(points))]]
    while len(centres) < k:
        odds = cdist(points, centres, "sqeuclidean").min(axis=1)
        drawn = int(np.searchsorted(np.cumsum(odds), rng.random() * odds.sum()))
        centres = np.vstack([centres, points[min(drawn, len(points) - 1)]])
    return centres


def _silhouette(mean_distance: Points, own: Labels, sizes: npt.NDArray[np.int64]) -> float:
    """From each point's mean distance to every group, its own included (where it counts itself at 0)."""
    at = np.arange(len(own))
    alone = sizes[own] == 1
    within = mean_distance[at, own] * sizes[own] / np.maximum(sizes[own] - 1, 1)
    others = mean_distance.copy()
    others[at, own] = np.inf
    between = others.min(axis=1)
    larger = np.maximum(within, between)
    each = np.divide(between - within, larger, out=np.zeros_like(larger), where=larger > 0)
    return float(np.where(alone, 0.0, each).mean())
