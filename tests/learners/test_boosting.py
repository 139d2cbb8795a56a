"""Boosted trees: the same text every time, what they say of each row, and what is told where LightGBM is not there."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest

from promo_spark.errors import RequirementError
from promo_spark.learners.boosting import BoostingEffort, fitted_trees
from promo_spark.learners.judgement import auc
from promo_spark.learners.tables import FeatureTable
from tests.learners.data import planted

FEW = BoostingEffort(trees=80, leaves=15, rate=0.1)


def test_trees_come_near_the_planted_probability_and_are_the_same_every_time() -> None:
    table, happened, p = planted()
    first, second = (fitted_trees(table, happened, "binary", FEW) for _ in range(2))
    assert first.text == second.text
    later, outcome, true = planted(seed=2)
    reached, best = auc(first.predicted(later), outcome), auc(true, outcome)
    assert reached is not None and best is not None
    assert reached > best - 0.01
    assert auc(p, happened) == pytest.approx(best, abs=0.02)


def test_contributions_sum_to_the_logit_and_the_planted_feature_is_first() -> None:
    """N09: TreeSHAP of LightGBM; the last column is the base."""
    table, happened, _ = planted()
    model = fitted_trees(table, happened, "binary", FEW)
    given, p = model.contributions(table), model.predicted(table)
    assert np.allclose(given.sum(axis=1), np.log(p / (1 - p)))
    assert np.abs(given[:, :-1]).mean(axis=0).argmax() == 0


def test_amounts_are_never_negative() -> None:
    table, happened, _ = planted()
    model = fitted_trees(table, happened * 20, "tweedie", FEW)
    assert model.predicted(table).min() >= 0
    assert model.predicted(table).mean() == pytest.approx(float(happened.mean()) * 20, rel=0.05)


def test_a_prediction_only_rises_with_a_feature_that_it_must_rise_with() -> None:
    """It happens to those with a small x. Told that it must rise with x, the trees leave x alone."""
    draw = np.random.default_rng(3)
    table = FeatureTable(("x", "other"), draw.random((4000, 2)))
    happened = (draw.random(4000) < 1 - table.values[:, 0]).astype(float)
    model = fitted_trees(table, happened, "binary", FEW, rising=("x",))
    grid = FeatureTable(("x", "other"), np.column_stack([np.linspace(0, 1, 50), np.full(50, 0.5)]))
    assert (np.diff(model.predicted(grid)) >= 0).all()


def test_what_goes_to_workers_is_the_text() -> None:
    table, happened, _ = planted(500)
    model = fitted_trees(table, happened, "binary", FEW)
    before = model.predicted(table)
    assert b"Booster" not in pickle.dumps(model)
    assert pickle.loads(pickle.dumps(model)).predicted(table).tolist() == before.tolist()


def test_a_system_without_openmp_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # what Python does with an import that failed
    table, happened, _ = planted(500)
    with pytest.raises(RequirementError, match="apt-get install libgomp1"):
        fitted_trees(table, happened, "binary", FEW)
