"""Drift is measured against the users that the segments were fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.segments.drift import Drift, Nearness
from promo_spark.models.segments.prototypes import Prototypes

LIMITS = {"share_shift": 0.1, "distance_growth": 0.1}
CENTRES = np.array([[-2.0, 0.0], [2.0, 0.0]])
PLACED = Prototypes.of_centres(CENTRES)


def users(left: int, right: int, *, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """So many users around each of the two centres."""
    around = np.repeat(CENTRES, [left, right], axis=0)
    return around + np.random.default_rng(seed).normal(0, 0.3, around.shape)


FITTED = Nearness.of(users(500, 500), PLACED)


def test_the_same_kind_of_users_is_no_drift() -> None:
    drift = Drift.between(FITTED, Nearness.of(users(490, 510, seed=2), PLACED))
    assert drift.beyond(**LIMITS) == ""
    assert drift.share_shift < 0.001


def test_users_who_move_to_another_segment_are_drift() -> None:
    drift = Drift.between(FITTED, Nearness.of(users(300, 700), PLACED))  # 0.2 · ln(0.7/0.5) − 0.2 · ln(0.3/0.5)
    assert drift.share_shift == pytest.approx(0.2 * np.log(0.7 / 0.5) - 0.2 * np.log(0.3 / 0.5), abs=0.002)
    assert "shares have shifted by 0.169" in drift.beyond(**LIMITS)


def test_a_new_kind_of_users_far_from_all_centres_is_drift_though_the_shares_stay() -> None:
    far = np.array([[-2.0, 3.0], [2.0, 3.0]]).repeat(50, axis=0)  # a tenth of all, half of them on each side
    drift = Drift.between(FITTED, Nearness.of(np.vstack([users(450, 450), far]), PLACED))
    assert drift.share_shift < 0.001
    assert drift.distance_growth == pytest.approx(0.1 * (3 - FITTED.mean_distance()), abs=0.02)
    assert "farther from their centres" in drift.beyond(**LIMITS)


def test_where_there_are_no_users_there_is_no_drift() -> None:
    nobody = Nearness.of(np.zeros((0, 2)), PLACED)
    assert nobody == Nearness((0, 0), (0.0, 0.0))
    assert Drift.between(FITTED, nobody) == Drift.between(nobody, FITTED) == Drift(0.0, 0.0)
