"""Qini of several arms with costs: the path against a linear program, the figures on planted effects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from promo_spark.models.uplift.cost_curves import JudgedArms, area_up_to, cost_figures, gain_path, hull_steps
from promo_spark.models.uplift.histories import Floats

N = 8000


def best_by_linear_program(cost: Floats, gain: Floats, budget: float) -> float:
    """The most that a budget can gain, if parts of offers could be given: at most one offer to each user."""
    users, arms = cost.shape
    one_each = np.kron(np.eye(users), np.ones(arms))
    limits = np.vstack([one_each, cost.ravel()])
    solved = linprog(-gain.ravel(), A_ub=limits, b_ub=np.r_[np.ones(users), budget], bounds=(0, 1), method="highs")
    return float(-solved.fun)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), users=st.integers(1, 6), arms=st.integers(1, 5))
def test_the_path_is_the_best_plan_at_every_budget(seed: int, users: int, arms: int) -> None:
    """Gains of both signs, and equal costs and gains among them."""
    draw = np.random.default_rng(seed)
    cost, gain = draw.integers(1, 6, (users, arms)) / 2.0, draw.integers(-4, 9, (users, arms)) / 2.0
    spent, gained = gain_path(hull_steps(cost, gain), gain)
    for budget in np.r_[np.linspace(0, spent[-1] * 1.2 + 0.1, 7), spent]:
        reached = float(np.interp(budget, spent, gained))
        assert reached == pytest.approx(best_by_linear_program(cost, gain, float(budget)), abs=1e-6)


@given(seed=st.integers(0, 10**6))
def test_each_step_brings_less_per_cost_than_the_one_before(seed: int) -> None:
    draw = np.random.default_rng(seed)
    cost, gain = draw.uniform(0.1, 3, (20, 6)), draw.normal(0.5, 1, (20, 6))
    spent, gained = gain_path(hull_steps(cost, gain), gain)
    slopes = np.diff(gained) / np.diff(spent)
    assert (np.diff(slopes) <= 1e-9).all() and (slopes > 0).all()


def test_an_arm_that_nobody_could_have_is_on_no_path() -> None:
    cost, gain = np.array([[1.0, np.nan], [1.0, 1.0]]), np.array([[1.0, np.nan], [-1.0, -2.0]])
    steps = hull_steps(cost, gain)
    assert (steps.row.tolist(), steps.arm.tolist()) == ([0], [0])


def judged(order: Floats, seed: int = 1) -> tuple[JudgedArms, Floats]:
    """Two arms that cost 1 and 2. Half of the users gain 1 by the first and 1.5 by the second, the others lose 0.2.

    Scores are unbiased with a noise of 1; `order`: what the prediction is multiplied by, user by user.
    """
    draw = np.random.default_rng(seed)
    effect = np.where((np.arange(N) % 2 == 0)[:, None], [[1.0, 1.5]], [[-0.2, -0.2]])
    score = effect + draw.normal(0, 1, effect.shape)
    cost = np.broadcast_to([1.0, 2.0], effect.shape)
    return JudgedArms(cost, effect * order[:, None], score, np.zeros(N, np.int64), np.arange(N)), effect


def test_the_figures_of_a_right_prediction_are_what_they_must_be() -> None:
    """Half of the users at 1 for 1, then 0.5 more for 1 more. By user: 0.5 at a budget of 0.5, 0.75 at 1.0, so a mean
    of 0.25 over the first half of the budgets and 0.625 over the second. By chance every budget is spent on the first
    arm, whose mean of 0.4 per cost beats the others': 0.4 at a budget of 1, 0.2 on average."""
    of, _ = judged(np.ones(N))
    told = cost_figures(of)
    assert told["aucc"].value == pytest.approx((0.25 + 0.625) / 2, abs=3 * told["aucc"].error)
    assert told["qini_with_costs"].value == pytest.approx(0.4375 - 0.2, abs=3 * told["qini_with_costs"].error)
    assert 0 < told["qini_with_costs"].error < 0.03


def test_a_turned_prediction_is_worse_than_nothing_and_a_blind_one_no_better_than_chance() -> None:
    """Turned: those who lose 0.2 get the first arm, half of all: −0.1 at the end, −0.05 on average; the means say
    that nobody should get one. Blind: half of the users by chance, first arm, then second: 0.18 to chance's 0.2."""
    turned = cost_figures(judged(-np.ones(N))[0])["qini_with_costs"]
    assert turned.value == pytest.approx(-0.05, abs=3 * turned.error)
    of, _ = judged(np.ones(N))
    mixed = of.predicted[np.random.default_rng(2).permutation(N)]
    blind = cost_figures(JudgedArms(of.cost, mixed, of.score, of.experiment, of.user))["qini_with_costs"]
    assert blind.value == pytest.approx(0.18125 - 0.2, abs=4 * blind.error)


def test_the_error_is_how_far_figures_of_other_draws_scatter() -> None:
    told = [cost_figures(judged(np.ones(N), seed)[0])["qini_with_costs"] for seed in range(25)]
    scatter = np.std([estimate.value for estimate in told])
    assert scatter == pytest.approx(np.mean([estimate.error for estimate in told]), rel=0.5)


def test_the_mean_over_budgets_counts_parts_of_steps_and_what_is_left_over() -> None:
    spent, gained = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 3.0])
    assert area_up_to(spent, gained, 2.0) == pytest.approx((1.0 + (2.0 + 2.5) / 2) / 2)
    assert area_up_to(spent, gained, 4.0) == pytest.approx((1.0 + 5.0 + 3.0) / 4)
    assert area_up_to(spent, gained, 0.0) == 0.0
