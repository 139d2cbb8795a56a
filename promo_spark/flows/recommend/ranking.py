"""The second stage: candidates are ranked by the probability that they are bought within 28 days."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from promo_spark.contracts.predictions import RankingModels
from promo_spark.features.labels.pairs import (
    PAIR_FEATURES,
    PAIR_KINDS,
    bought_within,
    kinds_of_pairs,
    own_pairs,
    units_within,
)
from promo_spark.flows.propensity.examples import Sample, mixed
from promo_spark.flows.propensity.models import ModelOfDate, effort_of, figures_of_stored, fit_of, stored_models
from promo_spark.flows.recommend.pairs import RANKING, RISING, AsOf, Shelf
from promo_spark.flows.registry import Fit
from promo_spark.learners.base_rates import BaseRate
from promo_spark.learners.representation import representation
from promo_spark.learners.tables import FeatureTable
from promo_spark.measures.metric_rows import Figure
from promo_spark.models.propensity.fitting import (
    Examples,
    Fitted,
    FittedQuestion,
    Question,
    fitted_question,
    joined,
)
from promo_spark.models.propensity.questions import ITEM_28D, ITEM_DAYS, ITEM_OFFER, ITEM_UNITS, item_questions
from promo_spark.runtime.job import Context
from promo_spark.runtime.side_by_side import side_by_side
from promo_spark.settings.recommend import RecommendSettings

_EPOCH = datetime.date(1970, 1, 1)
RIVAL = "item_28d_rival"
QUESTIONS = {
    **{name: replace(question, rising=RISING) for name, question in item_questions(PAIR_KINDS).items()},
    RIVAL: Question(RIVAL, "binary", PAIR_KINDS),
}
Learnt = Mapping[str, Examples]  # by question
Ctx = Context[RecommendSettings]


@dataclass(frozen=True)
class Learning:
    """What is learnt from: a sample of users, and the shelf."""

    sample: Sample
    shelf: Shelf
    settings: RecommendSettings
    kept: dict[int, AsOf] = field(default_factory=dict, repr=False)

    @property
    def latest(self) -> int:
        """The day as of which what followed is known last: by it models are measured, and calibrated."""
        return self.sample.day - max(ITEM_DAYS, self.settings.holdout_days)

    def as_of(self, day: int) -> AsOf:
        """What candidates are found and told by as of a day; that of the date and of the latest window is kept."""
        if day in self.kept:
            return self.kept[day]
        found = AsOf.of(self.sample, self.shelf, day, self.settings)
        if day in (self.sample.day, self.latest):
            self.kept[day] = found
        return found

    def examples(self) -> tuple[Learnt, Learnt]:
        """Candidates of the sampled users before the last whole window, and of some of them in it, by question."""
        ranking = self.settings.ranking
        days = [self.latest - ITEM_DAYS - ranking.training_every_days * n for n in range(ranking.training_dates)]
        return self._stacked([self._learnt(day) for day in days if day >= self._earliest]), self.newest

    @cached_property
    def newest(self) -> Learnt:
        """Candidates in the last whole window, of the users with the lowest numbers, by question."""
        if self.latest < self._earliest:
            return self._stacked([])
        few = np.argsort(self.sample.drawn, kind="stable")[: self.settings.ranking.judged_users]
        return self._examples(self.latest, np.isin(np.arange(len(self.sample.batch)), few))

    @property
    def _earliest(self) -> int:
        return self.sample.first_day + self.settings.ranking.least_history_days

    def _learnt(self, day: int) -> Learnt:
        """Of all sampled users what was bought, and a share of what was not, which counts for as much more."""
        share = self.settings.ranking.negatives
        found = self._examples(day, np.ones(len(self.sample.batch), bool), share)
        weight = np.where(found[ITEM_28D].happened > 0, 1.0, 1 / share)
        return {name: examples.weighted(weight) for name, examples in found.items()}

    def _examples(self, day: int, users: NDArray[np.bool_], negatives: float = 1.0) -> Learnt:
        as_of, batch = self.as_of(day), self.sample.batch
        parts: list[Learnt] = []
        for pairs, values in as_of.judged(batch):
            bought = bought_within(batch.of, pairs, ITEM_DAYS)
            of_pair = mixed(pairs.product.astype(np.uint64), 1) ^ mixed(pairs.day.astype(np.uint64), 2)
            number = mixed(self.sample.drawn[pairs.user] ^ of_pair, 3)
            kept = users[pairs.user] & ((bought > 0) | (number < np.uint64(negatives * (2**64 - 2**12))))
            happened = {
                ITEM_28D: bought,
                ITEM_OFFER: bought_within(batch.of, pairs, self.settings.offer_days),
                ITEM_UNITS: units_within(batch.of, pairs, ITEM_DAYS),
                RIVAL: bought,
            }
            table, kind = FeatureTable(RANKING, values).rows(kept), kinds_of_pairs(values)[kept]
            user, days = pairs.user[kept], pairs.day[kept]
            parts.append({name: Examples(table, y[kept], kind, user, days) for name, y in happened.items()})
        return self._stacked(parts)

    def _stacked(self, parts: Sequence[Learnt]) -> Learnt:
        """All parts one after the other. The questions share one table of features."""
        whole = joined(_no_examples(), *(part[ITEM_28D] for part in parts))
        answers = {name: np.concatenate([np.zeros(0), *(part[name].happened for part in parts)]) for name in QUESTIONS}
        return {name: replace(whole, happened=happened) for name, happened in answers.items()}


@dataclass(frozen=True)
class RankingOfDate:
    """The models of users' products by question, what is registered of them if they were fitted, and figures."""

    models: Mapping[str, ModelOfDate]
    fits: list[Fit]
    figures: list[Figure]

    @property
    def answers(self) -> dict[str, FittedQuestion]:
        """By question."""
        return {name: model.answer for name, model in self.models.items()}

    @property
    def ranker(self) -> FittedQuestion | None:
        """What ranks candidates; None: there is too little to learn from."""
        answer = self.models[ITEM_28D].answer
        return None if isinstance(answer.learner, BaseRate) else answer


