"""Regressions by numpy alone: linear for an amount, logistic for a probability, with a ridge; stored as plain numbers.

Features are put on the scale sign(x)·log(1 + |x|), an unknown value becomes the mean of the known ones and sets an
indicator of its own, and each column is standardised. So a coefficient is per standard deviation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from promo_spark.learners.tables import FeatureTable, Floats

_STEPS = 50
_CLOSE = 1e-9
_SMALL = 1e-6  # a step of Newton's so small leaves about its square to go
_AT_ONCE = 4096  # rows, which a core keeps near at hand
_MISSING = "missing:"


@dataclass(frozen=True)
class LinearModel:
    """A fitted regression. `columns` are the features and the indicators of unknown values, in order.

    `mean` and `deviation` are of the columns on the log scale; `intercept` is the prediction at the mean. `logit`:
    the prediction is a probability, else an amount.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    logit: bool
    engine: str = field(default="", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "engine", "logistic" if self.logit else "linear")

    def predicted(self, table: FeatureTable) -> Floats:
        """Per row the probability, or the amount.

        >>> per_unit = LinearModel(("x",), ("x",), (0.0,), (1.0,), (1.0,), 0.5, logit=False)
        >>> x = FeatureTable(("x",), np.array([[np.e - 1]]))  # log(1 + x) is 1: 0.5 + 1 · 1
        >>> per_unit.predicted(x).tolist()
        [1.5]
        """
        score = self.contributions(table).sum(axis=1)
        return sigmoid(score) if self.logit else score

    def contributions(self, table: FeatureTable) -> Floats:
        """Per row and feature coefficient × (x − mean), and as the last column the base: sums to the score.

        What an indicator of an unknown value adds counts for its feature.
        """
        scaled = (_expanded(table.columns(self.names), self.columns) - self.mean) / self.deviation
        per_column = scaled * np.array(self.coefficients)
        places = {name: place for place, name in enumerate(self.names)}
        given = np.zeros((len(table), len(self.names) + 1))
        for number, column in enumerate(self.columns):
            given[:, places[column.removeprefix(_MISSING)]] += per_column[:, number]
        given[:, -1] = self.intercept
        return given

    def to_plain(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _STORED}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> LinearModel:
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()}
        return LinearModel(**values)


_STORED = ("names", "columns", "mean", "deviation", "coefficients", "intercept", "logit")


def fitted_linear(
    table: FeatureTable,
    target: Floats,
    *,
    logit: bool,
    ridge: float = 1.0,
    rising: tuple[str, ...] = (),
    weight: Floats | None = None,
) -> LinearModel:
    """The regression that fits the target best, with a ridge of so many rows' weight on each coefficient.

    `rising`: features whose coefficient must not be negative; one that would be is set to 0, and the rest fitted
    again, from where the fit before ended. `weight`: how many rows each row counts for; None: one. Newton steps on all
    rows at once: the same rows in the same order give the same numbers.
    """
    columns = _columns(table)
    values = _expanded(table, columns)
    mean = values.mean(axis=0)
    deviation = values.std(axis=0)
    deviation = np.where(deviation > _CLOSE, deviation, 1.0)
    values -= mean
    values /= deviation
    scaled = np.column_stack([np.ones(len(values)), values])
    penalty = np.r_[_CLOSE, np.full(len(columns), ridge)]
    counts = np.ones(len(table)) if weight is None else weight
    beta = np.zeros(len(penalty))
    if logit:
        beta[0] = _logit_of_mean(target)
    free, may_not_fall = np.ones(len(beta), bool), np.array([False, *(c in rising for c in columns)])
    while True:
        x = scaled if free.all() else scaled[:, free]
        beta[free] = _solved(x, target, counts, logit, penalty[free], beta[free])
        wrong = may_not_fall & (beta < 0)
        if not wrong.any():
            break
        free &= ~wrong
        beta[wrong] = 0.0
    coefficients = tuple(beta[1:].tolist())
    return LinearModel(
        table.names, columns, tuple(mean.tolist()), tuple(deviation.tolist()), coefficients, float(beta[0]), logit
    )


def sigmoid(score: Floats) -> Floats:
    """The probability of a logit.

    >>> sigmoid(np.array([0.0, 1.5])).round(4).tolist()
    [0.5, 0.8176]
    """
    bounded = np.clip(score, -40.0, 40.0)
    p: Floats = 1.0 / (1.0 + np.exp(-bounded))
    return p


def logit(p: Floats) -> Floats:
    """The logit of a probability, which is kept a billionth away from 0 and 1."""
    bounded = np.clip(p, 1e-9, 1 - 1e-9)
    score: Floats = np.log(bounded / (1 - bounded))
    return score


def _columns(table: FeatureTable) -> tuple[str, ...]:
    unknown = np.isnan(table.values)
    return (*table.names, *(_MISSING + name for place, name in enumerate(table.names) if unknown[:, place].any()))


def _expanded(table: FeatureTable, columns: tuple[str, ...]) -> Floats:
    """The features on the log scale, an unknown one as NaN's stand-in 0, and the indicators."""
    unknown = np.isnan(table.values)
    known = np.where(unknown, 0.0, table.values)
    known = np.sign(known) * np.log1p(np.abs(known))
    places = {name: place for place, name in enumerate(table.names)}
    indicators = [unknown[:, places[c.removeprefix(_MISSING)]] for c in columns[len(table.names) :]]
    return np.column_stack([known, *indicators]).astype(np.float64)


def _logit_of_mean(target: Floats) -> float:
    return float(logit(np.clip(target.mean(keepdims=True), 1e-6, 1 - 1e-6))[0])


def _solved(x: Floats, target: Floats, counts: Floats, is_logit: bool, penalty: Floats, start: Floats) -> Floats:
    """The coefficients by Newton's method with step halving, from a start; of a linear regression after one step."""
    beta, score = start, x @ start
    best = _loss(score, target, counts, beta, penalty, is_logit)
    for _ in range(_STEPS):
        mean = sigmoid(score) if is_logit else score
        slope = (counts * (target - mean)) @ x - penalty * beta
        root = np.sqrt(counts * np.maximum(mean * (1 - mean), _CLOSE) if is_logit else counts)
        curve = np.diag(penalty)
        for first in range(0, len(x), _AT_ONCE):
            bent = x[first : first + _AT_ONCE] * root[first : first + _AT_ONCE, None]
            curve += bent.T @ bent
        step = np.linalg.solve(curve, slope)
        for _ in range(_STEPS):
            score = x @ (beta + step)
            loss = _loss(score, target, counts, beta + step, penalty, is_logit)
            if loss <= best + _CLOSE:
                break
            step = step / 2
        beta, best = beta + step, loss
        if float(np.abs(step).max()) < _SMALL:
            break
    return beta


def _loss(score: Floats, target: Floats, counts: Floats, beta: Floats, penalty: Floats, is_logit: bool) -> float:
    error = np.logaddexp(0.0, score) - target * score if is_logit else (target - score) ** 2 / 2
    return float((counts * error).sum() + (penalty * beta**2).sum() / 2)
