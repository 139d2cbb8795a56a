"""Multinomial regression beside scikit-learn's, and as it is stored."""

from __future__ import annotations

import json

import numpy as np
from sklearn.linear_model import LogisticRegression

from promo_spark.learners.softmax import SoftmaxModel, fitted_softmax
from promo_spark.learners.stored_text import plain_text
from promo_spark.learners.tables import FeatureTable, Floats, Ints


def rows(classes: int) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(1)
    of = rng.integers(0, classes, 600)
    spend = np.exp(rng.normal(of + 1.0, 0.6))
    share = np.clip(rng.normal(0.2 + 0.2 * of, 0.1), 0, 1)
    return np.column_stack([spend, share]), (of * 10).astype(np.int64)


def test_probabilities_are_those_of_scikit_learn_also_of_two_classes() -> None:
    for classes in (2, 3):
        values, of = rows(classes)
        model = fitted_softmax(FeatureTable(("spend", "share"), values), of, shares=(False, True))
        scaled = np.column_stack([np.log1p(values[:, 0]), values[:, 1]])
        scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
        beside = LogisticRegression(C=100.0, max_iter=2000, tol=1e-6).fit(scaled, of)
        found = model.probabilities(FeatureTable(("spend", "share"), values))
        assert np.allclose(found, beside.predict_proba(scaled), atol=1e-6)
        assert model.classes == tuple(range(0, 10 * classes, 10))


def test_it_is_stored_as_plain_numbers_and_unknown_values_count_as_the_mean() -> None:
    values, of = rows(3)
    values[::7, 0] = np.nan
    model = fitted_softmax(FeatureTable(("spend", "share"), values), of, shares=(False, True))
    again = SoftmaxModel.from_plain(json.loads(plain_text(model.to_plain())))
    assert again == model
    turned = FeatureTable(("share", "spend"), np.array([[0.4, np.nan], [0.4, np.expm1(model.mean[0])]]))
    first, second = again.probabilities(turned)
    assert np.allclose(first, second)
