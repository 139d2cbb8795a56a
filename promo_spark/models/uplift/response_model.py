"""The whole of what is learnt of responses: how users answer, what they do without an offer, what experiments prove."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promo_spark.contracts.responses import OFFER_MECHANICS
from promo_spark.contracts.sensitive import declared_features
from promo_spark.learners.base_rates import BaseRate
from promo_spark.learners.boosting import BoostingEffort, fitted_trees
from promo_spark.learners.stored_text import Learner, learner_of, plain_learner, plain_text, read_plain
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.uplift.answers import GRIDS, PULLS, Circumstances, answer_likelihoods, circumstances
from promo_spark.models.uplift.batches import Batch, Trials
from promo_spark.models.uplift.effects import Effects, Evidence, believed_effects, fitted_effects
from promo_spark.models.uplift.engines import (
    Engine,
    MetaEffects,
    Stated,
    fitted_meta_effects,
    predicted_by_others,
    stated_by_curve,
)
from promo_spark.models.uplift.histories import HABITS, TRAITS, Floats, Histories, Ints, habits, traits
from promo_spark.models.uplift.judgement import OutOfSample
from promo_spark.models.uplift.latent_classes import LatentClasses, fitted_classes

FEATURES = declared_features(*TRAITS, *HABITS, "pull", "readiness", "mention")
_PULL = FEATURES.index("pull")
_OTHERS = tuple(name for name in FEATURES if name != "pull")  # what usual visits, and refined pulls, are told from
_FORM = 2  # of the text; another one is fitted again
_LEAST_CONTROLS = 200  # rows without an offer from which the visits of a usual week are learnt
_LOOK_BACK = 28  # days that they are learnt from otherwise
_LOWEST = 1e-3  # visits


@dataclass(frozen=True)
class Fitting:
    """How much is fitted. `engine`: what tells the effects, see engines.py."""

    classes: int
    rounds: int
    least_rows: int
    baseline: BoostingEffort
    engine: Engine = "response"


@dataclass(frozen=True)
class Answered:
    """One row per user: what is known of the user's answers. `spread`: the standard deviation of the pull.

    The pull, and the feature of that name, is the one refined by experiments (effects.py).
    """

    features: Floats
    pull: Floats
    spread: Floats


@dataclass(frozen=True)
class ResponseModel:
    """What users of a date are scored by."""

    known: Circumstances
    classes: LatentClasses
    baseline: tuple[Learner, ...]  # what expects the visits of a usual week
    effects: Effects
    basket: float
    meta: MetaEffects | None = None  # None: the curve tells the effects itself

    def answered(self, of: Histories, levels: Floats) -> Answered:
        """What is known of the users' answers as the histories end."""
        own = traits(of)
        chances = self.classes.posterior(answer_likelihoods(of, self.known, levels), own)
        means = [chance @ grid for chance, grid in zip(chances, GRIDS, strict=True)]
        spread = np.sqrt(np.maximum(chances[0] @ (PULLS * PULLS) - means[0] ** 2, 0.0))
        features = np.column_stack([own, habits(of), *means])
        features[:, _PULL] = self.effects.refined(means[0], others(features))
        return Answered(features, features[:, _PULL], spread)

    def weekly_visits(self, features: Floats) -> Floats:
        """Days with an order expected of a week without an offer."""
        table = FeatureTable(FEATURES, features)
        mean = np.mean([trees.predicted(table) for trees in self.baseline], axis=0)
        return np.asarray(np.maximum(mean, 0.0), np.float64)

    def stated(self, answered: Answered, weekly: Floats) -> Stated:
        """What is said of the users, whose visits of a week without an offer are `weekly`."""
        if self.meta is None:
            return stated_by_curve(self.effects, answered.pull, answered.spread, others(answered.features))
        return self.meta.stated(self.effects, FeatureTable(FEATURES, answered.features), weekly, answered.spread)

    def to_text(self) -> str:
        """JSON: equal models give equal texts."""
        return plain_text(
            {
                "form": _FORM,
                "known": self.known.to_plain(),
                "classes": self.classes.to_plain(),
                "baseline": [plain_learner(learner) for learner in self.baseline],
                "effects": self.effects.to_plain(),
                "basket": self.basket,
                "meta": None if self.meta is None else self.meta.to_plain(),
            }
        )

    @staticmethod
    def from_text(text: str, sha256: str) -> ResponseModel | None:
        """The model that a text holds; None: of another form, which is to be fitted again.

        Raises ContractError where the text is not the one that the checksum was made of.
        """
        plain = read_plain(text, sha256)
        if plain.get("form") != _FORM or tuple(plain["effects"]["mechanics"]) != OFFER_MECHANICS:
            return None
        return ResponseModel(
            Circumstances.from_plain(plain["known"]),
            LatentClasses.from_plain(plain["classes"]),
            tuple(learner_of(learner) for learner in plain["baseline"]),
            Effects.from_plain(plain["effects"]),
            plain["basket"],
            None if plain["meta"] is None else MetaEffects.from_plain(plain["meta"]),
        )


