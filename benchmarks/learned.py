"""Policies that learn: from what the shop has seen alone, to a value and an expected cost of each candidate.

ours       effects on visits as the job uplift fits them, times what a visit brings, plus what the offered product
           brings, less what is given; each part by itself, as far as possible from experiments
S, T, X    gradient boosting on the margin of a week, as meta-learners have it (Künzel et al. 2019): one model with the
           offer among the features; a model per mechanic; a model of the differences to what was expected without one
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from policy_worlds import World
from seen import Seen

from promo_spark.learners.boosting import BoostingEffort, fitted_trees
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.uplift.answers import GRIDS, Circumstances, answer_likelihoods, circumstances
from promo_spark.models.uplift.effects import Effects, Evidence, fitted_effects
from promo_spark.models.uplift.histories import HABITS, TRAITS, Histories, day_levels, habits, traits
from promo_spark.models.uplift.latent_classes import LatentClasses, fitted_classes
from promo_spark.worlds import response
from promo_spark.worlds.streams import Bools, Floats, Ints

FEATURES = (*TRAITS, *HABITS, "pull", "readiness", "mention")
_EFFORT = BoostingEffort(trees=150, leaves=15, rows_of_leaf=100)
_OFFER = ("mechanic", "saving", "share", "amount", "min_spend", "price")


@dataclass(frozen=True)
class Offered:
    """One row per user and offer; mechanic −1: none. Money in units of currency."""

    user: Ints
    mechanic: Ints
    saving: Floats
    amount: Floats
    min_spend: Floats
    product: Ints
    second: Ints
    share: Floats

    def rows(self, chosen: Bools | Ints) -> Offered:
        return Offered(*(getattr(self, name)[chosen] for name in Offered.__dataclass_fields__))


@dataclass(frozen=True)
class Trials:
    """One row per experiment and user: who it was, what was offered, and what came of it."""

    features: Floats  # as the experiment began
    offer: Offered
    weeks: Floats
    visits: Floats
    margin: Floats  # after what was given
    given: Floats
    began: Ints


class Learned:
    """All that is learnt of a world's users, once for all budgets. `share`: of the users whose experiments are seen."""

    def __init__(self, world: World, share: float = 1.0) -> None:
        self.world = world
        self.seen = Seen(self.world.delivered)
        self.users = self.world.delivered.users
        of = self.histories = self.seen.histories()
        self.circumstances: Circumstances = circumstances(of, day_levels(of))
        self.classes: LatentClasses = fitted_classes(answer_likelihoods(of, self.circumstances), traits(of))
        self.now = self.features(of)
        self.trials = self._trials(of, share)
        self.effects, self.baseline = self._effects()
        self.candidates = self._candidates()

    def features(self, of: Histories) -> Floats:
        """User × FEATURES, as the history ends."""
        known = answer_likelihoods(of, self.circumstances)
        means = [chance @ grid for chance, grid in zip(self.classes.posterior(known, traits(of)), GRIDS, strict=True)]
        return np.column_stack([traits(of), habits(of), *means])

    def _trials(self, of: Histories, share: float) -> Trials:
        seen, tried, days = self.seen, self.world.delivered.experiments, self.world.spec.days
        taken = (np.arange(self.users) * 2654435761 % 2**32) / 2**32 < share
        none = np.full(self.users, -1)
        rows: list[Trials] = []
        kept, off = seen.by_day(seen.kept), seen.by_day(self.world.delivered.purchases.coupon)
        for number in np.flatnonzero(tried.randomised):
            start, end = int(tried.start[number]), int(tried.end[number])
            who = np.flatnonzero(tried.eligible[:, number] & taken)
            depth = tried.depth[:, number]
            offer = Offered(
                np.arange(self.users),
                np.where(depth > 0, response.COUPON, -1),
                depth,
                np.zeros(self.users),
                np.zeros(self.users),
                none,
                none,
                np.where(depth > 0, seen.department_shares(start)[:, tried.department[number]], 0.0),
            )
            rows.append(self._of_days(of, start, end, offer, kept, off).rows(who))
        week = self.world.delivered.explored
        shares = seen.offer_shares(np.arange(self.users), week.mechanic, week.product, week.second, week.min_spend) * (
            week.mechanic >= 0
        )
        offer = Offered(
            np.arange(self.users),
            week.mechanic,
            week.saving,
            week.amount,
            week.min_spend,
            week.product,
            week.second,
            shares,
        )
        after = np.where(np.isin(week.mechanic, (response.POINTS, response.REBATE)), week.given, 0.0)
        last = self._of_days(of, days, self.world.day, offer, kept, off)
        last = _Rows(last.trials, given=week.given, margin=last.trials.margin - after)
        rows.append(last.rows(np.flatnonzero(taken)))
        return _stacked(rows)

    def _of_days(self, of: Histories, start: int, end: int, offer: Offered, kept: Floats, off: Floats) -> _Rows:
        return _Rows(
            Trials(
                self.features(of.before(start)),
                offer,
                np.full(self.users, (end - start) / 7),
                of.ordered[:, start:end].sum(axis=1).astype(np.float64),
                kept[:, start:end].sum(axis=1),
                off[:, start:end].sum(axis=1),
                np.full(self.users, start),
            )
        )

    def _effects(self) -> tuple[Effects, Floats]:
        """The effects, and each user's visits of the week to come, were there no offer; half by half of the users."""
        of = self.trials
        control, half = of.offer.mechanic < 0, of.offer.user % 2
        expected, self.trees = np.zeros(len(of.weeks)), []
        for number in (0, 1):
            rows = control & (half == number)
            trees = fitted_trees(_table(of.features[rows]), of.visits[rows] / of.weeks[rows], "poisson", _EFFORT)
            others = half != number
            expected[others] = trees.predicted(_table(of.features[others])) * of.weeks[others]
            self.trees.append(trees)
        self.expected = np.maximum(expected, 1e-3)
        offer = of.offer
        pull = of.features[:, FEATURES.index("pull")]
        evidence = Evidence(
            of.visits, self.expected, offer.mechanic, offer.saving, offer.share, pull, np.ones(len(pull))
        )
        return fitted_effects(evidence, response.NAMES), self.weekly_visits(self.now)

    def weekly_visits(self, features: Floats) -> Floats:
        """What is expected of a week without an offer."""
        mean = np.mean([trees.predicted(_table(features)) for trees in self.trees], axis=0)
        return np.asarray(np.maximum(mean, 1e-3), np.float64)

    def _candidates(self) -> Offered:
        """User by user, candidate by candidate, nothing among them."""
        table = self.world.table
        user = np.repeat(np.arange(self.users), table["mechanic"].shape[1])
        mechanic, product, second = (table[n].ravel().astype(np.int64) for n in ("mechanic", "product", "second"))
        saving, amount, least = (table[n].ravel() for n in ("saving", "amount", "min_spend"))
        share = np.where(mechanic >= 0, self.seen.offer_shares(user, mechanic, product, second, least), 0.0)
        return Offered(user, mechanic, saving, amount, least, product, second, share)

    def shaped(self, values: Floats) -> Floats:
        """User × candidate."""
        shaped: Floats = values.reshape(self.users, -1)
        return shaped

    # S, T, X

    def table_of(self, features: Floats, offer: Offered) -> Floats:
        """Per row what a meta-learner sees."""
        price = np.where(offer.product >= 0, self.seen.price[np.maximum(offer.product, 0)], 0.0)
        of_offer = [offer.mechanic, offer.saving, offer.share, offer.amount, offer.min_spend, price]
        return np.column_stack([features, *of_offer])

    def without(self, offer: Offered) -> Offered:
        n = len(offer.user)
        none, nothing = np.full(n, -1), np.zeros(n)
        return Offered(offer.user, none, nothing, nothing, nothing, none, none, nothing)

    def expected_given(self) -> Floats:
        """What each candidate is expected to give, by boosting on what offers gave."""
        of = self.trials
        rows = of.offer.mechanic >= 0
        x = self.table_of(of.features, of.offer)[rows]
        model = _boosted(x, of.given[rows] / of.weeks[rows])
        given = np.maximum(model.predict(self.table_of(self.now[self.candidates.user], self.candidates)), 0.0)
        return self.shaped(np.where(self.candidates.mechanic >= 0, given, 0.0))

    def s_learner(self) -> Floats:
        of, now = self.trials, self.now[self.candidates.user]
        model = _boosted(self.table_of(of.features, of.offer), of.margin / of.weeks)
        with_offer = model.predict(self.table_of(now, self.candidates))
        without = model.predict(self.table_of(self.now, self.without(_firsts(self.candidates, self.users))))
        return self.shaped(np.where(self.candidates.mechanic >= 0, with_offer - without[self.candidates.user], 0.0))

    def t_learner(self) -> Floats:
        of, now = self.trials, self.now[self.candidates.user]
        x, y = self.table_of(of.features, of.offer), of.margin / of.weeks
        none = of.offer.mechanic < 0
        without = _boosted(of.features[none], y[none]).predict(self.now)
        value = np.zeros(len(self.candidates.user))
        for mechanic in range(len(response.NAMES)):
            rows, wanted = of.offer.mechanic == mechanic, self.candidates.mechanic == mechanic
            if rows.sum() > 50:
                told = self.table_of(now[wanted], self.candidates.rows(wanted))
                value[wanted] = _boosted(x[rows], y[rows]).predict(told) - without[self.candidates.user[wanted]]
        return self.shaped(value)

    def x_learner(self) -> Floats:
        of, now = self.trials, self.now[self.candidates.user]
        x, y = self.table_of(of.features, of.offer), of.margin / of.weeks
        none = of.offer.mechanic < 0
        half, expected = of.offer.user % 2, np.zeros(len(y))
        for number in (0, 1):
            rows = none & (half == number)
            expected[half != number] = _boosted(of.features[rows], y[rows]).predict(of.features[half != number])
        model = _boosted(x[~none], (y - expected)[~none])
        told = model.predict(self.table_of(now, self.candidates))
        return self.shaped(np.where(self.candidates.mechanic >= 0, told, 0.0))


