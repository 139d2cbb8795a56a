"""Rows whose right answer is known by construction."""

from __future__ import annotations

import numpy as np

from promo_spark.learners.tables import FeatureTable, Floats

ROWS = 6000


def planted(rows: int = ROWS, seed: int = 1) -> tuple[FeatureTable, Floats, Floats]:
    """Three features, of which `strong` decides and `weak` adds a little; what happened, and its true probability."""
    draw = np.random.default_rng(seed)
    x = draw.normal(0, 1, (rows, 3))
    p = 1 / (1 + np.exp(-(2.5 * x[:, 0] + 0.5 * x[:, 1])))
    return FeatureTable(("strong", "weak", "noise"), x), (draw.random(rows) < p).astype(float), p
