"""Which algorithm suits the users: what is measured of each, and a table of decisions over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from promo_spark.learners.clusters import adjusted_rand, gaussian_mixture, sample_kmeans
from promo_spark.measures.metric_rows import DECIMALS, Figure
from promo_spark.models.segments.algorithms import COMPARED, KMEANS, dense_labels, dense_prototypes, mixture_prototypes
from promo_spark.models.segments.clustering import Clustering, Effort, Points, nearest
from promo_spark.models.segments.prototypes import Prototypes

CHOICE = "algorithm"
_ROUNDS = 3
_ALIKE = 0.8  # adjusted Rand index from which on two groupings say the same
_MOST_NOISE = 0.1


@dataclass(frozen=True)
class Evidence:
    """What speaks for each algorithm. Agreements are adjusted Rand indices.

    `dense_groups`: how many large enough groups density finds; `noise`: the share of users in none of them;
    `dense_stability`, `mixture_stability`, `kmeans_stability`: how far fits on halves agree; `dense_as_kmeans`,
    `mixture_as_kmeans`: how far it agrees with k-means of as many groups; `mixture_gain`: how much better, per user,
    ellipses fit than balls, by BIC.
    """

    dense_groups: int
    noise: float
    dense_stability: float
    dense_as_kmeans: float
    mixture_gain: float
    mixture_stability: float
    mixture_as_kmeans: float
    kmeans_stability: float

    def figures(self, users: int) -> list[Figure]:
        """Of slice algorithm."""
        return [Figure(name, CHOICE, round(float(value), DECIMALS), users) for name, value in vars(self).items()]


def chosen_algorithm(of: Evidence, *, ks: Sequence[int]) -> tuple[str, str]:
    """The algorithm by the table of decisions, and why; the first row that holds counts.

    | algorithm | where |
    |---|---|
    | density | as many dense groups as are asked for, at most a tenth of the users in none, halves agree (≥ 0.8), and \
k-means parts them otherwise (< 0.8) |
    | gaussian_mixture | ellipses fit better than balls, halves agree as well as those of k-means, which parts them \
otherwise (< 0.8) |
    | kmeans | else |
    """
    if (
        of.dense_groups in ks
        and of.noise <= _MOST_NOISE
        and of.dense_stability >= _ALIKE
        and of.dense_as_kmeans < _ALIKE
    ):
        return "density", f"{of.dense_groups} dense groups that k-means would cut"
    if of.mixture_gain > 0 and of.mixture_stability >= of.kmeans_stability and of.mixture_as_kmeans < _ALIKE:
        return "gaussian_mixture", "groups are ellipses, and come back as well as those of k-means"
    return KMEANS, "no other groups are as steady"


def evidence(points: Points, tried: Clustering, *, min_share: float, effort: Effort) -> Evidence:
    """What speaks for each algorithm on the first points, with the number of groups that suits k-means."""
    few, k = points[:COMPARED], tried.k
    rng = np.random.default_rng([effort.seed, k])
    labels, _ = dense_labels(few)
    dense = dense_prototypes(few, min_share=min_share, effort=effort)
    groups = len(set(dense.groups)) if dense else 0
    told = labels >= 0
    of_dense = _stability(few, lambda half: dense_prototypes(half, min_share=min_share, effort=effort), rng)
    of_mixture = _stability(few, lambda half: mixture_prototypes(half, k, effort=effort), rng)

    def of_kmeans(n: int) -> Points:
        return sample_kmeans(few, n, starts=effort.starts, max_iterations=effort.max_iterations, seed=effort.seed)

    def bic(balls: bool) -> float:
        return gaussian_mixture(few, k, starts=effort.starts, seed=effort.seed, balls=balls).bic

    mixture = mixture_prototypes(few, k, effort=effort)
    return Evidence(
        dense_groups=groups,
        noise=float((~told).mean()),
        dense_stability=of_dense,
        dense_as_kmeans=adjusted_rand(labels[told], nearest(few, of_kmeans(groups))[told]) if groups > 1 else 1.0,
        mixture_gain=bic(True) - bic(False),
        mixture_stability=of_mixture,
        mixture_as_kmeans=adjusted_rand(mixture.labels(few), nearest(few, of_kmeans(k))),
        kmeans_stability=tried.stability,
    )


def _stability(points: Points, fitted: Callable[[Points], Prototypes | None], rng: np.random.Generator) -> float:
    """Mean agreement of the groups of all points by fits on halves; 0 where a half has none."""
    agreements = []
    for _ in range(_ROUNDS):
        halves = [points[rng.permutation(len(points))[: (len(points) + 1) // 2]] for _half in range(2)]
        a, b = (fitted(half) for half in halves)
        agreements.append(adjusted_rand(a.labels(points), b.labels(points)) if a and b else 0.0)
    return float(np.mean(agreements))
