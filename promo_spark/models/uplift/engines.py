"""What tells the effects: the curve of responses itself, or a T-, X- or DR-learner whose effects it states.

A learner tells extra visits of a week, of a mechanic at the saving and the share that are most usual in its
experiments. These are written as the multiple of S × R (models.uplift_curves) that comes to the same there; at other
savings and shares S and R say what they come to. The error is the same for all users of a mechanic in visits: the root
of three squares, by how much the models of the two halves of the users differ, the mean of what they leave of the
experiments' effect on the half that they have not seen, and its own error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from promo_spark.contracts.responses import OFFER_MECHANICS
from promo_spark.learners.boosting import BoostingEffort
from promo_spark.learners.meta_learners import (
    MetaEngine,
    MetaLearner,
    Tried,
    could_have_had,
    cross_fitted,
    fitted_meta_learner,
)
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.uplift.effects import (
    LARGEST,
    SAVINGS,
    SHARES,
    Effects,
    Evidence,
    believed_effects,
    fitted_effects,
)
from promo_spark.models.uplift.histories import Floats, Ints
from promo_spark.models.uplift.judgement import Predicted

Engine = Literal["response", "t", "x", "dr"]
_LOWEST = 1e-3  # visits of a week
_OFFER = ("saving", "share")
_PULL = "pull"


@dataclass(frozen=True)
class Stated:
    """User × mechanic: the log of the factor on visits per unit of S × R, and its error. `basis`: by mechanic."""

    effect: Floats
    error: Floats
    basis: tuple[str, ...]


@dataclass(frozen=True)
class MetaEffects:
    """By mechanic the saving and share at which its effect is told, and the error of a user's extra visits."""

    learner: MetaLearner
    saving: Floats
    share: Floats
    error: Floats

    def stated(self, effects: Effects, own: FeatureTable, weekly: Floats, spread: Floats) -> Stated:
        """A mechanic that too few users of experiments had: what earlier answers suggest, basis prior."""
        pull = own.columns((_PULL,)).values[:, 0]
        stated = stated_by_curve(believed_effects(effects.mechanics), pull, spread, None)
        basis = list(stated.basis)
        for mechanic in self.learner.arms:
            extra, left = self._extra_visits(own, weekly, mechanic), np.maximum(weekly, _LOWEST)
            reached = np.clip(left + extra, left * np.exp(-LARGEST), left * np.exp(LARGEST))
            stated.effect[:, mechanic] = np.log(reached / left) / self.unit(effects, mechanic)
            stated.error[:, mechanic] = self.error[mechanic] / reached / self.unit(effects, mechanic)
            basis[mechanic] = "randomised"
        return Stated(stated.effect, stated.error, tuple(basis))

    def unit(self, effects: Effects, mechanic: int) -> float:
        """S × R where the effect of the mechanic is told."""
        return max(float(_rise(effects, self.saving[[mechanic]], self.share[[mechanic]])[0]), 1e-6)

    def _extra_visits(self, own: FeatureTable, weekly: Floats, mechanic: int) -> Floats:
        offer = np.broadcast_to([self.saving[mechanic], self.share[mechanic]], (len(own), 2))
        return self.learner.told(own, FeatureTable(_OFFER, offer), np.full(len(own), mechanic), weekly).effect

    def to_plain(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name).tolist() for name in ("saving", "share", "error")}
        return {"learner": self.learner.to_plain(), **numbers}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> MetaEffects:
        numbers = {name: np.array(plain[name]) for name in ("saving", "share", "error")}
        return MetaEffects(MetaLearner.from_plain(plain["learner"]), **numbers)


def stated_by_curve(effects: Effects, pull: Floats, spread: Floats, traits: Floats | None) -> Stated:
    """What the curve of responses says of users with these refined pulls."""
    own, error = effects.own(pull)[:, None], effects.own_error(pull, spread, traits)[:, None]
    stated_error = np.sqrt((error * effects.size) ** 2 + (own * effects.size_error) ** 2)
    without = "transferred" if effects.rows else "prior"
    return Stated(
        own * effects.size, stated_error, tuple("randomised" if told else without for told in effects.randomised)
    )