def ranking_of_stored(ctx: Ctx, learning: Learning) -> RankingOfDate | None:
    """The newest models of earlier dates, with their figures on the last whole window; None: they are not all there."""
    models = stored_models(ctx.earlier(RankingModels), QUESTIONS)
    if models is None:
        return None
    newest = learning.newest
    figures = [figure for name, model in models.items() for figure in figures_of_stored(model, newest[name])]
    return RankingOfDate(models, [], figures)


def fitted_ranking(ctx: Ctx, learning: Learning, reason: str) -> RankingOfDate:
    """Models of windows before the last whole one, calibrated on that one.

    The rival knows PairFeatures alone, as models of products did before there were candidates. Where it is better by
    the margin of a tie, it takes the place of what ranks; the other one is registered as no champion.
    """
    settings = ctx.settings
    past, latest = learning.examples()
    past, shares = _representative(ctx, learning, past)

    def fitted(name: str) -> Fitted:
        ctx.say(f"fitting {name}")
        before, newest = past[name], latest[name]
        if name == RIVAL:
            before, newest = (replace(part, table=part.table.columns(PAIR_FEATURES)) for part in (before, newest))
        return fitted_question(QUESTIONS[name], before, newest, effort_of(settings.ranking, settings.seed))

    found = dict(zip(QUESTIONS, side_by_side(fitted, list(QUESTIONS)), strict=True))  # each takes one core
    for name, answered in found.items():
        if answered.instead:
            ctx.note(f"{name}: all pairs get the base rate, since {answered.instead}")
    if _loss(found[RIVAL]) < _loss(found[ITEM_28D]) * (1 - settings.ranking.tie_margin):
        ctx.note("the features of pairs alone tell better what is bought within 28 days: they rank")
        found |= {ITEM_28D: _named(found[RIVAL], ITEM_28D), RIVAL: _named(found[ITEM_28D], RIVAL)}
    models, fits = {}, []
    for name, answered in found.items():
        text = answered.answer.to_text()
        learnt_from = past[name] if len(past[name]) and not answered.instead else latest[name]
        models[name] = ModelOfDate(answered.answer, text, answered.rules, ctx.date, ctx.made_by)
        fits.append(
            fit_of(
                answered,
                learnt_from,
                text,
                day=learning.sample.day,
                refit=settings.refit,
                reason=reason,
                features=answered.answer.learner.names,
                state=RankingModels,
                champion=name != RIVAL,
            )
        )
    return RankingOfDate(models, fits, [*(figure for one in found.values() for figure in one.figures), *shares])


def _representative(ctx: Ctx, learning: Learning, past: Learnt) -> tuple[Learnt, list[Figure]]:
    """The examples, counting for so much that shares of groups are those of users with products of their own."""
    sample, settings = learning.sample, ctx.settings.ranking
    own = own_pairs(sample.batch.of, sample.day, settings.lookback_days)
    asked = np.unique(own.user)  # each has as many candidates
    users = past[ITEM_28D].user
    shares = representation(ITEM_28D, sample.groups, examples=users, population=asked, above=settings.reweight_above)
    if shares.weight is None:
        return past, shares.figures
    ctx.note(shares.sentence())
    counted = {
        name: part.weighted(shares.weight * (1.0 if part.weight is None else part.weight))
        for name, part in past.items()
    }
    return counted, shares.figures


def _loss(fitted: Fitted) -> float:
    """Log loss of the answer on the last whole window; that of a base rate is never the lower one."""
    name = fitted.answer.question.model
    found = [f.value for f in fitted.figures if (f.metric, f.slice) == ("log_loss", name) and f.value is not None]
    return found[0] if found and not fitted.instead else float("inf")


def _named(fitted: Fitted, name: str) -> Fitted:
    """The same, as the answer to another question of equal kinds."""
    was = fitted.answer.question.model
    figures = [figure._replace(slice=name + figure.slice.removeprefix(was)) for figure in fitted.figures]
    return replace(fitted, answer=replace(fitted.answer, question=QUESTIONS[name]), figures=figures)


def _no_examples() -> Examples:
    none = np.zeros(0, np.int64)
    return Examples(FeatureTable(RANKING, np.zeros((0, len(RANKING)))), np.zeros(0), none, none, none)