@dataclass(frozen=True)
class _Rows:
    """Trials of all users before some are taken."""

    trials: Trials
    given: Floats | None = None
    margin: Floats | None = None

    def rows(self, who: Ints) -> Trials:
        of = self.trials
        given = of.given if self.given is None else self.given
        margin = of.margin if self.margin is None else self.margin
        return Trials(
            of.features[who], of.offer.rows(who), of.weeks[who], of.visits[who], margin[who], given[who], of.began[who]
        )


def _stacked(parts: list[Trials]) -> Trials:
    offer = Offered(*(np.concatenate([getattr(p.offer, name) for p in parts]) for name in Offered.__dataclass_fields__))
    rest = {n: np.concatenate([getattr(p, n) for p in parts]) for n in Trials.__dataclass_fields__ if n != "offer"}
    return Trials(offer=offer, **rest)


def _firsts(offer: Offered, users: int) -> Offered:
    """One row per user."""
    return offer.rows(np.arange(users) * (len(offer.user) // users))


def _table(features: Floats) -> FeatureTable:
    return FeatureTable(FEATURES, features)


def _boosted(x: Floats, y: Floats) -> Any:
    import lightgbm

    parameters = {
        "objective": "regression",
        "num_leaves": 15,
        "learning_rate": 0.05,
        "min_data_in_leaf": 100,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": 0,
        "verbosity": -1,
    }
    return lightgbm.train(parameters, lightgbm.Dataset(x, label=y), num_boost_round=150)