def fitted_meta_effects(
    of: Evidence,
    own: FeatureTable,
    weeks: Floats,
    experiment: Ints,
    user: Ints,
    effects: Effects,
    engine: MetaEngine,
    effort: BoostingEffort,
) -> MetaEffects | None:
    """None: no mechanic has enough rows. Users' own probabilities of an arm count as the mean of the arm's."""
    offer = FeatureTable(_OFFER, np.column_stack([of.saving, of.share]))
    could = could_have_had(offer, of.mechanic, experiment, user)
    tried = Tried(own, could, of.mechanic, experiment, of.visits / weeks, of.baseline / weeks, user)
    learner = fitted_meta_learner(tried, engine, effort, "poisson")
    if not learner.arms:
        return None
    saving, share, error = np.zeros((3, len(effects.mechanics)))
    for mechanic in learner.arms:
        has = of.mechanic == mechanic
        savings, times = np.unique(np.round(of.saving[has], 2), return_counts=True)
        saving[mechanic], share[mechanic] = savings[times.argmax()], of.share[has].mean()
        error[mechanic] = _error(tried, learner, mechanic)
    return MetaEffects(learner, saving, share, error)


def _error(of: Tried, learner: MetaLearner, mechanic: int) -> float:
    """Of a user's extra visits of a week, see the head of the file."""
    has = of.arm == mechanic
    without = (of.arm < 0) & np.isin(of.experiment, np.unique(of.experiment[has]))
    mine = of.rows(has)
    apart = learner.told(mine.own, mine.offer, mine.arm, mine.expected).apart
    told = np.zeros(len(mine))
    for half in (0, 1):
        others = mine.user % 2 != half
        part = mine.rows(others)
        told[others] = learner.of_half(half).told(part.own, part.offer, part.arm, part.expected).effect
    left, plain = mine.outcome - mine.expected - told, (of.outcome - of.expected)[without]
    mean = left.mean() - (plain.mean() if len(plain) else 0.0)
    variance = left.var() / len(left) + (plain.var() / len(plain) if len(plain) else 0.0)
    return float(np.sqrt((apart * apart).mean() + mean * mean + variance))


def predicted_by_others(
    of: Evidence,
    own: FeatureTable,
    weeks: Floats,
    experiment: Ints,
    user: Ints,
    engine: Engine,
    effort: BoostingEffort,
    least_rows: int,
) -> Predicted:
    """What models of the other half of the users say of each row: extra visits of its experiment's days.

    All that they are fitted on, what is expected without an offer included, is of that half alone.
    """
    pull, nothing = of.pull, np.zeros(len(of))
    halves, stated = [], np.zeros((len(of), len(OFFER_MECHANICS)))
    for half in (0, 1):
        rows, others = user % 2 == half, user % 2 != half
        mine = of.rows(rows)
        effects, meta = fitted_effects(mine, OFFER_MECHANICS, enough_rows=least_rows), None
        if engine != "response":
            part, quarter = own.rows(rows), user[rows] // 2
            weekly = cross_fitted(part, mine.visits / weeks[rows], mine.mechanic < 0, quarter, effort)
            mine = replace(mine, baseline=np.maximum(weekly, _LOWEST) * weeks[rows])
            meta = fitted_meta_effects(mine, part, weeks[rows], experiment[rows], quarter, effects, engine, effort)
        if meta is not None:
            weekly = of.baseline[others] / weeks[others]
            stated[others] = meta.stated(effects, own.rows(others), weekly, nothing[others]).effect
        halves.append((others, effects, meta is not None))

    def predicted(mechanic: Ints, saving: Floats, share: Floats) -> Floats:
        log = np.zeros(len(of))
        for others, effects, by_meta in halves:
            if by_meta:
                unit = _rise(effects, saving[others], share[others])
                log[others] = stated[others, mechanic[others]] * unit
            else:
                refined = effects.refined(pull[others], None if of.traits is None else of.traits[others])
                log[others] = effects.log_effect(mechanic[others], saving[others], share[others], refined)
        return np.asarray(of.baseline * np.expm1(np.clip(log, -LARGEST, LARGEST)), np.float64)

    return predicted


def _rise(effects: Effects, saving: Floats, share: Floats) -> Floats:
    """S × R."""
    return np.interp(saving, SAVINGS, effects.savings) * np.interp(share, SHARES, effects.shares)