@dataclass(frozen=True)
class FittedResponses:
    """A model with the experiments it was fitted on: the evidence of each, out of the halves it was not fitted on."""

    model: ResponseModel
    evidence: Evidence
    features: Floats  # of each row's user, as the experiment began; the evidence has the pulls before they are refined
    user: Ints
    experiment: Ints
    weeks: Floats  # that each row's experiment held

    def out_of_sample(self, fitting: Fitting) -> OutOfSample:
        """The evidence with what the other half of the users says of it."""
        features = self.features.copy()
        features[:, _PULL] = self.evidence.pull  # it is refined by either half for itself
        rows = self.evidence, FeatureTable(FEATURES, features), self.weeks, self.experiment, self.user
        predicted = predicted_by_others(*rows, fitting.engine, fitting.baseline, fitting.least_rows)
        paid = np.expm1(self.features[:, FEATURES.index("basket_value")])
        per_visit = np.where(paid > 0, paid, self.model.basket)
        return OutOfSample(self.evidence, self.experiment, self.user, predicted, per_visit)


def others(features: Floats) -> Floats:
    """All features but the pull."""
    return np.delete(features, _PULL, axis=1)


def fitted_responses(batch: Batch, levels: Floats, basket: float, fitting: Fitting) -> FittedResponses:
    """The model of some users, and its evidence. `levels`: the season of each day, see day_levels."""
    of = batch.histories
    known = circumstances(of)
    likelihoods = answer_likelihoods(of, known, levels)
    classes = fitted_classes(likelihoods, traits(of), classes=fitting.classes, rounds=fitting.rounds)
    model = ResponseModel(known, classes, (), believed_effects(OFFER_MECHANICS, len(_OTHERS)), basket)
    features, visits = _as_they_began(model, of, batch.trials, levels)
    weeks = np.maximum(batch.trials.end - batch.trials.start, 1) / 7
    baseline, expected = _baseline(model, of, batch.trials, features, visits / weeks, levels, fitting)
    trials = batch.trials
    evidence = Evidence(
        visits,
        np.maximum(expected * weeks, _LOWEST),
        trials.mechanic,
        trials.saving,
        trials.share,
        features[:, _PULL],
        trials.weight,
        others(features),
    )
    effects, meta = fitted_effects(evidence, OFFER_MECHANICS, enough_rows=fitting.least_rows), None
    features = features.copy()
    features[:, _PULL] = effects.refined(evidence.pull, evidence.traits)
    table = FeatureTable(FEATURES, features)
    if fitting.engine != "response" and len(evidence) >= fitting.least_rows:
        meta = fitted_meta_effects(
            evidence, table, weeks, trials.experiment, trials.user, effects, fitting.engine, fitting.baseline
        )
    whole = replace(model, baseline=baseline, effects=effects, meta=meta)
    return FittedResponses(whole, evidence, features, trials.user, trials.experiment, weeks)


def _as_they_began(model: ResponseModel, of: Histories, trials: Trials, levels: Floats) -> tuple[Floats, Floats]:
    """Per trial the user's features as it began, and the visits while it held."""
    features = np.zeros((len(trials), len(FEATURES)))
    visits = np.zeros(len(trials))
    total = np.column_stack([np.zeros(len(of)), np.cumsum(of.ordered, axis=1)])
    for start in np.unique(trials.start):
        rows = np.flatnonzero(trials.start == start)
        users, place = np.unique(trials.user[rows], return_inverse=True)
        features[rows] = model.answered(of.before(int(start), users), levels).features[place]
        user, end = trials.user[rows], trials.end[rows]
        visits[rows] = total[user, end] - total[user, int(start)]
    return features, visits


def _baseline(
    model: ResponseModel,
    of: Histories,
    trials: Trials,
    features: Floats,
    weekly: Floats,
    levels: Floats,
    fitting: Fitting,
) -> tuple[tuple[Learner, ...], Floats]:
    """Trees for the visits of a week without an offer, and what they expect of each trial's user.

    From the arms without an offer, half of the users by the trees of the other half; with few such rows from all
    users' last weeks.
    """
    control = trials.mechanic < 0
    expected = np.zeros(len(trials))
    if control.sum() < _LEAST_CONTROLS:
        since = max(of.days - _LOOK_BACK, of.days // 2)
        before = model.answered(of.before(since), levels).features
        visits = of.ordered[:, since:].sum(axis=1) / max(of.days - since, 1) * 7
        trees = _trees(before, visits, fitting)
        return (trees,), np.asarray(trees.predicted(FeatureTable(FEATURES, features)), np.float64)
    halves = []
    for half in (0, 1):
        rows = control & (trials.user % 2 == half)
        trees = _trees(features[rows], weekly[rows], fitting)
        others = trials.user % 2 != half
        expected[others] = trees.predicted(FeatureTable(FEATURES, features[others]))
        halves.append(trees)
    return tuple(halves), expected


def _trees(features: Floats, weekly: Floats, fitting: Fitting) -> Learner:
    """Trees; with few rows, or where nobody came, the mean."""
    if len(weekly) < _LEAST_CONTROLS or not weekly.sum():
        return BaseRate(_OTHERS, float(weekly.mean()) if len(weekly) else 0.0)
    return fitted_trees(FeatureTable(_OTHERS, others(features)), weekly, "poisson", fitting.baseline)
