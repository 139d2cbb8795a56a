"""What mailers bring besides, told from trend, weekdays, campaigns and festivals."""

from __future__ import annotations

import numpy as np

from promo_spark.models.elasticity.visits import halo_of_mailers

WEEKS = 26
WEEKDAYS = np.tile([1.0, 1.0, 0.9, 1.0, 1.2, 1.5, 1.4], WEEKS)


def test_a_planted_halo_is_found_through_campaigns_and_a_festival() -> None:
    """Visits × exp(0.5 · mailed); two-week campaigns move them by up to 5 %, a festival's five days by 60 %."""
    draw = np.random.default_rng(3)
    mailed = draw.uniform(0.0, 0.2, WEEKS)
    campaign = np.repeat(draw.uniform(-0.05, 0.05, WEEKS // 2), 14)
    expected = 3000 * WEEKDAYS * np.exp(0.5 * np.repeat(mailed, 7) + campaign + 0.001 * np.arange(WEEKS * 7))
    expected[80:85] *= 1.6
    orders = draw.poisson(expected).astype(np.float64)
    halo = halo_of_mailers(orders, mailed, changes=range(0, WEEKS * 7, 14))
    assert halo is not None
    assert halo.told
    assert abs(halo.effect - 0.5) < 2.5 * halo.error
    assert halo.error < 0.1


def test_mailers_that_draw_nobody_are_not_told_from_nothing() -> None:
    draw = np.random.default_rng(5)
    orders = draw.poisson(3000 * WEEKDAYS).astype(np.float64)
    halo = halo_of_mailers(orders, draw.uniform(0.0, 0.2, WEEKS))
    assert halo is not None
    assert not halo.told


def test_where_no_mailer_differs_nothing_can_be_told() -> None:
    orders = 3000 * WEEKDAYS
    assert halo_of_mailers(orders, np.full(WEEKS, 0.1)) is None
    assert halo_of_mailers(orders, np.zeros(WEEKS)) is None
    assert halo_of_mailers(orders[:14], np.array([0.0, 0.1])) is None, "two weeks are too few"
