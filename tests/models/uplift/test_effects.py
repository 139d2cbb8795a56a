"""Effects fitted on experiments whose answer is planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from promo_spark.contracts.responses import OFFER_MECHANICS
from promo_spark.models.uplift.effects import SHARES, Effects, Evidence, believed_effects, fitted_effects

COUPON, DISCOUNT = OFFER_MECHANICS.index("coupon"), OFFER_MECHANICS.index("discount")


def evidence(rows: int, seed: int, size: float = 1.0) -> tuple[Evidence, np.ndarray]:
    """Half of the users are drawn by coupons of 10, 20, 30 %, by 0.4 at 20 %; a fifth is put off as much; the others
    do not care. Half of the rows have no offer."""
    draw = np.random.default_rng(seed)
    kind = draw.random(rows)
    own = np.where(kind < 0.5, 6.0, np.where(kind < 0.7, -6.0, 0.0))
    mechanic = np.where(draw.random(rows) < 0.5, COUPON, -1)
    saving = np.where(mechanic >= 0, draw.choice([0.1, 0.2, 0.3], rows), 0.0)
    share = np.where(mechanic >= 0, 0.1, 0.0)
    baseline = draw.gamma(2.0, 0.7, rows) + 0.05
    log = size * own * saving * np.sqrt(share)
    visits = draw.poisson(baseline * np.exp(log)).astype(np.float64)
    return Evidence(visits, baseline, mechanic, saving, share, own, np.ones(rows)), own


def at(effects: Effects, saving: float, pull: float, mechanic: int = COUPON) -> float:
    one = np.ones(1)
    return float(effects.log_effect(one.astype(int) * mechanic, one * saving, one * 0.1, one * pull)[0])


def test_experiments_tell_the_effect_of_each_users_pull() -> None:
    of, _ = evidence(60_000, seed=1)
    effects = fitted_effects(of, OFFER_MECHANICS)
    for pull in (6.0, 0.0, -6.0):
        assert at(effects, 0.2, pull) == pytest.approx(pull * 0.2 * np.sqrt(0.1), abs=0.05)


def test_a_pull_that_is_believed_too_strong_is_brought_down() -> None:
    """Were the pulls half as large as earlier answers say, the experiments show it."""
    of, _ = evidence(60_000, seed=2, size=0.5)
    effects = fitted_effects(of, OFFER_MECHANICS)
    assert at(effects, 0.2, 6.0) == pytest.approx(0.5 * 6.0 * 0.2 * np.sqrt(0.1), abs=0.05)


def test_the_effect_rises_with_the_saving_whoever_the_user_is() -> None:
    of, _ = evidence(20_000, seed=3)
    effects = fitted_effects(of, OFFER_MECHANICS)
    sizes = [abs(at(effects, saving, 6.0)) for saving in (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)]
    assert sizes[0] == 0 and sizes == sorted(sizes)
    put_off = [at(effects, saving, -6.0) for saving in (0.1, 0.2, 0.3)]
    assert put_off == sorted(put_off, reverse=True) and put_off[0] < 0


@pytest.mark.parametrize("half", [0.01, 0.1, 1.0])
def test_how_the_effect_goes_with_the_share_is_told_by_experiments(half: float) -> None:
    """R = share / (share + half): nearly flat, half at a tenth, nearly a line. What is told of a small share over a
    large one is nearer to the truth than the square root is, which is believed without experiments."""
    of, own = evidence(60_000, seed=5)
    share = np.where(of.mechanic >= 0, np.random.default_rng(6).choice([0.02, 0.1, 0.5], len(of)), 0.0)
    log = own * of.saving * share / (share + half) * (0.1 + half) / 0.1 * np.sqrt(0.1)  # as before at a share of 0.1
    visits = np.random.default_rng(7).poisson(of.baseline * np.exp(log)).astype(np.float64)
    told = fitted_effects(replace(of, visits=visits, share=share), OFFER_MECHANICS)
    ratio = np.divide(*np.interp([0.02, 0.5], SHARES, told.shares))
    true = 0.02 / (0.02 + half) / (0.5 / (0.5 + half))  # 0.68, 0.2, 0.06
    assert abs(np.log(ratio / true)) < abs(np.log(np.sqrt(0.02 / 0.5) / true)) / 2 + 0.1


def test_with_few_rows_only_the_mean_effect_is_told() -> None:
    of, _ = evidence(900, seed=4)
    effects = fitted_effects(of, OFFER_MECHANICS)
    assert effects.slope == 0 and effects.rows == 900
    assert at(effects, 0.2, 6.0) == at(effects, 0.2, -6.0)
    # The arms' mean: what 50 % at +6 and 20 % at −6 come to is positive.
    assert 0 < at(effects, 0.2, 0.0) < 6.0 * 0.2 * np.sqrt(0.1)


def test_without_experiments_earlier_answers_are_believed() -> None:
    of, _ = evidence(2000, seed=5)
    nobody = fitted_effects(of.rows(of.mechanic < 0), OFFER_MECHANICS)
    assert nobody.rows == 0 and not any(nobody.randomised)
    assert at(nobody, 0.2, 6.0) == at(believed_effects(OFFER_MECHANICS), 0.2, 6.0)


def test_a_mechanic_that_was_never_tried_is_transferred() -> None:
    of, _ = evidence(20_000, seed=6)
    effects = fitted_effects(of, OFFER_MECHANICS)
    assert effects.randomised[COUPON] and not effects.randomised[DISCOUNT]
    assert at(effects, 0.2, 6.0, DISCOUNT) > 0


def test_intervals_of_the_mean_effect_hold_the_truth() -> None:
    """Of 40 shops, with 2,000 rows each, 95 % of the intervals hold what the coupon does to who is drawn by it."""
    held, truth = 0, 6.0 * 0.2 * np.sqrt(0.1)
    for seed in range(40):
        of, _ = evidence(2000, seed=100 + seed)
        effects = fitted_effects(of, OFFER_MECHANICS)
        one = np.ones(1)
        curve = float(effects.curve(one.astype(int) * COUPON, one * 0.2, one * 0.1)[0])
        error = curve * float(effects.own_error(one * 6.0, np.zeros(1))[0])
        error = float(np.hypot(error, at(effects, 0.2, 6.0) * effects.size_error[COUPON] / effects.size[COUPON]))
        held += abs(at(effects, 0.2, 6.0) - truth) <= 1.96 * error
    assert held >= 36  # 38 are expected, of one in twenty that miss


def test_effects_survive_being_written_down() -> None:
    of, _ = evidence(3000, seed=7)
    effects = fitted_effects(of, OFFER_MECHANICS)
    assert at(Effects.from_plain(effects.to_plain()), 0.17, 3.0) == at(effects, 0.17, 3.0)


def test_what_else_is_known_of_users_refines_their_pull() -> None:
    """All users' answers say 3; who has a trait is drawn by twice that, who has not by nothing. The other trait is
    noise. An effect is told of both kinds, and what is not known to matter is left nearly alone."""
    draw = np.random.default_rng(8)
    of, _ = evidence(30_000, seed=8)
    trait = np.where(draw.random(len(of)) < 0.5, 1.0, 0.0)
    traits = np.column_stack([trait, draw.normal(size=len(of))])
    has, pull = of.mechanic >= 0, np.full(len(of), 3.0)
    log = np.where(has, 6.0 * trait * of.saving * np.sqrt(0.1), 0.0)
    visits = draw.poisson(of.baseline * np.exp(log)).astype(np.float64)
    told = fitted_effects(replace(of, visits=visits, pull=pull, traits=traits), OFFER_MECHANICS)
    refined = told.refined(pull, traits)
    for kind, own in ((trait > 0, 6.0), (trait == 0, 0.0)):
        effect = at(told, 0.2, float(refined[kind].mean()))
        assert effect == pytest.approx(own * 0.2 * np.sqrt(0.1), abs=0.06)
    assert abs(told.leaning[0]) > 10 * abs(told.leaning[1])
    error = told.own_error(refined, np.zeros(len(of)), traits)
    assert 0 < error.mean() < 1.0
    assert (Effects.from_plain(told.to_plain()).refined(pull, traits) == refined).all()
