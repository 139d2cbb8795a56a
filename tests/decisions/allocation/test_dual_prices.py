"""The allocation by dual prices: within all limits, close to its bound, and the bound is one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from promo_spark.decisions.allocation.dual_prices import NOTHING, Problem, allocated, used


def problem(seed: int, users: int, candidates: int, limits: int, room: float) -> Problem:
    """Values of both signs; the first limit counts all costs, each further one those of some candidates."""
    draw = np.random.default_rng(seed)
    value = draw.normal(0.5, 1.0, (users, candidates))
    cost = draw.gamma(1.0, 1.0, (users, candidates))
    of_limit = [np.ones(candidates, bool), *(draw.random((limits - 1, candidates)) < 0.4)]
    use = np.array([np.where(counts, cost, 0.0) for counts in of_limit])
    return Problem(value, use, most=room * users * draw.uniform(0.3, 1.0, limits))


def best_of_all(of: Problem) -> float:
    """By trying every choice."""
    users, candidates = of.value.shape
    best = 0.0
    for choice in itertools.product(range(-1, candidates), repeat=users):
        chosen = np.array(choice)
        if np.all(used(of, chosen) <= of.most):
            rows = np.flatnonzero(chosen != NOTHING)
            best = max(best, float(of.value[rows, chosen[rows]].sum()))
    return best


def relaxed(of: Problem) -> float:
    """The value where choices may be split: no whole choice is worth more."""
    users, candidates = of.value.shape
    once = np.kron(np.eye(users), np.ones(candidates))
    rows = np.vstack([of.use.reshape(len(of.most), -1), once])
    solved = linprog(-of.value.ravel(), A_ub=rows, b_ub=np.append(of.most, np.ones(users)), bounds=(0, 1))
    return float(-solved.fun)


@pytest.mark.parametrize("seed", range(20))
def test_small_cases_keep_every_limit_and_their_bound_holds(seed: int) -> None:
    of = problem(seed, users=5, candidates=3, limits=2, room=0.5)
    found, best = allocated(of), best_of_all(of)
    assert np.all(used(of, found.choice) <= of.most)
    assert found.value <= best + 1e-9 <= found.bound + 1e-6
    rows = np.flatnonzero(found.choice != NOTHING)
    assert found.value == pytest.approx(of.value[rows, found.choice[rows]].sum())


@pytest.mark.parametrize("limits", [1, 3, 5])
@pytest.mark.parametrize("room", [0.02, 0.2, 1.0])
def test_large_cases_come_close_to_what_splitting_would_allow(limits: int, room: float) -> None:
    of = problem(7, users=400, candidates=6, limits=limits, room=room)
    found = allocated(of)
    assert np.all(used(of, found.choice) <= of.most)
    assert found.bound == pytest.approx(relaxed(of), rel=1e-4)
    assert found.gap < 0.02 + 5 / (room * 400)  # a choice cannot be split: the less there is, the more that costs


def test_the_bound_never_falls_when_a_limit_rises() -> None:
    of = problem(3, users=300, candidates=5, limits=3, room=0.1)
    found = [allocated(Problem(of.value, of.use, of.most * factor)) for factor in (0.0, 0.5, 1.0, 2.0, 50.0)]
    bounds = [one.bound for one in found]
    assert all(low <= high + 1e-6 for low, high in itertools.pairwise(bounds))
    for low, high in itertools.pairwise(found):
        assert high.value >= low.value - high.gap * high.bound - 1e-9
    everything = np.maximum(of.value.max(axis=1), 0).sum()
    assert found[-1].value == pytest.approx(everything) and found[-1].prices == pytest.approx(0, abs=1e-6)


def test_nobody_gets_what_is_worth_nothing() -> None:
    value = np.array([[-1.0, 0.0], [2.0, -3.0]])
    found = allocated(Problem(value, np.ones((1, 2, 2)), np.array([10.0])))
    assert found.choice.tolist() == [NOTHING, 0]
