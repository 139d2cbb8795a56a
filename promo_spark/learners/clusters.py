"""Groups of points in memory, of samples and of centres of many points: scikit-learn's, and how well they fit.

One thread, so that sums come in the same order: the same points and seed give the same groups on every machine.
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from promo_spark.learners.tables import Floats, Ints


def sample_kmeans(points: Floats, k: int, *, starts: int, max_iterations: int, seed: int) -> Floats:
    """The centres with the lowest cost of several starts (k-means++), sorted.

    >>> sample_kmeans(np.array([[0.0], [1.0], [8.0]]), 2, starts=2, max_iterations=9, seed=1).tolist()
    [[0.5], [8.0]]
    """
    with threadpool_limits(1):
        means = KMeans(k, n_init=starts, max_iter=max_iterations, random_state=seed).fit(points)
    return np.array(sorted(tuple(float(x) for x in centre) for centre in means.cluster_centers_))


def adjusted_rand(a: Ints, b: Ints) -> float:
    """Agreement of two groupings: 1 the same but for labels, 0 as by chance (Hubert & Arabie 1985).

    >>> adjusted_rand(np.array([0, 0, 1, 1]), np.array([5, 5, 3, 3]))
    1.0
    """
    return float(adjusted_rand_score(a, b))


def euclidean_silhouette(points: Floats, labels: Ints) -> float:
    """Mean silhouette with Euclidean distances; quadratic, for some thousand points. 0 where there is one group."""
    if not 1 < len(np.unique(labels)) < len(points):
        return 0.0
    with threadpool_limits(1):
        return float(silhouette_score(points, labels))
