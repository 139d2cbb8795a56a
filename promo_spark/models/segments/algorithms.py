"""Ways to find groups, in one form: centres, which names and ids follow, and prototypes, by which users are placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.ml.clustering import BisectingKMeans
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession
from scipy.cluster.hierarchy import fcluster, ward

from promo_spark.learners.clusters import density_groups, gaussian_mixture, sample_kmeans, usual_reach
from promo_spark.models.segments.clustering import Effort, Labels, Points, kmeans_centres
from promo_spark.models.segments.prototypes import Prototypes

KMEANS = "kmeans"
COMPARED = 3000  # points of which each is compared with each
_PARTS = 200  # of a hierarchy, or of dense groups: what stands for the points
_VECTOR = "features"
_NEIGHBOURS, _CORE_SHARE = 10, 0.9  # of dense groups: nine in ten points have ten neighbours in reach


@dataclass(frozen=True)
class Groups:
    """Groups of points: the mean of each, in order, and what they are told by."""

    centres: Points
    prototypes: Prototypes


def found_groups(
    spark: SparkSession,
    points: Points,
    names: Sequence[str],
    k: int,
    *,
    algorithm: str,
    min_share: float,
    effort: Effort,
) -> Groups:
    """k groups of the points, or as many as are dense; one group, with the centre 0, where k is 1.

    Points are in standard deviations from their mean, in an order that is a matter of chance, as of user_sample.
    """
    if k == 1:
        return _of_centres(np.zeros((1, len(names))))
    if algorithm == "bisecting":
        return _of_centres(bisecting_centres(spark, points, names, k, effort=effort))
    if algorithm == "kmedians":
        return _in_order(points, Prototypes.of_centres(kmedians_centres(points, k, effort=effort), "cityblock"))
    if algorithm == "ward":
        return _in_order(points, ward_prototypes(points, k))
    if algorithm == "gaussian_mixture":
        return _in_order(points, mixture_prototypes(points, k, effort=effort))
    if algorithm == "density":
        dense = dense_prototypes(points, min_share=min_share, effort=effort)
        return _of_centres(np.zeros((1, len(names)))) if dense is None else _in_order(points, dense)
    return _of_centres(kmeans_centres(points, k, effort=effort))


def bisecting_centres(spark: SparkSession, points: Points, names: Sequence[str], k: int, *, effort: Effort) -> Points:
    """The centres of MLlib's BisectingKMeans, sorted; fewer where points coincide."""
    frame = spark.createDataFrame(pd.DataFrame(points, columns=list(names))).coalesce(1)
    vectors = VectorAssembler(inputCols=list(names), outputCol=_VECTOR).transform(frame).select(_VECTOR).persist()
    try:
        means = BisectingKMeans(k=k, seed=effort.seed, maxIter=effort.max_iterations)
        model = means.setFeaturesCol(_VECTOR).fit(vectors)
    finally:
        vectors.unpersist()
    return np.array(sorted(tuple(float(x) for x in centre) for centre in model.clusterCenters()))


def kmedians_centres(points: Points, k: int, *, effort: Effort) -> Points:
    """The medians by which points lie nearest, distances being sums of absolute differences (Manhattan).

    It begins at the centres of k-means; no library of this suite has it. A median without points stays where it is.
    """
    start = sample_kmeans(points, k, starts=effort.starts, max_iterations=effort.max_iterations, seed=effort.seed)
    medians = start
    for _ in range(effort.max_iterations):
        labels = Prototypes.of_centres(medians, "cityblock").labels(points)
        moved = np.stack(
            [np.median(points[labels == g], axis=0) if (labels == g).any() else m for g, m in enumerate(medians)]
        )
        if np.array_equal(moved, medians):
            break
        medians = moved
    return medians


def ward_prototypes(points: Points, k: int) -> Prototypes:
    """k groups by Ward's hierarchy of the first points; its finest parts stand for them.

    The parts are the same whatever k: a user's group at k = 2 holds the whole of the user's group at k = 4.
    """
    few = points[:COMPARED]
    tree = ward(few)
    part, group = (fcluster(tree, n, "maxclust") for n in (min(_PARTS, len(few)), k))
    parts = [np.flatnonzero(part == p) for p in np.unique(part)]
    return Prototypes(
        np.stack([few[members].mean(axis=0) for members in parts]), tuple(int(group[m[0]]) - 1 for m in parts)
    )


def mixture_prototypes(points: Points, k: int, *, effort: Effort) -> Prototypes:
    """k groups as ellipses: a point belongs to the likeliest, whose distance is the least."""
    found = gaussian_mixture(points, k, starts=effort.starts, seed=effort.seed, balls=False)
    return Prototypes(found.means, tuple(range(k)), "euclidean", found.shapes, found.penalties)


def dense_prototypes(points: Points, *, min_share: float, effort: Effort) -> Prototypes | None:
    """Groups of any form, by density of the first points; centres of parts of their core stand for them.

    None: there is no group of `min_share` of the points. Noise, and what lies in smaller groups, belongs to the nearest
    group.
    """
    few = points[:COMPARED]
    labels, core = dense_labels(few)
    large = [g for g in range(labels.max() + 1) if (labels == g).mean() >= min_share]
    if not large:
        return None
    found, groups = [], []
    cores = [few[core & (labels == g)] for g in large]
    whole = sum(map(len, cores))
    for place, of_group in enumerate(cores):
        parts = min(max(round(_PARTS * len(of_group) / whole), 1), len(np.unique(of_group, axis=0)))
        centres = sample_kmeans(of_group, parts, starts=1, max_iterations=effort.max_iterations, seed=effort.seed)
        found.append(centres)
        groups += [place] * len(centres)
    return Prototypes(np.concatenate(found), tuple(groups))


def dense_labels(points: Points) -> tuple[Labels, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Of each point its group by density, −1: noise; and whether it is of the core. The points say the reach."""
    reach = usual_reach(points, neighbours=_NEIGHBOURS, share=_CORE_SHARE)
    return density_groups(points, neighbours=_NEIGHBOURS, reach=reach)


def _of_centres(centres: Points) -> Groups:
    return Groups(centres, Prototypes.of_centres(centres))


def _in_order(points: Points, of: Prototypes) -> Groups:
    """The groups in the order of their means; one to which no point is nearest has the mean of its prototypes."""
    labels, groups = of.labels(points), np.array(of.groups)
    means = [
        points[labels == g].mean(axis=0) if (labels == g).any() else of.points[groups == g].mean(axis=0)
        for g in range(groups.max() + 1)
    ]
    order = sorted(range(len(means)), key=lambda g: tuple(means[g].tolist()))
    place = {g: n for n, g in enumerate(order)}
    renamed = Prototypes(of.points, tuple(place[g] for g in of.groups), of.metric, of.shapes, of.penalties)
    return Groups(np.stack([means[g] for g in order]), renamed)
