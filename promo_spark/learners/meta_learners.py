"""Effects of offers by models of what happens with and without them: T-, X- and DR-learner, on trees.

Künzel, Sekhon, Bickel and Yu (2019), "Metalearners for estimating heterogeneous treatment effects"; Kennedy (2023),
"Towards optimal doubly robust estimation of heterogeneous causal effects". Everything is fitted once on each half of
the users; the effect is the mean of both, and by how much they differ says how narrowly it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from promo_spark.learners.boosting import BoostedTrees, BoostingEffort, Objective, fitted_trees
from promo_spark.learners.tables import FeatureTable, Floats, Ints

MetaEngine = Literal["t", "x", "dr"]
ARM: Final = "arm"
LEAST_ROWS: Final = 50  # of an arm, in each half: with fewer nothing is told of it
_LARGEST = 0.98  # of a chance: no row counts for more than fifty


_NUMBERS = ("arm", "experiment", "outcome", "expected", "user")


@dataclass(frozen=True)
class Tried:
    """One row per experiment and user; `own` are the user's features, `offer` those of the offer.

    `arm`: what kind of offer, −1: none. Of a row without an offer `offer` says one that it could have had as well.
    `expected`: the outcome without an offer, by models that did not see the user.
    """

    own: FeatureTable
    offer: FeatureTable
    arm: Ints
    experiment: Ints
    outcome: Floats
    expected: Floats
    user: Ints

    def __len__(self) -> int:
        return len(self.arm)

    def rows(self, chosen: np.ndarray) -> Tried:
        numbers = {name: getattr(self, name)[chosen] for name in _NUMBERS}
        return Tried(own=self.own.rows(chosen), offer=self.offer.rows(chosen), **numbers)


@dataclass(frozen=True)
class Told:
    """Per row the effect on the outcome, and half the difference between the models of the two halves; NaN: none."""

    effect: Floats
    apart: Floats


@dataclass(frozen=True)
class MetaLearner:
    """Fitted models. t: of the outcome, by arm; x and dr: of the effect itself, one for all arms."""

    engine: MetaEngine
    arms: tuple[int, ...]  # of which something is told
    halves: tuple[Mapping[int, BoostedTrees], Mapping[int, BoostedTrees]]

    def told(self, own: FeatureTable, offer: FeatureTable, arm: Ints, expected: Floats) -> Told:
        """`expected`: the outcome without an offer."""
        by_half = np.array([_predicted(models, own, offer, arm, self.arms) for models in self.halves])
        by_half = by_half - expected if self.engine == "t" else by_half
        return Told(by_half.mean(axis=0), np.abs(by_half[0] - by_half[1]) / 2)

    def of_half(self, half: int) -> MetaLearner:
        """What the models of one half of the users say by themselves."""
        return MetaLearner(self.engine, self.arms, (self.halves[half], self.halves[half]))

    def to_plain(self) -> dict[str, Any]:
        """Plain values; trees as LightGBM's own text."""
        halves = [{str(arm): trees.to_plain() for arm, trees in models.items()} for models in self.halves]
        return {"engine": self.engine, "arms": self.arms, "halves": halves}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> MetaLearner:
        one, two = (
            {int(arm): BoostedTrees.from_plain(trees) for arm, trees in models.items()} for models in plain["halves"]
        )
        return MetaLearner(plain["engine"], tuple(plain["arms"]), (one, two))


def fitted_meta_learner(
    of: Tried, engine: MetaEngine, effort: BoostingEffort, objective: Objective = "regression"
) -> MetaLearner:
    """`objective`: of the models of an outcome; effects, which may be negative, are fitted by least squares."""
    half = of.user % 2
    counts = [[int(((of.arm == arm) & (half == number)).sum()) for number in (0, 1)] for arm in range(_arms(of))]
    arms = tuple(arm for arm, rows in enumerate(counts) if min(rows) >= LEAST_ROWS)
    if not arms:
        return MetaLearner(engine, (), ({}, {}))
    of = of.rows((of.arm < 0) | np.isin(of.arm, arms))
    half = of.user % 2
    if engine == "t":
        one, two = (_outcomes(of.rows(half == number), arms, effort, objective) for number in (0, 1))
    elif engine == "x":
        offered = of.arm >= 0
        differences = of.outcome - of.expected
        one, two = (
            {-1: fitted_trees(_joined(rows), differences[offered & (half == number)], "regression", effort)}
            for number, rows in enumerate([of.rows(offered & (half == number)) for number in (0, 1)])
        )
    else:
        told, scores = doubly_robust_scores(of, arms, effort, objective)
        one, two = (
            {-1: fitted_trees(_joined(told.rows(rows)), scores[rows], "regression", effort)}
            for rows in (told.user % 2 == 0, told.user % 2 == 1)
        )
    return MetaLearner(engine, arms, (one, two))


