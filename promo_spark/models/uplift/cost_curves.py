"""What a budget buys, if several offers with costs can be given: the path of gains as the budget rises.

Each user may have one of several offers. On the user's upper hull of (cost, predicted effect) lie the offers that are
worth their money at some budget; the next step that brings most per cost is taken first, over all users (Sverdrup, Wu,
Athey and Wager 2025, "Qini curves for multi-armed treatment rules"). What the path brings is told by scores of
randomised rows, which the predictions have not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.models.uplift.histories import Bools, Floats, Ints
from promo_spark.models.uplift.uplift_metrics import Estimate, group_of, jackknife_error

_LEAST_COST = 1e-9


@dataclass(frozen=True)
class Steps:
    """One row per step up a user's hull, by what it brings per cost. `left`: the arm before it, −1: no offer."""

    row: Ints
    arm: Ints
    left: Ints
    cost: Floats  # beyond that of the arm before it


@dataclass(frozen=True)
class JudgedArms:
    """Row × arm, of randomised rows. NaN: the row could not have had the arm.

    `score`: an unbiased, noisy estimate of the effect; `experiment`: the rows of one have the same arms.
    """

    cost: Floats
    predicted: Floats
    score: Floats
    experiment: Ints
    user: Ints


def hull_steps(cost: Floats, gain: Floats) -> Steps:
    """Row × arm → steps. Arms that bring less than a cheaper one, or than nothing, are on no hull.

    The second arm of the first row brings more per cost than the first one, which is therefore left out.

    >>> steps = hull_steps(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([[1.0, 3.0], [2.0, 3.0]]))
    >>> list(zip(steps.row.tolist(), steps.left.tolist(), steps.arm.tolist(), steps.cost.tolist()))
    [(1, -1, 0, 1.0), (0, -1, 1, 2.0), (1, 0, 1, 2.0)]
    """
    rows, at = np.arange(len(cost)), np.full(len(cost), -1)
    spent, gained = np.zeros(len(cost)), np.zeros(len(cost))
    parts = []
    while len(rows):
        dearer, more = cost[rows] - spent[rows, None], gain[rows] - gained[rows, None]
        with np.errstate(invalid="ignore"):
            slope = np.where((more > 0) & (dearer > 0), more / np.maximum(dearer, _LEAST_COST), -np.inf)
        arm = slope.argmax(axis=1)
        best = slope[np.arange(len(rows)), arm]
        rows, arm, best = (values[np.isfinite(best)] for values in (rows, arm, best))
        parts.append((rows, arm, at[rows], cost[rows, arm] - spent[rows], best))
        at[rows], spent[rows], gained[rows] = arm, cost[rows, arm], gain[rows, arm]
    row, arm, left, more_cost, slope = (np.concatenate(values) for values in zip(*parts, strict=True))
    order = np.argsort(-slope, kind="stable")
    return Steps(row[order], arm[order], left[order], more_cost[order])


def gain_path(steps: Steps, score: Floats) -> tuple[Floats, Floats]:
    """What is spent, and gained by the scores, after each step, from nothing on; sums over the rows."""
    before = np.where(steps.left >= 0, score[steps.row, np.maximum(steps.left, 0)], 0.0)
    gained = np.cumsum(score[steps.row, steps.arm] - before)
    return np.r_[0.0, np.cumsum(steps.cost)], np.r_[0.0, gained]


def area_up_to(spent: Floats, gained: Floats, budget: float) -> float:
    """Mean of the gain over all budgets from 0 to this one; a part of a step brings that part of its gain.

    >>> area_up_to(np.array([0.0, 1.0]), np.array([0.0, 4.0]), budget=2.0)  # 2 on average, then 4
    3.0
    """
    if budget <= 0:
        return 0.0
    points = np.r_[spent[spent < budget], budget]
    return float(np.trapezoid(np.interp(points, spent, gained), points) / budget)


def cost_figures(of: JudgedArms) -> dict[str, Estimate]:
    """`aucc` and `qini_with_costs`, per row, each with the jackknife's error by users.

    aucc: mean of the gain over all budgets up to the one at which every row has its best arm. qini_with_costs: that,
    less the same for a plan that knows of each experiment the mean costs and effects only, and draws who gets them.
    """
    steps, group = hull_steps(of.cost, of.predicted), group_of(of.user)
    every = np.ones(len(of.user), bool)
    values = _figures(of, steps, every)
    left = np.array([_figures(of, steps, group != number) for number in np.unique(group)])
    errors = [jackknife_error(column) for column in left.T]
    return {
        name: Estimate(float(value), error)
        for name, value, error in zip(("aucc", "qini_with_costs"), values, errors, strict=True)
    }


def _figures(of: JudgedArms, steps: Steps, kept: Bools) -> tuple[float, float]:
    rows = max(int(kept.sum()), 1)
    mine = kept[steps.row]
    spent, gained = gain_path(Steps(steps.row[mine], steps.arm[mine], steps.left[mine], steps.cost[mine]), of.score)
    chance = area_up_to(*_by_chance(of, kept), float(spent[-1]))
    reached = area_up_to(spent, gained, float(spent[-1]))
    return reached / rows, (reached - chance) / rows


def _by_chance(of: JudgedArms, kept: Bools) -> tuple[Floats, Floats]:
    """The path of a plan that takes all rows of an experiment for alike."""
    number = np.unique(of.experiment[kept], return_inverse=True)[1]
    size = np.bincount(number)[:, None]
    cost, predicted, score = (_means(number, values[kept]) for values in (of.cost, of.predicted, of.score))
    steps = hull_steps(cost, predicted)
    whole = Steps(steps.row, steps.arm, steps.left, steps.cost * size[steps.row, 0])
    return gain_path(whole, score * size)


def _means(group: Ints, values: Floats) -> Floats:
    """Group × arm."""
    total = np.zeros((int(group.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(total, group, values)
    means: Floats = total / np.bincount(group)[:, None]
    return means
