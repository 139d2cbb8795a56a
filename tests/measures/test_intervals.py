"""Intervals for people who look every day."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.measures.intervals import always_valid_interval, fixed_interval


def test_who_looks_every_day_is_not_deceived_by_chance() -> None:
    """K06: 28 looks at nothing: fixed intervals leave 0 out in about 23 of 100 cases, always valid ones in 5."""
    draw, days = np.random.default_rng(1), np.arange(1, 29)
    means = draw.normal(0.0, 1.0, (2_000, 28)).cumsum(axis=1) / days
    errors = 1 / np.sqrt(days)
    deceived = {"fixed": 0, "always": 0}
    for row in means:
        looks = list(zip(row.tolist(), errors.tolist(), strict=True))
        deceived["fixed"] += not all(fixed_interval(m, e).holds(0.0) for m, e in looks)
        deceived["always"] += not all(always_valid_interval(m, e, tightest_at=errors[-1]).holds(0.0) for m, e in looks)
    assert deceived["fixed"] > 0.18 * 2_000
    assert deceived["always"] <= 0.05 * 2_000


def test_it_is_narrowest_where_it_was_asked_to_be() -> None:
    """For a year of looks the one made for the last day is narrower there, and wider on the first."""
    made = {day: 1 / np.sqrt(day) for day in (2, 365)}
    width = {
        (day, look): always_valid_interval(0.0, 1 / np.sqrt(look), tightest_at=error).high
        for day, error in made.items()
        for look in (2, 365)
    }
    assert width[365, 365] < width[2, 365] and width[2, 2] < width[365, 2]
    assert width[365, 365] / (1.96 * made[365]) == pytest.approx(1.55, abs=0.05)  # what looking every day costs
    assert always_valid_interval(1.0, 0.0, tightest_at=1.0).low == 1.0


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_a_fixed_one_leaves_the_truth_out_as_often_as_it_says(alpha: float) -> None:
    drawn = np.random.default_rng(2).normal(0.0, 2.0, 20_000)
    out = sum(not fixed_interval(x, 2.0, alpha=alpha).holds(0.0) for x in drawn.tolist())
    assert out / 20_000 == pytest.approx(alpha, abs=0.01)