def doubly_robust_scores(
    of: Tried, arms: tuple[int, ...], effort: BoostingEffort, objective: Objective
) -> tuple[Tried, Floats]:
    """One row per row with an offer, and per row without one and arm of its experiment; and the score of its effect.

    A score's mean is the arm's mean effect if either the probabilities or the models are right; they are drawn by
    chance, so they are. The models are those of the users' other half.
    """
    parts, scores, half = [], [], of.user % 2
    models = [_outcomes(of.rows(half == number), arms, effort, objective) for number in (0, 1)]
    for arm in arms:
        with_arm = np.unique(of.experiment[of.arm == arm])
        rows = np.flatnonzero((of.arm == arm) | ((of.arm < 0) & np.isin(of.experiment, with_arm)))
        part = of.rows(rows)
        got = part.arm == arm
        place = np.unique(part.experiment, return_inverse=True)[1]
        share = (np.bincount(place, got) / np.bincount(place))[place]
        share = np.clip(share, 1 - _LARGEST, _LARGEST)
        part = replace(part, arm=np.full(len(part), arm))
        outcome = np.zeros(len(part))
        for number in (0, 1):
            others = part.user % 2 != number
            outcome[others] = models[number][arm].predicted(_joined(part.rows(others)))
        residual = np.where(got, (part.outcome - outcome) / share, -(part.outcome - part.expected) / (1 - share))
        parts.append(part)
        scores.append(outcome - part.expected + residual)
    return _stacked(parts), np.concatenate(scores)


def cross_fitted(own: FeatureTable, outcome: Floats, rows: np.ndarray, user: Ints, effort: BoostingEffort) -> Floats:
    """Per row what is expected by trees on some rows of the users' other half, by least squares."""
    expected, half = np.zeros(len(own)), user % 2
    for number in (0, 1):
        mine, others = rows & (half == number), half != number
        trees = fitted_trees(own.rows(mine), outcome[mine], "regression", effort)
        expected[others] = trees.predicted(own.rows(others))
    return expected


def could_have_had(offer: FeatureTable, arm: Ints, experiment: Ints, user: Ints) -> FeatureTable:
    """The same offers; rows without one have that of a row of their experiment with one, drawn by the user's number.

    >>> offer = FeatureTable(("saving",), np.array([[0.1], [0.0], [0.3]]))
    >>> could_have_had(offer, np.array([1, -1, 1]), np.zeros(3, int), np.array([5, 6, 7])).values.ravel().tolist()
    [0.1, 0.1, 0.3]
    """
    values = offer.values.copy()
    for number in np.unique(experiment):
        without = np.flatnonzero((experiment == number) & (arm < 0))
        has = np.flatnonzero((experiment == number) & (arm >= 0))
        if len(has):
            values[without] = values[has[(user[without] * 2654435761 % 2**32) % len(has)]]
    return FeatureTable(offer.names, values)


def _arms(of: Tried) -> int:
    return int(of.arm.max(initial=-1)) + 1


def _joined(of: Tried) -> FeatureTable:
    return _table(of.own, of.offer, of.arm)


def _table(own: FeatureTable, offer: FeatureTable, arm: Ints) -> FeatureTable:
    return FeatureTable((*own.names, *offer.names, ARM), np.column_stack([own.values, offer.values, arm]))


def _outcomes(
    of: Tried, arms: tuple[int, ...], effort: BoostingEffort, objective: Objective
) -> dict[int, BoostedTrees]:
    """By arm: trees for the outcome of who has it."""
    by_arm = {}
    for arm in arms:
        rows = of.rows(of.arm == arm)
        by_arm[arm] = fitted_trees(_joined(rows), rows.outcome, objective, effort)
    return by_arm


def _predicted(
    models: Mapping[int, BoostedTrees], own: FeatureTable, offer: FeatureTable, arm: Ints, arms: tuple[int, ...]
) -> Floats:
    predicted, known = np.full(len(arm), np.nan), np.isin(arm, arms)
    for number, trees in models.items():
        rows = known if number < 0 else arm == number
        if rows.any():
            predicted[rows] = trees.predicted(_table(own.rows(rows), offer.rows(rows), arm[rows]))
    return predicted


def _stacked(parts: list[Tried]) -> Tried:
    own, offer = (
        FeatureTable(tables[0].names, np.concatenate([table.values for table in tables]))
        for tables in ([part.own for part in parts], [part.offer for part in parts])
    )
    numbers = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _NUMBERS}
    return Tried(own=own, offer=offer, **numbers)
