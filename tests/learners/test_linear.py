"""Regressions give back what was planted, and say how they came to it."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.learners.judgement import auc
from promo_spark.learners.linear import LinearModel, fitted_linear
from promo_spark.learners.tables import FeatureTable
from tests.learners.data import planted

# log(1 + x) of these is 0, 1, 2: the scale that regressions work on
X = FeatureTable(("x",), np.expm1(np.array([[0.0], [1.0], [2.0]])))


def test_the_linear_predictor_is_an_amount_and_its_logit_a_probability() -> None:
    """H02: β0 = 0.5 and β1 = 1 give 1.5 at x = 1 as an amount, and σ(1.5) = 0.8176 as a probability, never 1.5."""
    amount = fitted_linear(X, np.array([0.5, 1.5, 2.5]), logit=False, ridge=1e-9)
    assert amount.predicted(X).tolist() == pytest.approx([0.5, 1.5, 2.5])
    chance = LinearModel(("x",), ("x",), (0.0,), (1.0,), (1.0,), 0.5, logit=True)
    assert chance.predicted(X)[1] == pytest.approx(0.8176, abs=5e-5)
    # 10,000 rows at each x, of which σ(0.5), σ(1.5), σ(2.5) happened: the same β is found again
    shares = [0.6225, 0.8176, 0.9241]
    rows = FeatureTable(("x",), np.repeat(X.values, 10_000, axis=0))
    happened = np.concatenate([np.arange(10_000) < round(share * 10_000) for share in shares]).astype(float)
    fitted = fitted_linear(rows, happened, logit=True, ridge=1e-9)
    assert fitted.predicted(X).tolist() == pytest.approx(shares, abs=1e-3)
    extreme = FeatureTable(("x",), np.array([[1e300], [-1e300], [np.nan]]))
    p = fitted.predicted(extreme)
    assert ((p >= 0) & (p <= 1)).all()


def test_contributions_sum_to_the_logit_less_the_base_and_the_planted_feature_is_first() -> None:
    """N09: coefficient × (x − mean) per feature; the base is what is predicted at the mean of all."""
    table, happened, _ = planted()
    model = fitted_linear(table, happened, logit=True)
    given = model.contributions(table)
    logit = np.log(model.predicted(table) / (1 - model.predicted(table)))
    assert np.allclose(given[:, :-1].sum(axis=1), logit - given[:, -1])
    assert np.ptp(given[:, -1]) == 0
    assert np.allclose(given[:, :-1].mean(axis=0), 0, atol=1e-9)
    assert np.abs(given[:, :-1]).mean(axis=0).argsort()[::-1][:2].tolist() == [0, 1]


def test_an_unknown_value_counts_as_the_usual_one_and_sets_an_indicator() -> None:
    """Of those whose x is unknown it happens to 9 of 10, of the others to 1 of 10."""
    table = FeatureTable(("x",), np.r_[np.full((1000, 1), np.nan), np.ones((1000, 1))])
    happened = np.tile(np.r_[np.ones(900), np.zeros(100), np.ones(100), np.zeros(900)], 1)
    model = fitted_linear(table, happened, logit=True, ridge=0.01)
    assert model.predicted(table.rows(np.array([0, 1000]))).tolist() == pytest.approx([0.9, 0.1], abs=0.01)


def test_a_coefficient_that_must_not_fall_does_not() -> None:
    table, happened, _ = planted()
    falling = fitted_linear(table, 1 - happened, logit=True, rising=("strong",))
    assert falling.coefficients[0] == 0 < -falling.coefficients[1]


def test_rows_without_signal_are_not_told_apart() -> None:
    table, _, _ = planted()
    happened = (np.arange(len(table)) % 2).astype(float)
    score = fitted_linear(table, happened, logit=True).predicted(table)
    assert auc(score, happened) == pytest.approx(0.5, abs=0.03)
