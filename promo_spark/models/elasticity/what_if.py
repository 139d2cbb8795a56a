"""What a promotion would bring: units, margin and stock at a depth, and the depth that brings most."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promo_spark.models.elasticity.regression import DEEP, Floats, lift

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answer:
    """How a product's demand answers: a row of models.elasticity, as far as it is measured; 0: not measured."""

    elasticity: float
    error: float  # 0: a prior, whose error nobody knows
    spread: float = 0.0
    saturation: float = 0.0
    pull_forward: float = 0.0


@dataclass(frozen=True)
class Plan:
    """A product's weeks under a promotion: what they are without it, and what it costs."""

    usual_units: Floats  # per week, as forecast
    depth: Floats  # per week
    price: float
    unit_cost: float
    on_hand: float | None  # None: not known
    follows: Bools | None = None  # whether the week before is the one before in the plan; None: all but the first do


@dataclass(frozen=True)
class Outcome:
    """Per week. Margins are beyond those of the same weeks without the promotion."""

    units: Floats  # wanted, be there stock or not
    lower: Floats  # 95 % interval, of the elasticity's error alone
    upper: Floats
    margin: Floats  # that of units lost to the week before by then included
    stock_left: Floats | None  # at the end of the week, if nothing comes; None: not known; below 0: so many are missing


def outcome(plan: Plan, answer: Answer) -> Outcome:
    """What the promotion brings, week by week.

    >>> planned = Plan(np.array([100.0, 100.0]), np.array([0.2, 0.0]), price=10.0, unit_cost=6.0, on_hand=200.0)
    >>> brought = outcome(planned, Answer(elasticity=2.0, error=0.0, pull_forward=0.5))
    >>> brought.units.round(1).tolist()  # 100 · 1.25²; 100 · e^(−0.5 · 0.2)
    [156.2, 90.5]
    >>> brought.margin.round(1).tolist()  # 156.2 · (8 − 6) − 100 · 4; (90.5 − 100) · 4
    [-87.5, -38.1]
    >>> brought.stock_left.round(1).tolist()
    [43.8, -46.7]
    """
    before = np.concatenate([[0.0], plan.depth[:-1]])
    if plan.follows is not None:
        before = np.where(plan.follows, before, 0.0)
    taken = np.exp(-answer.pull_forward * before)
    middle, low, high = (
        plan.usual_units * taken * factor(plan.depth, answer, away=away) for away in (0.0, -1.96, 1.96)
    )
    earned = plan.price * (1 - plan.depth) - plan.unit_cost
    margin = middle * earned - plan.usual_units * (plan.price - plan.unit_cost)
    left = None if plan.on_hand is None else plan.on_hand - np.cumsum(middle)
    return Outcome(middle, np.minimum(low, high), np.maximum(low, high), margin, left)


def factor(depth: Floats, answer: Answer, *, away: float = 0.0) -> Floats:
    """The factor on units by a depth; `away`: with an elasticity so many standard errors from the estimate.

    >>> factor(np.array([0.0, 0.2]), Answer(elasticity=2.0, error=0.1)).round(4).tolist()
    [1.0, 1.5625]
    """
    reduction = -np.log1p(-np.minimum(depth, 0.99))
    elasticity = np.full(len(depth), answer.elasticity + away * answer.error)
    log_factor = lift(elasticity, reduction, answer.spread) - answer.saturation * np.maximum(reduction - DEEP, 0)
    multiple: Floats = np.exp(log_factor)
    return multiple


def best_depth(plan: Plan, answer: Answer, depths: Sequence[float]) -> float:
    """The depth in all promoted weeks that brings most margin; of equal ones the least.

    >>> weeks = Plan(np.array([100.0]), np.array([0.1]), price=10.0, unit_cost=4.0, on_hand=None)
    >>> best_depth(weeks, Answer(elasticity=2.0, error=0.0), [0.0, 0.1, 0.2, 0.3])  # 600, 617.3, 625, 612.2
    0.2
    """
    promoted = plan.depth > 0
    brought = [
        float(outcome(_at(plan, np.where(promoted, depth, 0.0)), answer).margin.sum()) for depth in sorted(depths)
    ]
    return sorted(depths)[int(np.argmax(np.round(brought, 9)))]


def _at(plan: Plan, depth: Floats) -> Plan:
    return dataclasses.replace(plan, depth=depth)
