"""Isolation forest: planted outliers, scikit-learn's scores, the same scores from the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest

from promo_spark.learners.judgement import auc
from promo_spark.models.risk.isolation_forest import isolation_forest

ROWS, OUTLIERS = 2000, 20
TREES, ROWS_OF_TREE = 100, 256


def planted() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of four features of different scales, 1 % of them far off in every one; and which those are."""
    draw = np.random.default_rng(3)
    rows = draw.normal(size=(ROWS, 4)) * [1, 2, 0.5, 1]
    rows[:OUTLIERS] += 5 * draw.choice([-1, 1], size=(OUTLIERS, 4)) * [1, 2, 0.5, 1]
    return rows, (np.arange(ROWS) < OUTLIERS).astype(np.float64)


def scores(rows: NDArray[np.float64], seed: int = 42) -> NDArray[np.float64]:
    return isolation_forest(rows, trees=TREES, rows_of_tree=ROWS_OF_TREE, seed=seed).scores(rows)


def test_planted_outliers_stand_out() -> None:
    """J02: planted 1 % outliers: AUC ≥ .95."""
    rows, planted_ones = planted()
    found = auc(scores(rows), planted_ones)
    assert found is not None and found >= 0.95


def test_scores_rank_like_those_of_scikit_learn() -> None:
    """J02: Spearman's correlation ≥ .95 on the fixture, and the scores themselves are close."""
    rows, _ = planted()
    theirs = -IsolationForest(n_estimators=TREES, random_state=42).fit(rows).score_samples(rows)
    ours = scores(rows)
    assert spearmanr(ours, theirs).statistic >= 0.95
    assert np.abs(ours - theirs).mean() < 0.02


def test_the_same_seed_gives_the_same_scores_and_another_one_others() -> None:
    """J02: determinism."""
    rows, _ = planted()
    assert (scores(rows) == scores(rows)).all()
    assert (scores(rows) != scores(rows, seed=43)).any()


@pytest.mark.parametrize("rows", [np.zeros((1, 3)), np.zeros((2, 3)), np.ones((300, 3))], ids=["one", "two", "alike"])
def test_nothing_stands_out_where_all_are_alike(rows: NDArray[np.float64]) -> None:
    found = scores(rows)
    assert len(set(found.tolist())) == 1 and np.isfinite(found).all()
