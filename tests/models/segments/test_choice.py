"""Which algorithm suits which users."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from promo_spark.models.segments.choice import Evidence, chosen_algorithm, evidence
from promo_spark.models.segments.clustering import Effort, Points, chosen_k, tried_clusterings
from tests.models.segments.test_algorithms import moons

EFFORT = Effort(starts=2, max_iterations=30, seed=1)
KS = [2, 3, 4]
BLOBS = Evidence(
    dense_groups=3,
    noise=0.02,
    dense_stability=1.0,
    dense_as_kmeans=1.0,
    mixture_gain=0.9,
    mixture_stability=1.0,
    mixture_as_kmeans=1.0,
    kmeans_stability=1.0,
)
MOONS = replace(BLOBS, dense_groups=2, dense_as_kmeans=0.4)
ELLIPSES = replace(BLOBS, dense_groups=1, mixture_as_kmeans=0.4)


@pytest.mark.parametrize(
    ("of", "algorithm"),
    [
        (BLOBS, "kmeans"),  # all say the same: the plainest
        (MOONS, "density"),
        (replace(MOONS, noise=0.11), "kmeans"),  # too many users in no group
        (replace(MOONS, dense_stability=0.79), "kmeans"),  # other groups by other users
        (replace(MOONS, dense_groups=7), "kmeans"),  # more segments than are asked for
        (ELLIPSES, "gaussian_mixture"),
        (replace(ELLIPSES, mixture_gain=-0.1), "kmeans"),  # balls fit as well
        (replace(ELLIPSES, mixture_stability=0.9), "kmeans"),  # k-means comes back more surely
        (replace(MOONS, mixture_as_kmeans=0.4), "density"),  # the first row that holds
    ],
)
def test_the_table_of_decisions(of: Evidence, algorithm: str) -> None:
    """D07 (table): a row of the table for each case, and each condition by itself."""
    assert chosen_algorithm(of, ks=KS)[0] == algorithm


def chosen(points: Points) -> str:
    tried = tried_clusterings(points, KS, rounds=2, effort=EFFORT)
    k = chosen_k(tried, min_share=0.02, usual=None, margin=0.1)
    found = evidence(points, next(t for t in tried if t.k == k), min_share=0.02, effort=EFFORT)
    assert {f.slice for f in found.figures(len(points))} == {"algorithm"}
    return chosen_algorithm(found, ks=KS)[0]


def test_balls_are_for_k_means_and_moons_for_density() -> None:
    """D07: what is measured on points leads to the algorithm that suits them."""
    rng = np.random.default_rng(3)
    blobs = rng.normal(size=(600, 3)) + 9 * np.eye(3)[rng.integers(0, 3, 600)]
    assert chosen((blobs - blobs.mean(axis=0)) / blobs.std(axis=0)) == "kmeans"
    assert chosen(moons()[0]) == "density"
