"""The best allocation under shared limits, by a price for each limit: one choice per user, whole, never over a limit.

Every limit gets a price for each unit of it; each user takes the candidate that is worth most after the prices, or
none. The lowest sum of what users get so and what the limits cost is a bound on what any allocation can be worth
(Lagrange; for knapsacks of a billion users: Zhang et al. 2020, arXiv 2002.00352). The prices are found by cutting
planes: a few passes over all users, each of which is a sum per limit. Then prices are raised until the choice keeps
every limit, and what is left of the limits goes to the changes that gain most for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NOTHING = -1
_PASSES, _CLOSE = 60, 1e-6  # passes at most; relative distance of the bounds at which they end
_RAISES = 40  # halvings of the factor by which prices are raised


@dataclass(frozen=True)
class Problem:
    """`value`: user × candidate. `use`: limit × user × candidate, never negative. `most`: what each limit allows."""

    value: Floats
    use: Floats
    most: Floats


@dataclass(frozen=True)
class Allocation:
    """`choice`: each user's candidate or NOTHING; `prices` per unit of each limit; `bound`: no more is possible."""

    choice: Ints
    value: float
    prices: Floats
    bound: float

    @property
    def gap(self) -> float:
        """How far the value may lie below the best, as a share of the bound."""
        return (self.bound - self.value) / self.bound if self.bound > 0 else 0.0


def allocated(problem: Problem) -> Allocation:
    """The best choice for all users together that keeps every limit.

    >>> value, use = np.array([[3.0, 2.0], [3.0, 2.0]]), np.array([[[2.0, 1.0], [2.0, 1.0]]])
    >>> best = allocated(Problem(value, use, most=np.array([3.0])))
    >>> sorted(best.choice.tolist()), best.value, round(best.bound, 6)
    ([0, 1], 5.0, 5.0)
    """
    problem = _possible(problem)
    prices, bound = _prices(problem)
    choice = _kept_within(problem, prices)
    choice = _filled(problem, choice, prices)
    return Allocation(choice, worth(problem, choice), prices, bound)


def _possible(problem: Problem) -> Problem:
    """The same, where what alone is more than a limit cannot be chosen."""
    fits = np.all(problem.use <= problem.most[:, None, None], axis=0)
    return Problem(np.where(fits, problem.value, -np.inf), problem.use, problem.most)


def chosen_at(problem: Problem, prices: Floats) -> tuple[Ints, Floats]:
    """Each user's best candidate at these prices, NOTHING where none is worth it, and its worth after the prices."""
    net = problem.value - np.tensordot(prices, problem.use, axes=1)
    best = net.argmax(axis=1)
    worth = net[np.arange(len(net)), best]
    return np.where(worth > 0, best, NOTHING), np.maximum(worth, 0.0)


def used(problem: Problem, choice: Ints) -> Floats:
    """What a choice uses of each limit."""
    rows = np.flatnonzero(choice != NOTHING)
    total: Floats = problem.use[:, rows, choice[rows]].sum(axis=1)
    return total


def worth(problem: Problem, choice: Ints) -> float:
    """What a choice is worth."""
    rows = np.flatnonzero(choice != NOTHING)
    return float(problem.value[rows, choice[rows]].sum())


def _prices(problem: Problem) -> tuple[Floats, float]:
    """The prices at which the bound is lowest, and that bound, by cutting planes.

    Where the bound is lowest no limit's price × most is above the bound without prices: all is counted in shares of it.
    """
    limits = len(problem.most)
    best, at = np.inf, np.zeros(limits)
    cuts: list[Floats] = []
    rest: list[float] = []
    whole = max(float(chosen_at(problem, np.zeros(limits))[1].sum()), 1e-12)
    scale = np.where(problem.most > 0, whole / np.maximum(problem.most, 1e-300), 0.0)  # price of a share of 1
    prices = np.zeros(limits)
    for _ in range(_PASSES):
        choice, worth = chosen_at(problem, prices)
        bound = float(worth.sum() + prices @ problem.most)
        if bound < best:
            best, at = bound, prices
        slope = problem.most - used(problem, choice)
        cuts.append(slope * scale / whole)
        rest.append((bound - float(slope @ prices)) / whole)
        # the lowest point of all cuts: minimise t with t ≥ rest + slope · prices
        lowest = linprog(
            np.append(np.zeros(limits), 1.0),
            A_ub=np.column_stack([np.array(cuts), -np.ones(len(cuts))]),
            b_ub=-np.array(rest),
            bounds=[*((0.0, 1.0) for _ in range(limits)), (None, None)],
            method="highs",
        )
        if lowest.x is None or best / whole - lowest.fun <= _CLOSE * max(best / whole, 1e-9):
            break
        prices = lowest.x[:limits] * scale
    return at, best


def _kept_within(problem: Problem, prices: Floats) -> Ints:
    """The choice at the lowest multiple of the prices that keeps every limit."""
    if np.all(used(problem, chosen_at(problem, prices)[0]) <= problem.most):
        return chosen_at(problem, prices)[0]
    base = np.where(prices > 0, prices, prices.max(initial=0.0) * 1e-6 + 1e-9)
    high = 1.0
    while not np.all(used(problem, chosen_at(problem, base * high)[0]) <= problem.most):
        high *= 2.0
    low = high / 2.0 if high > 1.0 else 0.0
    for _ in range(_RAISES):
        middle = (low + high) / 2
        if np.all(used(problem, chosen_at(problem, base * middle)[0]) <= problem.most):
            high = middle
        else:
            low = middle
    return chosen_at(problem, base * high)[0]


def _filled(problem: Problem, choice: Ints, prices: Floats) -> Ints:
    """What is left of the limits goes to the changes that gain most beyond the prices, as long as they fit."""
    every, choice = np.arange(len(choice)), choice.copy()
    left = problem.most - used(problem, choice)
    net = problem.value - np.tensordot(prices, problem.use, axes=1)
    for _ in range(3):
        has = choice != NOTHING
        now = np.where(has, problem.value[every, choice], 0.0)
        now_net = np.where(has, net[every, choice], 0.0)
        gain = problem.value - now[:, None]
        user, candidate = np.nonzero(gain > 1e-12)
        order = np.lexsort((candidate, user, -(net[user, candidate] - now_net[user])))
        changed = np.zeros(len(choice), bool)
        before = problem.use[:, every, choice] * has
        moved = 0
        for place in order[: 50 * 1000]:
            who, what = user[place], candidate[place]
            more = problem.use[:, who, what] - before[:, who]
            if not changed[who] and np.all(more <= left):
                choice[who], changed[who] = what, True
                left = left - more
                moved += 1
        if not moved:
            break
    return choice
