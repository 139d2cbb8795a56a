"""The population stability index, and what chance makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.measures.population_stability import population_stability, stability_by_chance


def test_the_index_is_the_sum_over_groups_with_half_a_user_more_in_each() -> None:
    # shares 100.5/201 and 100.5/201 before, 50.5/201 and 150.5/201 now
    before, now = np.array([0.5, 0.5]), np.array([50.5, 150.5]) / 201
    by_hand = ((now - before) * np.log(now / before)).sum()
    assert population_stability([100, 100], [50, 150]) == pytest.approx(by_hand, abs=1e-12)
    assert population_stability([100, 0], [0, 100]) < 20  # an empty group is no infinity


def test_a_group_that_is_new_or_gone_is_no_division_by_zero() -> None:
    new = population_stability([500, 500, 0], [450, 450, 100])
    assert 0.25 < new < 1
    assert new == pytest.approx(population_stability([450, 450, 100], [500, 500, 0]))  # the same in both directions
    assert population_stability([0, 0], [0, 0]) == 0.0


@pytest.mark.parametrize(("groups", "before", "now"), [(11, 200, 200), (11, 1000, 5000), (5, 400, 400)])
def test_two_samples_of_one_population_differ_by_what_chance_makes(groups: int, before: int, now: int) -> None:
    """The mean of 2,000 pairs of samples, whose own error is √(2 × (groups − 1)) / (groups − 1) / √2,000 = 2 %."""
    draw, shares = np.random.default_rng(7), np.full(groups, 1 / groups)
    pairs = zip(draw.multinomial(before, shares, 2000), draw.multinomial(now, shares, 2000), strict=True)
    mean = np.mean([population_stability(then.tolist(), today.tolist()) for then, today in pairs])
    assert mean == pytest.approx(stability_by_chance(groups, before, now), rel=0.08)
