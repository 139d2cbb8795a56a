"""Multinomial logistic regression: which of several classes; stored as plain numbers that any system can reckon with.

A feature x is put on the scale sign(x)·log(1 + |x|), a share stays as it is; an unknown value becomes the mean; each is
standardised. The score of a class is its intercept + Σ coefficient × value; its probability, exp(score) over the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from promo_spark.learners.tables import FeatureTable, Floats, Ints

_INVERSE_RIDGE = 100.0  # classes that a plane parts have no likeliest coefficients without one
_STEPS = 2000


@dataclass(frozen=True)
class SoftmaxModel:
    """A fitted regression. `coefficients`: one row per class; `shares`: which features stay as they are."""

    names: tuple[str, ...]
    shares: tuple[bool, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    classes: tuple[int, ...]
    coefficients: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]

    def probabilities(self, table: FeatureTable) -> Floats:
        """Row × class.

        >>> of_two = SoftmaxModel(("x",), (True,), (0.5,), (0.1,), (7, 9), ((1.0,), (-1.0,)), (0.0, 0.0))
        >>> x = FeatureTable(("x",), np.array([[0.5], [0.6]]))  # scores 0 and 0, 1 and −1
        >>> of_two.probabilities(x).round(3).tolist(), of_two.predicted(x).tolist()
        ([[0.5, 0.5], [0.881, 0.119]], [7, 7])
        """
        scaled = (_on_scale(table.columns(self.names).values, self.shares, self.mean) - self.mean) / self.deviation
        score = scaled @ np.array(self.coefficients).T + np.array(self.intercepts)
        weight = np.exp(score - score.max(axis=1, keepdims=True))
        found: Floats = weight / weight.sum(axis=1, keepdims=True)
        return found

    def predicted(self, table: FeatureTable) -> Ints:
        """Per row the likeliest class; a tie goes to the first."""
        found: Ints = np.array(self.classes, np.int64)[self.probabilities(table).argmax(axis=1)]
        return found

    def to_plain(self) -> dict[str, Any]:
        return dict(vars(self))

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> SoftmaxModel:
        values: dict[str, Any] = {name: tuple(value) for name, value in plain.items()}
        return SoftmaxModel(**{**values, "coefficients": tuple(map(tuple, values["coefficients"]))})


def fitted_softmax(table: FeatureTable, of: Ints, *, shares: tuple[bool, ...]) -> SoftmaxModel:
    """The regression that tells two or more classes of the rows apart best."""
    known = np.where(np.isnan(table.values), np.nan, _logs(table.values, shares))
    means = [float(np.nanmean(column)) if np.isfinite(column).any() else 0.0 for column in known.T]
    filled = np.where(np.isnan(known), means, known)
    deviation = filled.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    scaled = (filled - np.array(means)) / deviation
    with threadpool_limits(1):
        fitted = LogisticRegression(C=_INVERSE_RIDGE, max_iter=_STEPS, tol=1e-6).fit(scaled, of)
    coefficients, intercepts = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # of two classes the second alone is told
        coefficients, intercepts = np.vstack([-coefficients, coefficients]) / 2, np.append(-intercepts, intercepts) / 2
    return SoftmaxModel(
        table.names,
        shares,
        tuple(means),
        tuple(deviation.tolist()),
        tuple(int(c) for c in fitted.classes_),
        tuple(tuple(row) for row in coefficients.tolist()),
        tuple(intercepts.tolist()),
    )


def macro_f1(said: Ints, true: Ints) -> float:
    """The mean over the classes of 2 · hits / (times said + times true).

    >>> macro_f1(np.array([1, 1, 2]), np.array([1, 2, 2])).__round__(3)
    0.667
    """
    classes = np.unique(true)
    hits = [int(((said == c) & (true == c)).sum()) for c in classes]
    whole = [int((said == c).sum() + (true == c).sum()) for c in classes]
    return float(np.mean([2 * h / w for h, w in zip(hits, whole, strict=True)]))


def _on_scale(values: Floats, shares: tuple[bool, ...], mean: tuple[float, ...]) -> Floats:
    logs = _logs(values, shares)
    filled: Floats = np.where(np.isnan(logs), np.array(mean), logs)
    return filled


def _logs(values: Floats, shares: tuple[bool, ...]) -> Floats:
    logs: Floats = np.where(np.array(shares), values, np.sign(values) * np.log1p(np.abs(values)))
    return logs
