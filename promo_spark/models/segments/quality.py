"""How good the segments are, beside what no model and no structure would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from promo_spark.models.segments.assignment import rfm_groups
from promo_spark.models.segments.clustering import (
    Candidate,
    Points,
    candidates,
    cost,
    euclidean_silhouette,
    nearest,
    squared_silhouette,
)

_QUADRATIC_ROWS = 5000  # the Euclidean silhouette compares each with each
SQUARED, EUCLIDEAN = "silhouette_squared_euclidean", "silhouette_euclidean"


def segment_quality(
    sample: pd.DataFrame,
    points: Points,
    centres: Points,
    tried: Sequence[Candidate],
    *,
    starts: int,
    max_iterations: int,
    seed: int,
) -> list[dict[str, object]]:
    """Rows (metric, slice, value, n), measured on the sample. Slices:

    all: the published segments. k=5: a number of segments that was tried. rfm: as many equal groups by the RFM
    score, in the same space. shuffled: the same k on users whose features were shuffled one by one, so that no
    structure is left; what is no better than that means nothing.
    """
    rows: list[dict[str, object]] = []

    def add(part: str, n: int, **figures: float) -> None:
        rows.extend({"metric": m, "slice": part, "value": round(float(v), 6), "n": n} for m, v in figures.items())

    users, k = len(points), len(centres)
    for c in tried:
        add(
            f"k={c.k}",
            users,
            **{SQUARED: c.silhouette},
            stability_ari=c.stability,
            cost=c.cost,
            min_share=c.min_share,
            max_share=c.max_share,
            score=c.score,
        )
    add("all", users, k=k)
    if users < 2 or k < 2:
        return rows
    labels, few = nearest(points, centres), slice(0, _QUADRATIC_ROWS)
    shares = np.bincount(labels, minlength=k) / users
    add(
        "all",
        users,
        **{SQUARED: squared_silhouette(points, labels)},
        cost=cost(points, centres),
        min_share=shares.min(),
        max_share=shares.max(),
    )
    add("all", len(points[few]), **{EUCLIDEAN: euclidean_silhouette(points[few], labels[few])})
    rfm = rfm_groups(sample, k)
    add("rfm", users, **{SQUARED: squared_silhouette(points, rfm)})
    add("rfm", len(points[few]), **{EUCLIDEAN: euclidean_silhouette(points[few], rfm[few])})
    shuffled = np.random.default_rng(seed).permuted(points, axis=0)
    for c in candidates(shuffled, [k], starts=starts, rounds=2, max_iterations=max_iterations, seed=seed):
        add("shuffled", users, **{SQUARED: c.silhouette}, stability_ari=c.stability)
    return rows
