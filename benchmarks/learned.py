"""Policies that learn: from what the shop has seen alone, to a value and an expected cost of each candidate.

ours       effects on visits as the job uplift fits them, times what a visit brings, plus what the offered product
           brings, less what is given; each part by itself, as far as possible from experiments
S, T, X    gradient boosting on the margin of a week, as meta-learners have it (Künzel et al. 2019): one model with the
           offer among the features; a model per mechanic; a model of the differences to what was expected without one.
           T and X, and DR of benchmarks/effects.py, are those of promo_spark/learners/meta_learners.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from policy_worlds import World
from seen import Seen

from promo_spark.learners.boosting import BoostedTrees, BoostingEffort, fitted_trees
from promo_spark.learners.meta_learners import (
    MetaEngine,
    Tried,
    could_have_had,
    cross_fitted,
    fitted_meta_learner,
)
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.uplift import batches as response_trials
from promo_spark.models.uplift.batches import Batch
from promo_spark.models.uplift.histories import Histories, day_levels
from promo_spark.models.uplift.response_model import FEATURES, Fitting, fitted_responses
from promo_spark.worlds import response
from promo_spark.worlds.streams import Bools, Floats, Ints

_EFFORT = BoostingEffort(150, 15, rate=0.05, rows_of_leaf=100)
_FITTING = Fitting(classes=6, rounds=150, least_rows=1000, baseline=BoostingEffort(150, 15, rows_of_leaf=100))


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

    @classmethod
    def of_days(cls, start: int, end: int, offer: Offered, margin: Floats, given: Floats) -> Trials:
        """Of the days from the start to before the end; features and visits are not filled in."""
        n = len(offer.user)
        weeks, began = np.full(n, (end - start) / 7), np.full(n, start)
        return cls(np.zeros((n, 0)), offer, weeks, np.zeros(n), margin, given, began)


class Learned:
    """All that is learnt of a world's users, once for all budgets. `share`: of the users whose experiments are seen.

    `explored`: of these, the share for whom chance drew an offer, or none, in the random week; the others' is not seen.
    """

    def __init__(self, world: World, share: float = 1.0, explored: float = 1.0) -> None:
        self.world = world
        self.seen = Seen(self.world.delivered)
        self.users = self.world.delivered.users
        self.histories = self.seen.histories()
        self.levels = day_levels(self.histories)
        drawn = self._drawn(share, explored)
        batch = Batch(pa.nulls(self.users), self.histories, _trials(drawn))
        fitted = fitted_responses(batch, self.levels, 1.0, _FITTING)  # no share is told from a basket here
        self.model, self.expected = fitted.model, fitted.evidence.baseline
        self.effects = self.model.effects
        self.now = self.features(self.histories)
        self.trials = replace(drawn, features=fitted.features, visits=fitted.evidence.visits)
        self.candidates = self._candidates()

    def features(self, of: Histories) -> Floats:
        """User × FEATURES, as the history ends."""
        return self.model.answered(of, self.levels).features

    def _drawn(self, share: float, explored: float) -> Trials:
        """The experiments of a share of the users, and the week of random offers; who they were is not filled in."""
        seen, tried, days = self.seen, self.world.delivered.experiments, self.world.spec.days
        taken = (np.arange(self.users) * 2654435761 % 2**32) / 2**32 < share
        in_week = taken & ((np.arange(self.users) * 2246822519 % 2**32) / 2**32 < explored)
        rows, every = [], np.arange(self.users)
        none, nothing = np.full(self.users, -1), np.zeros(self.users)
        kept, off = seen.by_day(seen.kept), seen.by_day(self.world.delivered.purchases.coupon)
        for number in np.flatnonzero(tried.randomised):
            start, end = int(tried.start[number]), int(tried.end[number])
            depth, department = tried.depth[:, number], tried.department[number]
            mechanic = np.where(depth > 0, response.COUPON, -1)
            applies = np.where(depth > 0, seen.department_shares(start)[:, department], 0.0)
            offer = Offered(every, mechanic, depth, nothing, nothing, none, none, applies)
            margin, given = kept[:, start:end].sum(axis=1), off[:, start:end].sum(axis=1)
            who = np.flatnonzero(tried.eligible[:, number] & taken)
            rows.append(Trials.of_days(start, end, offer.rows(who), margin[who], given[who]))
        week, end, who = self.world.delivered.explored, self.world.day, np.flatnonzero(in_week)
        applies = seen.offer_shares(every, week.mechanic, week.product, week.second, week.min_spend)
        applies *= week.mechanic >= 0
        terms = (week.mechanic, week.saving, week.amount, week.min_spend, week.product, week.second)
        after = np.where(np.isin(week.mechanic, (response.POINTS, response.REBATE)), week.given, 0.0)
        margin = kept[:, days:end].sum(axis=1) - after
        rows.append(Trials.of_days(days, end, Offered(every, *terms, applies).rows(who), margin[who], week.given[who]))
        return _stacked(rows)

    def weekly_visits(self, features: Floats) -> Floats:
        """What is expected of a week without an offer."""
        return np.maximum(self.model.weekly_visits(features), 1e-3)

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

    def features_of(self, offer: Offered) -> FeatureTable:
        """What a meta-learner sees of offers, beside their mechanic."""
        price = np.where(offer.product >= 0, self.seen.price[np.maximum(offer.product, 0)], 0.0)
        columns = {"saving": offer.saving, "share": offer.share, "amount": offer.amount}
        columns |= {"min_spend": offer.min_spend, "price": price}
        return FeatureTable(tuple(columns), np.column_stack(list(columns.values())))

    def table_of(self, features: Floats, offer: Offered) -> FeatureTable:
        """Per row what a model of all mechanics sees."""
        of_offer = self.features_of(offer)
        names = (*FEATURES, *of_offer.names, "mechanic")
        return FeatureTable(names, np.column_stack([features, of_offer.values, offer.mechanic]))

    def without(self, offer: Offered) -> Offered:
        n = len(offer.user)
        none, nothing = np.full(n, -1), np.zeros(n)
        return Offered(offer.user, none, nothing, nothing, nothing, none, none, nothing)

    def expected_given(self) -> Floats:
        """What each candidate is expected to give, by boosting on what offers gave."""
        of = self.trials
        rows = of.offer.mechanic >= 0
        x = self.table_of(of.features, of.offer).rows(rows)
        model = _boosted(x, of.given[rows] / of.weeks[rows])
        given = np.maximum(model.predicted(self.table_of(self.now[self.candidates.user], self.candidates)), 0.0)
        return self.shaped(np.where(self.candidates.mechanic >= 0, given, 0.0))

    def s_learner(self, outcome: Floats) -> Floats:
        """User × candidate: the effect on an outcome of trials, per week."""
        of, now = self.trials, self.now[self.candidates.user]
        model = _boosted(self.table_of(of.features, of.offer), outcome / of.weeks)
        with_offer = model.predicted(self.table_of(now, self.candidates))
        without = model.predicted(self.table_of(self.now, self.without(_firsts(self.candidates, self.users))))
        return self.shaped(np.where(self.candidates.mechanic >= 0, with_offer - without[self.candidates.user], 0.0))

    def by_meta_learner(self, engine: MetaEngine, outcome: Floats) -> Floats:
        """User × candidate: the effect on an outcome of trials, per week, by the learners of the job uplift."""
        of, weekly, features = self.trials, outcome / self.trials.weeks, FeatureTable(FEATURES, self.trials.features)
        mechanic, user = of.offer.mechanic, of.offer.user
        expected = cross_fitted(features, weekly, mechanic < 0, user, _EFFORT)
        could = could_have_had(self.features_of(of.offer), mechanic, of.began, user)
        tried = Tried(features, could, mechanic, of.began, weekly, expected, user)
        model = fitted_meta_learner(tried, engine, _EFFORT)
        now, candidates = FeatureTable(FEATURES, self.now), self.candidates
        without = _boosted(features.rows(mechanic < 0), weekly[mechanic < 0]).predicted(now)
        own, offer = now.rows(candidates.user), self.features_of(candidates)
        told = model.told(own, offer, candidates.mechanic, without[candidates.user])
        return self.shaped(np.nan_to_num(told.effect))


def _trials(drawn: Trials) -> response_trials.Trials:
    """The same, as the job's model takes them."""
    offer = drawn.offer
    end = drawn.began + np.rint(drawn.weeks * 7).astype(np.int64)
    fair = np.ones(len(drawn.began))
    began, terms = drawn.began, (offer.mechanic, offer.saving, offer.share)
    return response_trials.Trials(offer.user, began, end, *terms, fair, experiment=began)


def _stacked(parts: list[Trials]) -> Trials:
    offer = Offered(*(np.concatenate([getattr(p.offer, name) for p in parts]) for name in Offered.__dataclass_fields__))
    rest = {n: np.concatenate([getattr(p, n) for p in parts]) for n in Trials.__dataclass_fields__ if n != "offer"}
    return Trials(offer=offer, **rest)


def _firsts(offer: Offered, users: int) -> Offered:
    """One row per user."""
    return offer.rows(np.arange(users) * (len(offer.user) // users))


def _boosted(table: FeatureTable, target: Floats) -> BoostedTrees:
    return fitted_trees(table, target, "regression", _EFFORT)
