"""What predictions turned out to be worth: probabilities and amounts brought to what happened in a later window.

By groups, such as kinds of users. A group without a row is not calibrated: nobody knows what its predictions are
worth, and they become NaN. A group with few rows takes the calibration of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from promo_spark.learners.linear import logit, sigmoid
from promo_spark.learners.tables import Floats, Ints

Method = Literal["platt", "isotonic", "ratio"]
_STEPS = 50
_PRIOR = 10.0  # rows' worth of belief that a prediction is right as it is


@dataclass(frozen=True)
class Curve:
    """Prediction → what it is worth, linear between the points. Platt: points are intercept and slope of the logit."""

    method: Method
    x: tuple[float, ...]
    y: tuple[float, ...]

    def applied(self, predicted: Floats) -> Floats:
        """Each prediction as the curve has it."""
        if self.method == "platt":
            return sigmoid(self.x[0] + self.y[0] * logit(predicted))
        if self.method == "ratio":
            return predicted * self.y[0]
        worth: Floats = np.interp(predicted, np.array(self.x), np.array(self.y))
        return worth


@dataclass(frozen=True)
class Calibration:
    """A curve per group, by its name."""

    curves: Mapping[str, Curve]

    def applied(self, predicted: Floats, group: Ints, groups: Sequence[str]) -> Floats:
        """Each prediction as its group's curve has it; NaN where the group has none."""
        worth = np.full(len(predicted), np.nan)
        for number, name in enumerate(groups):
            if name in self.curves:
                rows = group == number
                worth[rows] = self.curves[name].applied(predicted[rows])
        return worth

    def to_plain(self) -> dict[str, Any]:
        return {name: {"method": c.method, "x": c.x, "y": c.y} for name, c in sorted(self.curves.items())}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Calibration:
        return Calibration({n: Curve(c["method"], tuple(c["x"]), tuple(c["y"])) for n, c in plain.items()})


def fitted_calibration(
    predicted: Floats, happened: Floats, group: Ints, groups: Sequence[str], *, method: Method, least_rows: int
) -> Calibration:
    """A curve for each group that has rows.

    >>> p, y = np.full(1000, 0.2), np.r_[np.ones(400), np.zeros(600)]
    >>> of_all = fitted_calibration(p, y, np.zeros(1000, int), ["any", "none"], method="platt", least_rows=50)
    >>> of_all.applied(np.array([0.2, 0.2]), np.array([0, 1]), ["any", "none"]).round(2).tolist()
    [0.4, nan]
    """
    whole = fitted_curve(predicted, happened, method)
    curves = {}
    for number, name in enumerate(groups):
        rows = group == number
        if rows.any():
            few = int(rows.sum()) < least_rows
            curves[name] = whole if few else fitted_curve(predicted[rows], happened[rows], method)
    return Calibration(curves)


def fitted_curve(predicted: Floats, happened: Floats, method: Method) -> Curve:
    """platt: a line on the logit, drawn to the identity; isotonic: the best rising steps; ratio: one factor."""
    if method == "platt":
        intercept, slope = _platt(logit(predicted), happened)
        return Curve("platt", (intercept,), (slope,))
    if method == "ratio":
        total = float(predicted.sum())
        return Curve("ratio", (0.0,), (float(happened.sum()) / total if total > 0 else 1.0,))
    return _isotonic(predicted, happened)


def _platt(score: Floats, happened: Floats) -> tuple[float, float]:
    """Intercept and slope of the logit by Newton's method; their prior is 0 and 1."""
    x = np.column_stack([np.ones(len(score)), score])
    beta, prior = np.array([0.0, 1.0]), np.array([0.0, 1.0])
    for _ in range(_STEPS):
        p = sigmoid(x @ beta)
        weight = np.maximum(p * (1 - p), 1e-9)
        slope = x.T @ (happened - p) - _PRIOR * 0.1 * (beta - prior)
        step = np.linalg.solve((x * weight[:, None]).T @ x + np.eye(2) * _PRIOR * 0.1, slope)
        beta = beta + np.clip(step, -1.0, 1.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    return float(beta[0]), max(float(beta[1]), 0.0)


def _isotonic(predicted: Floats, happened: Floats) -> Curve:
    """The rising step function nearest to what happened, by the means of its ends; ties of predictions count as one."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(predicted, happened)
    x = np.asarray(fitted.X_thresholds_, np.float64)
    y = np.asarray(fitted.y_thresholds_, np.float64)
    return Curve("isotonic", tuple(x.tolist()), tuple(y.tolist()))
