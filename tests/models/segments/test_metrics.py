"""The published figures are what anyone would compute from the points."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score

from promo_spark.models.segments.clustering import Effort, tried_clusterings
from promo_spark.models.segments.metrics import fit_metrics, segment_metrics

EFFORT = Effort(starts=2, max_iterations=20, seed=1)


def test_figures_equal_their_recomputation() -> None:
    """D09: silhouettes, cost, sizes on 1,000 users; planted groups beat the RFM groups and shuffled features."""
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1], [700, 300])
    points = rng.normal(size=(1000, 3)) + np.array([[0, 0, 0], [6, 0, 6]])[truth]
    sample = pd.DataFrame(points, columns=["recency_days", "orders_90d", "spend_90d"])
    tried = tried_clusterings(points, [2, 3], rounds=2, effort=EFFORT)
    figures = segment_metrics(sample, points, truth, 2) + fit_metrics(points, 2, tried, effort=EFFORT)
    found = {(f.slice, f.metric): f.value for f in figures if f.value is not None}
    assert len(found) == len(figures)
    assert found["all", "k"] == 2
    assert found["all", "silhouette_squared_euclidean"] == pytest.approx(
        silhouette_score(points, truth, metric="sqeuclidean"), abs=1e-6
    )
    assert found["all", "silhouette_euclidean"] == pytest.approx(silhouette_score(points, truth), abs=1e-6)
    means = np.stack([points[truth == g].mean(axis=0) for g in (0, 1)])
    assert found["all", "cost"] == pytest.approx(((points - means[truth]) ** 2).sum(), abs=1e-5)
    assert (found["all", "min_share"], found["all", "max_share"]) == (0.3, 0.7)
    assert found["k=2", "stability_ari"] == 1.0 > found["k=3", "stability_ari"]
    for beside in ("rfm", "shuffled"):
        assert found[beside, "silhouette_squared_euclidean"] < found["all", "silhouette_squared_euclidean"]


def test_nothing_is_measured_where_there_is_one_segment() -> None:
    figures = segment_metrics(pd.DataFrame(), np.zeros((3, 2)), np.zeros(3, np.int64), 1)
    assert [(f.metric, f.value) for f in figures] == [("k", 1.0)]
    assert fit_metrics(np.zeros((3, 2)), 1, [], effort=EFFORT) == []
