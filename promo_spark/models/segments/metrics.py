"""How well the segments are apart and come back, beside what no model and no structure would give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from promo_spark.contracts.vocabulary import BEHAVIOUR
from promo_spark.learners.clusters import euclidean_silhouette
from promo_spark.measures.metric_rows import DECIMALS, Figure
from promo_spark.models.segments.clustering import (
    Clustering,
    Effort,
    Points,
    cost,
    nearest,
    squared_silhouette,
    tried_clusterings,
)
from promo_spark.models.segments.drift import Drift
from promo_spark.models.segments.scaling import rfm_groups

_QUADRATIC_ROWS = 5000  # the Euclidean silhouette compares each with each
ALL = "all"
SQUARED, EUCLIDEAN = "silhouette_squared_euclidean", "silhouette_euclidean"


def segment_metrics(sample: pd.DataFrame, points: Points, centres: Points) -> list[Figure]:
    """Figures of the segments, measured on the sample. Slices:

    all: the published segments. rfm: as many equal groups by the RFM score, in the same space.
    """
    users, k = len(points), len(centres)
    figures = list(_figures(ALL, users, k=k))
    if users < 2 or k < 2:
        return figures
    labels, few = nearest(points, centres), slice(0, _QUADRATIC_ROWS)
    shares = np.bincount(labels, minlength=k) / users
    figures += _figures(
        ALL,
        users,
        **{SQUARED: squared_silhouette(points, labels)},
        cost=cost(points, centres),
        min_share=shares.min(),
        max_share=shares.max(),
    )
    figures += _figures(ALL, len(points[few]), **{EUCLIDEAN: euclidean_silhouette(points[few], labels[few])})
    rfm = rfm_groups(sample, k)
    figures += _figures("rfm", users, **{SQUARED: squared_silhouette(points, rfm)})
    figures += _figures("rfm", len(points[few]), **{EUCLIDEAN: euclidean_silhouette(points[few], rfm[few])})
    return figures


def fit_metrics(points: Points, k: int, tried: Sequence[Clustering], *, effort: Effort) -> list[Figure]:
    """Figures of a fit, which take fits of their own. Slices:

    k=5: a number of segments that was tried. shuffled: the same k on users whose features were shuffled one by
    one, so that no structure is left; what is no better than that means nothing.
    """
    users = len(points)
    figures = [figure for clustering in tried for figure in _of_tried(clustering, users)]
    if users < 2 or k < 2:
        return figures
    shuffled = np.random.default_rng(effort.seed).permuted(points, axis=0)
    for c in tried_clusterings(shuffled, [k], rounds=2, effort=effort):
        figures += _figures("shuffled", users, **{SQUARED: c.silhouette}, stability_ari=c.stability)
    return figures


def drift_metrics(drift: Drift, users: int) -> list[Figure]:
    """How far the users are from those that the stored segments were fitted on. Slice: stored."""
    return list(_figures("stored", users, share_shift=drift.share_shift, distance_growth=drift.distance_growth))


def of_behaviour(figures: Sequence[Figure]) -> list[Figure]:
    """The same figures, told of the grouping by behaviour: its slices are behaviour, behaviour:k=5, …"""
    return [Figure(f.metric, BEHAVIOUR if f.slice == ALL else f"{BEHAVIOUR}:{f.slice}", f.value, f.n) for f in figures]


def _of_tried(clustering: Clustering, users: int) -> Iterator[Figure]:
    return _figures(
        f"k={clustering.k}",
        users,
        **{SQUARED: clustering.silhouette},
        stability_ari=clustering.stability,
        cost=clustering.cost,
        min_share=clustering.min_share,
        max_share=clustering.max_share,
        score=clustering.score,
    )


def _figures(slice_: str, n: int, **values: float) -> Iterator[Figure]:
    return (Figure(metric, slice_, round(float(value), DECIMALS), n) for metric, value in values.items())
