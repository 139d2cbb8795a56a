"""Uplift figures on users whose effects are planted."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.uplift.uplift_metrics import Judged, calibration_slope, mean_effect, qini

N = 40_000


def judged(predicted: np.ndarray, effect: np.ndarray, seed: int = 1) -> Judged:
    draw = np.random.default_rng(seed)
    treated = draw.random(N) < 0.3
    outcome = draw.poisson(np.maximum(1.0 + effect * treated, 0.0)).astype(np.float64)
    return Judged(predicted, outcome, treated, np.where(treated, 0.3, 0.7), np.arange(N))


def planted() -> np.ndarray:
    return np.where(np.arange(N) % 4 == 0, 0.8, np.where(np.arange(N) % 4 == 1, -0.4, 0.0))


def test_the_true_effects_have_the_area_that_they_must_have() -> None:
    """A quarter has 0.8, half 0, a quarter −0.4. Sorted, the gain per user is 0.8x up to a quarter: 0.2; then flat to
    three quarters; then falls to 0.1. Less 0.1x, the area is 0.025 + 0.1 + 0.0375 − 0.05 = 0.1125."""
    effect = planted()
    area = qini(judged(effect, effect))
    assert area.value == pytest.approx(0.1125, abs=3 * area.error)
    assert area.error < 0.02


def test_a_prediction_of_nothing_has_no_area_and_a_turned_one_a_negative_one() -> None:
    effect = planted()
    same = qini(judged(np.ones(N), effect))
    assert same.value == pytest.approx(0.0, abs=1e-3)
    turned = qini(judged(-effect, effect))
    assert turned.value < -2 * turned.error


def test_predictions_twice_too_large_have_a_slope_of_a_half() -> None:
    effect = planted()
    right, large = calibration_slope(judged(effect, effect)), calibration_slope(judged(2 * effect, effect))
    assert right.value == pytest.approx(1.0, abs=3 * right.error)
    assert large.value == pytest.approx(right.value / 2)


def test_the_mean_effect_is_that_of_the_arms() -> None:
    effect = planted()
    mean = mean_effect(judged(effect, effect))
    assert mean.value == pytest.approx(effect.mean(), abs=3 * mean.error)  # 0.1
    assert mean.error == pytest.approx(np.sqrt(1.0 / (0.3 * N) + 1.0 / (0.7 * N)), rel=0.5)
