"""The mean effect over users, with its error, on experiments whose answer is planted."""

from __future__ import annotations

import numpy as np

from promo_spark.contracts.responses import OFFER_MECHANICS
from promo_spark.models.uplift.effects import Evidence, fitted_effects
from promo_spark.models.uplift.histories import Floats
from promo_spark.models.uplift.mean_effects import mean_extra_visits

COUPON = OFFER_MECHANICS.index("coupon")


def shop(rows: int, seed: int) -> tuple[Evidence, Floats]:
    """Coupons of 10, 20, 30 % come to half of the users; a third is drawn by them, a sixth is put off."""
    draw = np.random.default_rng(seed)
    kind = draw.random(rows)
    pull = np.where(kind < 1 / 3, 6.0, np.where(kind < 1 / 2, -6.0, 0.0))
    mechanic = np.where(draw.random(rows) < 0.5, COUPON, -1)
    saving = np.where(mechanic >= 0, draw.choice([0.1, 0.2, 0.3], rows), 0.0)
    share = np.where(mechanic >= 0, draw.choice([0.05, 0.1, 0.3], rows), 0.0)
    baseline = draw.gamma(2.0, 0.7, rows) + 0.05
    visits = draw.poisson(baseline * np.exp(pull * saving * np.sqrt(share))).astype(np.float64)
    return Evidence(visits, baseline, mechanic, saving, share, pull, np.ones(rows)), pull


def test_the_intervals_of_the_arms_means_hold_the_truth() -> None:
    """30 shops with 3,000 rows each, three arms of each: 95 % of the intervals hold the true mean over the users."""
    held = 0
    for seed in range(30):
        of, pull = shop(3000, seed)
        effects = fitted_effects(of, OFFER_MECHANICS)
        one = np.ones(len(of))
        for saving in (0.1, 0.2, 0.3):
            told = mean_extra_visits(effects, of.baseline, one.astype(int) * COUPON, one * saving, one * 0.1, pull)
            true = (of.baseline * np.expm1(pull * saving * np.sqrt(0.1))).mean()
            held += abs(told.value - true) <= 1.96 * told.error
    assert 78 <= held <= 90  # 85.5 are expected; of one shop all three hold, or none


def test_more_rows_tell_the_mean_more_narrowly() -> None:
    """Four times the rows: half the error."""
    errors = []
    for rows in (5000, 20_000):
        of, pull = shop(rows, seed=1)
        one = np.ones(len(of))
        arm = one.astype(int) * COUPON
        effects = fitted_effects(of, OFFER_MECHANICS)
        errors.append(mean_extra_visits(effects, of.baseline, arm, one * 0.2, one * 0.1, pull).error)
    assert 1.5 < errors[0] / errors[1] < 2.7
