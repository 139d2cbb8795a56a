"""Ways to find groups, on points whose groups are known."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession
from sklearn.cluster import DBSCAN
from sklearn.datasets import make_moons

from promo_spark.learners.clusters import adjusted_rand, density_groups, sample_kmeans
from promo_spark.models.segments.algorithms import (
    bisecting_centres,
    dense_labels,
    dense_prototypes,
    found_groups,
    kmedians_centres,
    mixture_prototypes,
    ward_prototypes,
)
from promo_spark.models.segments.clustering import Effort, Labels, Points, cost, nearest

EFFORT = Effort(starts=4, max_iterations=50, seed=1)


def moons(users: int = 1000) -> tuple[Points, Labels]:
    """Two moons, −1: a twentieth of noise, in an order of chance."""
    rng = np.random.default_rng(1)
    arcs, of = make_moons(users, noise=0.05, random_state=1)
    noise = rng.uniform(arcs.min(axis=0) - 0.5, arcs.max(axis=0) + 0.5, (users // 20, 2))
    points, truth = np.vstack([arcs, noise]), np.concatenate([of, np.full(len(noise), -1)])
    order = rng.permutation(len(points))
    return ((points - points.mean(axis=0)) / points.std(axis=0))[order], truth[order].astype(np.int64)


def nested(users: int = 400) -> tuple[Points, Labels]:
    """Two pairs of blobs: 3 apart within a pair, 20 between the pairs."""
    rng = np.random.default_rng(2)
    of = rng.integers(0, 4, users)
    corners = np.array([[0.0, 0.0], [3.0, 0.0], [20.0, 0.0], [23.0, 0.0]])
    return corners[of] + rng.normal(0, 0.3, (users, 2)), of.astype(np.int64)


def test_core_border_and_noise() -> None:
    """D05: core is who has three or more within reach, itself counted, at the very reach, too; a border point is within
    reach of one; noise is neither."""
    #       a chain of core points,  the border, noise: 1.5 from the border, 2.5 from the last core point
    line = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.5]])
    labels, core = density_groups(line, neighbours=3, reach=1.0)
    assert core.tolist() == [False, True, True, True, False, False]  # 1, 2 and 3 have both neighbours
    assert labels.tolist() == [0, 0, 0, 0, 0, -1]  # 0 and 4 are borders


def test_dense_groups_are_those_of_scikit_learn_and_prototypes_part_them_alike() -> None:
    """D04: on two moons with noise, users are parted as DBSCAN parts their core points; k-means cuts the moons."""
    points, truth = moons()
    labels, core = dense_labels(points)
    reach = np.sort(np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2)), axis=1)[:, 9]  # tenth, itself counted
    scikit = DBSCAN(eps=np.quantile(reach, 0.9), min_samples=10).fit(points)
    assert np.array_equal(np.flatnonzero(core), scikit.core_sample_indices_)
    assert adjusted_rand(labels[core], scikit.labels_[core]) == 1.0
    assert 0 < (labels == -1).mean() < 0.1
    prototypes = dense_prototypes(points, min_share=0.02, effort=EFFORT)
    assert prototypes is not None
    placed = prototypes.labels(points)
    assert adjusted_rand(placed[core], labels[core]) == 1.0
    inside = truth >= 0
    assert adjusted_rand(placed[inside], truth[inside]) > 0.98
    means = sample_kmeans(points, 2, starts=4, max_iterations=50, seed=1)
    assert adjusted_rand(nearest(points, means)[inside], truth[inside]) < 0.6
    assert dense_prototypes(points, min_share=0.9, effort=EFFORT) is None


def test_wards_cut_in_two_is_a_coarsening_of_that_in_four(spark: SparkSession) -> None:
    """D06: by Ward, of users fitted on and others; and bisecting, whose cost never rises with k."""
    points, truth = nested()
    others, _ = nested(500)
    for users in (points, others + 0.7):
        two, four = (ward_prototypes(points, k).labels(users) for k in (2, 4))
        assert len({(int(a), int(b)) for a, b in zip(four, two, strict=True)}) == len(np.unique(four)) == 4
        assert len(np.unique(two)) == 2
    assert adjusted_rand(ward_prototypes(points, 4).labels(points), truth) == 1.0
    costs = [cost(points, bisecting_centres(spark, points, ["x", "y"], k, effort=EFFORT)) for k in (2, 3, 4)]
    assert costs == sorted(costs, reverse=True)
    pairs = nearest(points, bisecting_centres(spark, points, ["x", "y"], 2, effort=EFFORT))
    assert adjusted_rand(pairs, truth // 2) == 1.0


def test_centres_for_manhattan_distances_are_medians() -> None:
    """D03: the median of its own users is each centre, so that a user far away does not draw it."""
    points = np.array([[0.0], [1.0], [2.0], [100.0], [200.0], [201.0], [202.0]])
    centres = kmedians_centres(points, 2, effort=EFFORT)
    assert centres.ravel().tolist() == [1.5, 201.0]  # 0, 1, 2, 100 and 200, 201, 202; the mean would be 25.75
    rng = np.random.default_rng(4)
    cloud = rng.normal(size=(300, 3)) + 6 * np.eye(3)[rng.integers(0, 3, 300)]
    medians = kmedians_centres(cloud, 3, effort=EFFORT)
    labels = np.abs(cloud[:, None] - medians[None]).sum(axis=2).argmin(axis=1)
    assert np.allclose(medians, [np.median(cloud[labels == g], axis=0) for g in range(3)])


def test_a_mixture_finds_ellipses_that_lie_side_by_side() -> None:
    rng = np.random.default_rng(5)
    truth = np.repeat([0, 1], 500).astype(np.int64)
    points = rng.normal(size=(1000, 2)) * [2.0, 0.3] + np.array([[0.0, 0.0], [0.0, 2.5]])[truth]
    points = points @ np.array([[1.0, 1.0], [-1.0, 1.0]])  # aslant, so that standardising does not make balls of them
    points = points / points.std(axis=0)
    found = mixture_prototypes(points, 2, effort=EFFORT)
    assert adjusted_rand(found.labels(points), truth) > 0.99
    means = sample_kmeans(points, 2, starts=4, max_iterations=50, seed=1)
    assert adjusted_rand(nearest(points, means), truth) < 0.9


@pytest.mark.parametrize("algorithm", ["kmedians", "ward", "gaussian_mixture", "density"])
def test_groups_come_in_the_order_of_their_centres(spark: SparkSession, algorithm: str) -> None:
    """D01 (part): whichever algorithm finds them, equal points give equal groups, with the means of their users."""
    points, truth = nested()
    points = points[truth < 3]
    first, again = (
        found_groups(spark, points, ["x", "y"], 3, algorithm=algorithm, min_share=0.05, effort=EFFORT) for _ in range(2)
    )
    assert np.array_equal(first.centres, again.centres)
    labels = first.prototypes.labels(points)
    assert np.array_equal(labels, again.prototypes.labels(points))
    assert adjusted_rand(labels, truth[truth < 3]) == 1.0
    assert first.centres[:, 0].tolist() == sorted(first.centres[:, 0])
    assert np.allclose(first.centres, [points[labels == g].mean(axis=0) for g in range(3)])
