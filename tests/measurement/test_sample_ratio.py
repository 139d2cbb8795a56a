"""Arms that are not of the size that was drawn."""

from __future__ import annotations

import numpy as np

from promo_spark.measurement.sample_ratio import ALARM, sample_ratio_p

HALVES = {"a": 0.5, "b": 0.5}


def p_of(treated: int, users: int, share: float = 0.5) -> float:
    p = sample_ratio_p({"a": treated, "b": users - treated}, {"a": share, "b": 1 - share})
    assert p is not None
    return p


def test_arms_as_they_were_drawn_hardly_ever_raise_an_alarm() -> None:
    """K06: of 4,000 drawn experiments 5 % have p < 0.05, ± 1.1 (three errors), and at most 0.2 % p < 0.001."""
    drawn = np.random.default_rng(3).binomial(10_000, 0.9, 4_000)
    p = np.array([p_of(int(n), 10_000, 0.9) for n in drawn])
    assert abs((p < 0.05).mean() - 0.05) < 0.011 and abs((p < 0.5).mean() - 0.5) < 0.025
    assert (p < ALARM).mean() <= 0.002


def test_a_hundredth_of_an_arm_that_is_lost_is_found_at_a_million_users() -> None:
    """K06: 5,000 of 500,000 are lost, 2,500 from the half that is expected: five standard deviations of 499."""
    draw = np.random.default_rng(4)
    found = 0
    for _ in range(200):
        first = int(draw.binomial(1_000_000, 0.5))
        kept = first - int(draw.binomial(first, 0.01))
        found += p_of(kept, 1_000_000 - first + kept) < ALARM
    assert found >= 180


def test_arms_that_nobody_was_drawn_for() -> None:
    assert sample_ratio_p({}, HALVES) is None and sample_ratio_p({"a": 0}, HALVES) is None
    assert sample_ratio_p({"a": 50, "b": 49, "c": 1}, HALVES) == 0.0
    assert sample_ratio_p({"a": 50, "c": 1}, {"a": 1.0, "c": 0.0}) == 0.0
    assert sample_ratio_p({"a": 50}, {"a": 1.0, "c": 0.0}) == 1.0
    assert p_of(0, 20) < ALARM  # an arm is missing: 2 in a million
