"""The prices of limits at which the bound on what any allocation can bring is lowest.

Every limit gets a price for each unit of it. At given prices each user is given the set that is worth most after them;
what all users are worth so, and the limits at their prices, is no less than what any allocation within the limits can
bring (Lagrange). Each such answer is a line below which the bound cannot lie at other prices.

Of few limits the lowest point of all lines says which prices to ask about next (Kelley 1960): exact, within some ten
answers. Of many, such as one for the stock of each product, so few lines say too little; but each limit concerns a
small part of the users and the bound bends almost smoothly, so that a quasi-Newton method within bounds finds the
lowest point (L-BFGS-B, Byrd et al. 1995), if prices are counted in what a unit is usually worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog, minimize

from promo_spark.decisions.allocation.options import Floats, Ints

_CLOSE = 1e-5  # relative distance of the bound from the lowest that it can have, at which the search ends
_FEW = 24  # limits, up to which cutting planes find the lowest point
_RANGE = 1.6  # factor by which prices may differ from those that a sample told, before the range is widened


@dataclass(frozen=True)
class Answer:
    """What all users are worth at some prices, and what their sets use."""

    prices: Floats  # micro per unit
    worth: float
    used: Ints

    def bound(self, most: Ints) -> float:
        """No allocation within these limits brings more."""
        return self.worth + float(self.prices @ most)


Ask = Callable[[Sequence[Floats]], list[Answer]]


@dataclass(frozen=True)
class DualBound:
    """`prices` of all limits, and the `bound` there; all `answers` that were had."""

    prices: Floats
    bound: float
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Usual:
    """What is usual of a unit of each limit: its `worth`, and the `weight` of the options that use it, above 0."""

    worth: Floats  # micro per unit
    weight: Floats


def lowest_bound(
    ask: Ask, most: Ints, *, passes: int, usual: Usual | None = None, start: Floats | None = None
) -> DualBound:
    """The prices at which the bound is lowest, found with at most so many passes over the users.

    `usual`: of the options; needed for many limits. `start`: prices that a sample told. Where limits are so wide that
    none binds, all prices are 0.

    Three users for whom it is worth 3, 2 and 1 to be given one unit each, of which there are two:

    >>> most = np.array([2])
    >>> def ask(asked):
    ...     worths = [np.maximum(np.array([3.0, 2.0, 1.0]) - p[0], 0.0) for p in asked]
    ...     return [Answer(p, float(w.sum()), np.array([int((w > 0).sum())])) for p, w in zip(asked, worths)]
    >>> found = lowest_bound(ask, most, passes=20)
    >>> bool(1 <= found.prices[0] <= 2), round(found.bound, 3)
    (True, 5.0)
    """
    free = np.zeros(len(most))
    answers = ask([free] if start is None else [free, start])
    if np.all(answers[0].used <= most):
        return DualBound(free, answers[0].worth, tuple(answers))
    if usual is not None and len(most) > _FEW:
        return _descended(ask, most, passes, usual, answers)
    whole = max(answers[0].worth, 1.0)
    # at the lowest bound no limit's price × most is above the bound without prices: all is counted in shares of it
    scale = np.where(most > 0, whole / np.maximum(most, 1), whole)
    low, high = np.zeros(len(most)), np.ones(len(most))
    if start is not None:
        low, high = start / scale / _RANGE, np.minimum(start / scale * _RANGE + 1e-9, 1.0)
    for _ in range(passes - 1):
        best = min(answers, key=lambda answer: answer.bound(most))
        slopes = np.array([(most - answer.used) * scale / whole for answer in answers])
        rest = np.array([answer.worth / whole + float(answer.prices @ answer.used) / whole for answer in answers])
        lowest = linprog(
            np.append(np.zeros(len(most)), 1.0),
            A_ub=np.column_stack([slopes, -np.ones(len(slopes))]),
            b_ub=-rest,
            bounds=[*zip(low, high, strict=True), (None, None)],
            method="highs",
        )
        if lowest.x is None:
            break
        at_edge = ((lowest.x[:-1] <= low * (1 + 1e-9)) & (low > 0)) | ((lowest.x[:-1] >= high) & (high < 1.0))
        reached = best.bound(most) / whole
        if reached - lowest.fun <= _CLOSE * max(reached, 1e-9):
            if not at_edge.any():
                break
            low, high = np.where(at_edge, 0.0, low), np.where(at_edge, 1.0, high)
            continue
        prices = lowest.x[:-1] * scale
        # the lowest point of few lines lies far off: a point between it and the best one known says more
        answers += ask([prices, (prices + best.prices) / 2])
    best = min(answers, key=lambda answer: answer.bound(most))
    return DualBound(best.prices, best.bound(most), tuple(answers))


class _EnoughError(Exception):
    """So many passes were made as are allowed."""


def _descended(ask: Ask, most: Ints, passes: int, usual: Usual, answers: list[Answer]) -> DualBound:
    """The lowest bound of many limits, from the best answer that is there."""
    whole = max(answers[0].worth, 1.0)
    # prices in units in which the bound bends about as much along each
    unit = usual.worth / np.sqrt(usual.weight / usual.weight.sum()) / len(most)

    def bound_at(counted: Floats) -> tuple[float, Floats]:
        if len(answers) > passes:
            raise _EnoughError
        (answer,) = ask([counted * unit])
        answers.append(answer)
        return answer.bound(most) / whole, (most - answer.used) * unit / whole

    options: dict[str, Any] = {"maxcor": 20, "maxfun": 10 * passes, "maxiter": 10 * passes, "ftol": 0.0, "gtol": 0.0}
    bounds = [(0, None)] * len(most)
    while True:  # at a kink the search may end too soon: it begins again where it was best
        best = min(answers, key=lambda answer: answer.bound(most))
        try:
            minimize(bound_at, best.prices / unit, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        except _EnoughError:
            break
        if min(answer.bound(most) for answer in answers) > best.bound(most) * (1 - _CLOSE):
            break
    best = min(answers, key=lambda answer: answer.bound(most))
    return DualBound(best.prices, best.bound(most), tuple(answers))
