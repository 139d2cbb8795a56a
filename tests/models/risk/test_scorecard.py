"""The credit score: points double the odds, are monotone, and tell refunds on users they were not fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.learners.judgement import auc
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.risk.scorecard import (
    HIGHEST,
    LOWEST,
    NAMES,
    credit_score,
    fitted_scorecard,
    kolmogorov_smirnov,
    points,
)


def test_twenty_points_double_the_odds_and_points_rise_with_them() -> None:
    """J05: +20 points double the odds; the score is monotone in the log-odds and stays within 300 and 850."""
    odds = np.array([1.0, 2.0, 8.0, 50.0, 100.0])
    assert np.diff(points(np.log(odds))) == pytest.approx([20.0, 40.0, 20.0 * np.log2(6.25), 20.0])
    told = points(np.linspace(-40, 40, 999))
    assert (np.diff(told) >= 0).all() and told.min() == LOWEST and told.max() == HIGHEST


def test_refunds_are_foretold_on_a_holdout() -> None:
    """J05: KS and AUC on a holdout: the planted cause of refunds is found."""
    draw = np.random.default_rng(4)
    values = draw.gamma(2.0, 1.0, size=(6000, len(NAMES)))
    log_odds = -4.0 + 3.0 * np.log1p(values[:, NAMES.index("returned_share")])
    refunded = (draw.random(6000) < 1 / (1 + np.exp(-log_odds))).astype(np.float64)
    table, half = FeatureTable(NAMES, values), np.arange(6000) < 3000
    model = fitted_scorecard(table.rows(half), refunded[half])
    score, bad = credit_score(model, table.rows(~half)), refunded[~half]
    best = auc(log_odds[~half], bad)
    found = auc(-score, bad)
    assert found is not None and best is not None and found > best - 0.02
    assert kolmogorov_smirnov(score, bad) > 0.3
    assert kolmogorov_smirnov(draw.random(3000), bad) < 0.12


def test_who_never_ordered_has_no_score() -> None:
    table = FeatureTable(NAMES, np.vstack([np.ones(len(NAMES)), np.full(len(NAMES), np.nan)]))
    model = fitted_scorecard(
        FeatureTable(NAMES, np.random.default_rng(1).random((50, len(NAMES)))), np.tile([0.0, 1.0], 25)
    )
    assert np.isnan(credit_score(model, table)).tolist() == [False, True]
