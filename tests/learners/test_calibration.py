"""Predictions are brought to what happened, by groups."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.learners.calibration import Calibration, Method, fitted_calibration, fitted_curve

GROUPS = ("many", "few", "none")


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_group_that_is_off_is_brought_to_what_happened(method: Method) -> None:
    """Predicted 0.2 and 0.6, happened 0.4 and 0.8 of 1,000 each; a group of 4 rows takes the curve of all rows."""
    p = np.repeat([0.2, 0.6, 0.2], [1000, 1000, 4])
    happened = np.concatenate([np.arange(1000) < 400, np.arange(1000) < 800, np.zeros(4)]).astype(float)
    group = np.repeat([0, 1], [2000, 4])
    fitted = fitted_calibration(p, happened, group, GROUPS, method=method, least_rows=50)
    asked = np.array([0.2, 0.6, 0.2, 0.2])
    worth = fitted.applied(asked, np.array([0, 0, 1, 2]), GROUPS)
    assert worth[:2].tolist() == pytest.approx([0.4, 0.8], abs=0.01)
    assert worth[2] == fitted_curve(p, happened, method).applied(np.array([0.2]))[0]
    assert np.isnan(worth[3]), "nobody knows what predictions of a group without rows are worth"
    again = Calibration.from_plain(fitted.to_plain())
    assert again.applied(asked, np.array([0, 0, 1, 2]), GROUPS)[:3].tolist() == worth[:3].tolist()


def test_amounts_are_brought_to_the_amounts_that_came() -> None:
    """Predicted 10 and 30, came 30 and 50: 80 / 40 = twice as much."""
    curve = fitted_curve(np.array([10.0, 30.0]), np.array([30.0, 50.0]), "ratio")
    assert curve.applied(np.array([5.0])).tolist() == [10.0]


def test_one_that_never_happened_is_no_certainty() -> None:
    """In 20 rows nothing happened: the probability falls from 0.3, but not to 0."""
    curve = fitted_curve(np.full(20, 0.3), np.zeros(20), "platt")
    assert 0.0 < curve.applied(np.array([0.3]))[0] < 0.2
