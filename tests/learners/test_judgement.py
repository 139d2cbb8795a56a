"""What is often right and of no use is refused."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.learners.judgement import decile_cuts, deciles, judged, worst_decile
from tests.learners.data import planted


def test_a_model_that_always_says_no_fails_although_it_is_right_in_95_of_100() -> None:
    """H08: 5% happened. Accuracy is .95, that of the base rate too; AUC is .5, F1 0, and the gate refuses it."""
    happened = np.r_[np.ones(50), np.zeros(950)]
    never = judged(np.zeros(1000), happened)
    assert (never.accuracy, never.base_accuracy, never.auc, never.f1) == (0.95, 0.95, 0.5, 0.0)
    assert never.fails() == "AUC is 0.500, no better than chance"
    constant = judged(np.full(1000, 0.05), happened)
    assert constant.fails()
    assert constant.f1 == 0.0


def test_the_true_probability_passes() -> None:
    _, happened, p = planted()
    good = judged(p, happened)
    assert good.fails() == ""
    assert good.auc is not None and good.auc > 0.85
    assert good.accuracy > good.base_accuracy
    assert good.log_loss < good.base_log_loss
    assert good.worst_decile < 0.05
    assert good.brier == pytest.approx(float((p * (1 - p)).mean()), abs=0.01)


def test_overconfident_probabilities_fail_although_they_rank_well() -> None:
    _, happened, p = planted()
    assert "log loss" in judged(np.where(p > 0.5, 1.0, 0.0), happened).fails()


def test_of_one_outcome_nothing_can_be_told() -> None:
    assert judged(np.full(10, 0.5), np.ones(10)).fails() == "only one of the two outcomes happened"


def test_deciles_are_tenths_and_equal_predictions_share_one() -> None:
    p = np.arange(1000) / 1000
    assert np.bincount(deciles(p, decile_cuts(p)))[1:].tolist() == [100] * 10
    assert set(deciles(np.full(50, 0.3), decile_cuts(np.full(50, 0.3)))) == {1}
    assert decile_cuts(np.array([np.nan])) == ()
    assert worst_decile(p, p) == 0.0
