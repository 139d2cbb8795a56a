"""Groups of points in memory, of samples and of centres of many points: scikit-learn's, and how well they fit.

One thread, so that sums come in the same order: the same points and seed give the same groups on every machine.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
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


@dataclass(frozen=True)
class Mixture:
    """Groups as ellipses: their means, and the matrix that makes each a ball.

    `penalties`: minus twice the log of weight and density at the mean, above the least of them. `bic`: how badly the
    mixture fits for what it has to tell, per point.
    """

    means: Floats
    shapes: Floats
    penalties: Floats
    bic: float


def gaussian_mixture(points: Floats, k: int, *, starts: int, seed: int, balls: bool) -> Mixture:
    """The likeliest mixture of several starts. `balls`: each group scatters alike in all directions.

    One start is from the groups of k-means, which may cut ellipses across; the others are from points.
    """
    kind = "spherical" if balls else "full"
    fits = []
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a start that has not come to its end yet counts as it is
        for begin, times in (("kmeans", 1), ("random_from_data", starts)):
            mixture = GaussianMixture(
                k, covariance_type=kind, n_init=times, init_params=begin, random_state=seed, reg_covar=1e-3
            )
            fits.append(mixture.fit(points))
        mixture = max(fits, key=lambda fit: fit.lower_bound_)
        bic = float(mixture.bic(points)) / len(points)
    whitening = np.asarray(mixture.precisions_cholesky_)
    if balls:
        whitening = whitening[:, None, None] * np.eye(points.shape[1])
    log_density = np.log(np.abs(np.linalg.det(whitening))) + np.log(mixture.weights_)
    return Mixture(np.asarray(mixture.means_), whitening, 2 * (log_density.max() - log_density), bic)


def density_groups(points: Floats, *, neighbours: int, reach: float) -> tuple[Ints, NDArray[np.bool_]]:
    """The group of each point, −1: noise; and whether it is a core point (DBSCAN, Ester et al. 1996).

    A core point has `neighbours` or more points, itself counted, at a distance of `reach` or less. Core points within
    reach of one another are one group; a border point is none, but within reach of one. What is neither is noise.
    """
    with threadpool_limits(1):
        found = DBSCAN(eps=reach, min_samples=neighbours).fit(points)
    core = np.zeros(len(points), bool)
    core[found.core_sample_indices_] = True
    return found.labels_.astype(np.int64), core


def usual_reach(points: Floats, *, neighbours: int, share: float) -> float:
    """The distance within which that share of the points have so many neighbours, themselves counted."""
    with threadpool_limits(1):
        to_each, _ = NearestNeighbors(n_neighbors=min(neighbours, len(points))).fit(points).kneighbors(points)
    return float(np.quantile(to_each[:, -1], share))
