"""Reasons are the features that move a prediction most."""

from __future__ import annotations

import numpy as np

from promo_spark.learners.boosting import BoostingEffort, fitted_trees
from promo_spark.learners.linear import fitted_linear
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.propensity.reasons import reasons


def test_the_planted_dominant_feature_is_the_first_reason() -> None:
    """N09: recency decides, orders add a little: recency is the first reason of nearly all, with the right sign."""
    draw = np.random.default_rng(1)
    names = ("recency_days", "orders", "noise")
    table = FeatureTable(names, draw.random((4000, 3)) * 10)
    score = 3.0 * (5 - table.values[:, 0]) / 3 + 0.3 * (table.values[:, 1] - 5) / 3
    happened = (draw.random(4000) < 1 / (1 + np.exp(-score))).astype(float)
    for model in (
        fitted_linear(table, happened, logit=True),
        fitted_trees(table, happened, "binary", BoostingEffort(trees=60)),
    ):
        told = reasons(names, model.contributions(table))
        extreme = [of_row for of_row, days in zip(told, table.values[:, 0], strict=True) if abs(days - 5) > 3]
        assert np.mean([of_row[0].startswith("recency_days") for of_row in extreme]) > 0.95
        stays_away = [of_row for of_row, days in zip(told, table.values[:, 0], strict=True) if days > 8]
        assert np.mean([of_row[0] == "recency_days-" for of_row in stays_away]) > 0.95
        assert max(map(len, told)) <= 3


def test_what_moves_nothing_is_no_reason_and_ties_go_to_the_earlier_feature() -> None:
    given = np.array([[0.0, 0.0, 1.0], [0.5, -0.5, 1.0], [0.001, -0.2, 1.0]])
    assert reasons(("a", "b"), given) == [[], ["a+", "b-"], ["b-"]]
