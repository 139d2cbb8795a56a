"""Groups of points on data whose groups are known, and measures beside scikit-learn's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from promo_spark.learners.clusters import adjusted_rand, euclidean_silhouette
from promo_spark.models.segments.clustering import (
    Clustering,
    Effort,
    Labels,
    Points,
    chosen_k,
    cost,
    kmeans_centres,
    nearest,
    squared_silhouette,
    tried_clusterings,
)

AGE_INCOME = np.array([[25 + 5 * i, 5000 + 1000 * i] for i in range(10)], dtype=float)  # seed 000 §4.1.1
AMOUNTS = np.array([[100.0 * i] for i in range(1, 11)])  # seed 003 §4.6, without the user id as a coordinate


def five_groups(users: int = 250) -> tuple[Points, Labels]:
    """Five Gaussian groups, standard deviation 1, on the axes at distance 8 from the origin and each 11 apart."""
    rng = np.random.default_rng(7)
    truth = np.arange(users) % 5
    return rng.normal(size=(users, 5)) + 8 * np.eye(5)[truth], truth


def fit(points: Points, k: int, starts: int = 2, seed: int = 1) -> Points:
    return kmeans_centres(points, k, effort=Effort(starts, max_iterations=30, seed=seed))


def test_several_starts_reach_the_optimum_of_the_seed_examples() -> None:
    """D01 (toys): SSE 9,000,225 with groups of 3, 3 and 4 (one start may end at 10,500,262.5); and 200,000."""
    centres = fit(AGE_INCOME, k=3, starts=6)
    assert cost(AGE_INCOME, centres) == pytest.approx(9_000_225)
    assert sorted(np.bincount(nearest(AGE_INCOME, centres))) == [3, 3, 4]
    centres = fit(AMOUNTS, k=2, starts=3)
    assert cost(AMOUNTS, centres) == pytest.approx(200_000)
    assert centres.ravel().tolist() == [300.0, 800.0]


def test_planted_groups_are_found_whatever_the_seed() -> None:
    """D01, D02, D10: five Gaussian groups at ARI ≥ 0.95 with two seeds, one seed gives one result, and each
    centre is the mean of its own members."""
    points, truth = five_groups()
    first, again, other = (fit(points, k=5, seed=seed) for seed in (1, 1, 99))
    assert np.array_equal(first, again)
    labels = nearest(points, first)
    assert adjusted_rand(labels, truth) >= 0.95
    assert adjusted_rand(labels, nearest(points, other)) >= 0.95
    means = np.stack([points[labels == g].mean(axis=0) for g in range(5)])
    assert np.abs(means - first).max() < 1e-6
    assert cost(points, first) == pytest.approx(((points - means[labels]) ** 2).sum())


def test_the_asked_number_of_segments_comes_out() -> None:
    """D11: k = 2 and 3 give exactly k non-empty groups on data of five (5 itself: see above)."""
    points, _ = five_groups(60)
    for k in (2, 3):
        assert len(np.unique(nearest(points, fit(points, k, starts=1)))) == k


def test_points_that_coincide_have_one_centre() -> None:
    points = np.repeat([[0.0], [4.0]], 20, axis=0)
    assert fit(points, k=3).tolist() == [[0.0], [4.0]]
    assert fit(points, k=1).tolist() == [[0.0]]


def test_the_planted_number_of_groups_is_chosen_and_cost_falls_with_k() -> None:
    """D08: k = 5 out of 2 to 10; the cost never rises with k, so it alone cannot choose."""
    points, _ = five_groups()
    found = tried_clusterings(points, range(2, 11), rounds=2, effort=Effort(4, max_iterations=30, seed=3))
    assert [c.k for c in found] == list(range(2, 11))
    assert chosen_k(found, min_share=0.02, usual=None, margin=0.1) == 5
    assert all(a.cost >= b.cost for a, b in pairwise(found))
    five = found[3]
    assert five.stability == pytest.approx(1.0)
    assert five.min_share == five.max_share == 0.2


def test_a_k_with_a_tiny_group_or_too_few_users_is_not_chosen_k() -> None:
    def tried_k(k: int, silhouette: float, min_share: float = 0.1, stability: float = 1.0) -> Clustering:
        return Clustering(k, silhouette, stability, 1.0, min_share, 0.5)

    tried = [
        tried_k(3, 0.5),
        tried_k(4, 0.54),
        tried_k(5, 0.9, min_share=0.001),
        tried_k(6, 0.9, stability=0.3),
    ]
    assert chosen_k(tried, min_share=0.02, usual=None, margin=0.1) == 4  # 5: a tiny group; 6: never the same groups
    assert chosen_k(tried, min_share=0.02, usual=3, margin=0.1) == 3  # 0.54 is not 10% better than yesterday's 0.50
    assert chosen_k(tried, min_share=0.02, usual=3, margin=0.05) == 4
    assert chosen_k(tried, min_share=0.2, usual=None, margin=0.1) == 3  # none is good enough: the fewest groups
    assert chosen_k([], min_share=0.02, usual=None, margin=0.1) == 1
    assert tried_clusterings(np.zeros((50, 2)), [2, 3], rounds=1, effort=Effort(1, 5, 1)) == []


def test_the_linear_silhouette_is_that_of_scikit_learn() -> None:
    """D09 (silhouette): squared Euclidean as in MLlib, 0.7543 on seed 003's amounts, and Euclidean, 0.5561."""
    halves = np.arange(10) // 5
    assert squared_silhouette(AMOUNTS, halves) == pytest.approx(0.7543, abs=5e-5)
    assert euclidean_silhouette(AMOUNTS, halves) == pytest.approx(0.5561, abs=5e-5)
    points, truth = five_groups(1001)
    labels = np.where(np.arange(1001) == 1000, 9, truth % 3)  # groups that do not fit, one of them a single point
    assert squared_silhouette(points, labels) == pytest.approx(silhouette_score(points, labels, metric="sqeuclidean"))
    assert squared_silhouette(points, np.zeros(1001, dtype=np.int64)) == 0.0
