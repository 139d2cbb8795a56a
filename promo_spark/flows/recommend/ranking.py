"""The second stage: candidates are ranked by the probability that they are bought within 28 days."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Recommendations
from promo_spark.contracts.predictions import RankingModels, UserHistory
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, PromoCalendar, Redemptions, Users
from promo_spark.features.labels.batches import batch_of
from promo_spark.features.labels.pairs import PAIR_KINDS, bought_within, kinds_of_pairs
from promo_spark.features.labels.user_histories import user_histories
from promo_spark.features.products.planned import Planned, planned_periods
from promo_spark.flows.propensity.examples import Sample, mixed
from promo_spark.flows.propensity.inputs import catalogue_of
from promo_spark.flows.propensity.models import ModelOfDate, figures_of_stored, stored_models
from promo_spark.flows.recommend.pairs import RANKING, RISING, AsOf, Shelf
from promo_spark.flows.registry import Fit
from promo_spark.learners.base_rates import BaseRate
from promo_spark.learners.boosting import BoostingEffort
from promo_spark.learners.samples import hashed_sample
from promo_spark.learners.stored_text import sha256_of
from promo_spark.learners.tables import FeatureTable
from promo_spark.measures.metric_rows import Figure
from promo_spark.models.propensity.fitting import Effort, Examples, FittedQuestion, Question, fitted_question, joined
from promo_spark.models.propensity.questions import ITEM_DAYS
from promo_spark.models.recommenders.candidates import RankedItems
from promo_spark.models.recommenders.strengths import CatalogueItem
from promo_spark.runtime.job import Context
from promo_spark.settings.recommend import RecommendSettings

_EPOCH = datetime.date(1970, 1, 1)
RANKED = Question("ranking", "binary", PAIR_KINDS, rising=RISING)
Ctx = Context[RecommendSettings]


@dataclass(frozen=True)
class Learning:
    """What is learnt from: a sample of users, and the shelf."""

    sample: Sample
    shelf: Shelf
    settings: RecommendSettings

    @property
    def latest(self) -> int:
        """The day as of which what followed is known last: by it models are measured, and calibrated."""
        return self.sample.day - max(ITEM_DAYS, self.settings.holdout_days)

    def examples(self) -> tuple[Examples, Examples]:
        """Candidates of the sampled users before the last whole window, and of some of them in it."""
        ranking = self.settings.ranking
        days = [self.latest - ITEM_DAYS - ranking.training_every_days * n for n in range(ranking.training_dates)]
        earliest = self.sample.first_day + ranking.least_history_days
        past = [self._learnt(day) for day in days if day >= earliest]
        return joined(_no_examples(), *past), self.newest() if self.latest >= earliest else _no_examples()

    def newest(self) -> Examples:
        """Candidates in the last whole window, of the users with the lowest numbers."""
        few = np.argsort(self.sample.drawn, kind="stable")[: self.settings.ranking.judged_users]
        return self._examples(self.latest, np.isin(np.arange(len(self.sample.batch)), few))

    def _learnt(self, day: int) -> Examples:
        """Of all sampled users what was bought, and a share of what was not, which counts for as much more."""
        share = self.settings.ranking.negatives
        whole = self._examples(day, np.ones(len(self.sample.batch), bool), share)
        return whole.weighted(np.where(whole.happened > 0, 1.0, 1 / share))

    def _examples(self, day: int, users: NDArray[np.bool_], negatives: float = 1.0) -> Examples:
        as_of, batch = AsOf.of(self.sample, self.shelf, day, self.settings), self.sample.batch
        parts = [_no_examples()]
        for pairs, values in as_of.judged(batch):
            happened = bought_within(batch.of, pairs, ITEM_DAYS)
            number = mixed(self.sample.drawn[pairs.user] ^ mixed(pairs.product.astype(np.uint64), 1), 2)
            kept = users[pairs.user] & ((happened > 0) | (number < np.uint64(negatives * (2**64 - 2**12))))
            table, kind = FeatureTable(RANKING, values), kinds_of_pairs(values)
            parts.append(Examples(table, happened, kind, pairs.user, pairs.day).rows(kept))
        return joined(*parts)


@dataclass(frozen=True)
class Stage:
    """What ranks on a date: every user's history, and what is learnt from."""

    histories: DataFrame
    learning: Learning

    def ranked(self, answer: FittedQuestion, day: int, users: DataFrame, items: DataFrame) -> DataFrame:
        """One row per user with a history: the likeliest items. UserHistory, users, CatalogueItem → RankedItems.

        As many as are enough, should all of the user's own be banned.
        """
        settings = self.learning.settings
        as_of = AsOf.of(self.learning.sample, self.learning.shelf, day, settings)
        catalogue, most = self.learning.shelf.catalogue, settings.ranking.own_products + settings.top_n
        position = _positions(catalogue.product_ids, items)

        def of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for rows in batches:
                batch = batch_of(rows, catalogue)
                for pairs, values in as_of.judged(batch):
                    p = answer.predicted(FeatureTable(RANKING, values), kinds_of_pairs(values))
                    item = position[pairs.product]
                    chosen = np.flatnonzero((item >= 0) & ~np.isnan(p))
                    chosen = chosen[np.lexsort((item[chosen], -p[chosen], pairs.user[chosen]))]
                    user = pairs.user[chosen]
                    place = np.arange(len(user)) - np.searchsorted(user, user)
                    chosen = chosen[place < most]
                    yield _ranked_rows(batch.user_ids, pairs.user[chosen], item[chosen], p[chosen])

        of_users = self.histories.join(users.select(UserHistory.user_id), UserHistory.user_id, "left_semi")
        return of_users.select(*UserHistory.columns()).mapInArrow(of_batches, RankedItems.schema())


@dataclass(frozen=True)
class RankingOfDate:
    """The model by which candidates are ranked, what is registered of it if it was fitted, and its figures."""

    model: ModelOfDate
    fits: list[Fit]
    figures: list[Figure]

    @property
    def answer(self) -> FittedQuestion | None:
        """What ranks; None: there is too little to learn from."""
        return None if isinstance(self.model.answer.learner, BaseRate) else self.model.answer


def stage_of_date(ctx: Ctx) -> Stage:
    """As many days of history as the earliest training date looks back."""
    settings, ranking = ctx.settings, ctx.settings.ranking
    training = max(ITEM_DAYS, settings.holdout_days) + ITEM_DAYS + ranking.training_every_days * ranking.training_dates
    histories = user_histories(
        ctx.read(OrderLines),
        users=ctx.read_optional(Users),
        campaigns=Campaigns.frame(ctx.spark),
        contacts=Contacts.frame(ctx.spark),
        redemptions=Redemptions.frame(ctx.spark),
        recommendations=Recommendations.frame(ctx.spark),
        as_of=ctx.date,
        days=max(settings.history_days, ranking.lookback_days) + training,
        timezone=ctx.business.timezone,
    )
    kept = ctx.keep(histories)
    products = ctx.read(ProductProfile)
    catalogue = catalogue_of(products)
    promotable = {
        row[0] for row in products.filter(ProductProfile.promotable).select(ProductProfile.product_id).collect()
    }
    periods = planned_periods(
        ctx.read_optional(PromoCalendar),
        since=ctx.date - datetime.timedelta(training + ITEM_DAYS),
        until=ctx.date + datetime.timedelta(ITEM_DAYS),
    )
    shelf = Shelf(
        catalogue,
        np.array([product in promotable for product in catalogue.product_ids], bool),
        Planned.of(periods, catalogue),
    )
    drawn = hashed_sample(kept, UserHistory.user_id, at_most=ranking.sample_users, seed=settings.seed)
    batch = batch_of(drawn.toArrow().sort_by(UserHistory.user_id), catalogue)
    sample = Sample.of(batch, (ctx.date - _EPOCH).days, settings.seed)
    return Stage(kept, Learning(sample, shelf, settings))


def ranking_of_stored(ctx: Ctx, stage: Stage) -> RankingOfDate | None:
    """The newest model of earlier dates, with its figures on the last whole window; None: there is none."""
    models = stored_models(ctx.earlier(RankingModels), {RANKED.model: RANKED})
    if models is None:
        return None
    model = models[RANKED.model]
    return RankingOfDate(model, [], figures_of_stored(model, stage.learning.newest()))


def fitted_ranking(ctx: Ctx, stage: Stage, reason: str) -> RankingOfDate:
    """A model of windows before the last whole one, calibrated on that one."""
    past, latest = stage.learning.examples()
    fitted = fitted_question(RANKED, past, latest, effort_of(ctx.settings))
    if fitted.instead:
        ctx.note(f"no second stage ranks candidates, since {fitted.instead}")
    text = fitted.answer.to_text()
    learnt_from = past if len(past) and not fitted.instead else latest
    days = learnt_from.day if len(learnt_from) else np.array([stage.learning.sample.day])
    fit = Fit(
        RANKED.model,
        fitted.answer.learner.engine,
        ctx.settings.refit,
        reason,
        rows=len(learnt_from),
        days=(_date(int(days.min())), _date(int(days.max()))),
        features=RANKING,
        state=RankingModels,
        metrics={f.metric: f.value for f in fitted.figures if f.slice == RANKED.model and f.value is not None},
        sha256=sha256_of(text),
    )
    model = ModelOfDate(fitted.answer, text, fitted.rules, ctx.date, ctx.made_by)
    return RankingOfDate(model, [fit], fitted.figures)


def effort_of(settings: RecommendSettings) -> Effort:
    """How the model is fitted and chosen."""
    ranking = settings.ranking
    return Effort(
        BoostingEffort(ranking.trees, ranking.leaves, ranking.rate, ranking.rows_of_leaf, settings.seed % 2**31),
        ranking.ridge,
        ranking.tie_margin,
        ranking.least_rows,
        ranking.calibration_rows,
    )


def _positions(product_ids: Sequence[str], items: DataFrame) -> NDArray[np.int64]:
    """The position in the catalogue of lists of each product by number; −1 where it is not in there."""
    rows = items.select(CatalogueItem.product_id, CatalogueItem.item).toArrow()
    found: Mapping[str, int] = dict(zip(*(rows[c].to_pylist() for c in rows.column_names), strict=True))
    return np.array([found.get(product, -1) for product in product_ids], np.int64)


def _ranked_rows(
    user_ids: pa.Array, user: NDArray[np.int64], item: NDArray[np.int64], p: NDArray[np.float64]
) -> pa.RecordBatch:
    """One row per user of the rows, which stand together. → RankedItems."""
    users, starts = np.unique(user, return_index=True)
    offsets = pa.array(np.r_[starts, len(user)].astype(np.int32))
    return pa.RecordBatch.from_arrays(
        [
            user_ids.take(pa.array(users)),
            pa.ListArray.from_arrays(offsets, pa.array(item, pa.int32())),
            pa.ListArray.from_arrays(offsets, pa.array(p, pa.float64())),
        ],
        names=list(RankedItems.columns()),
    )


def _no_examples() -> Examples:
    none = np.zeros(0, np.int64)
    return Examples(FeatureTable(RANKING, np.zeros((0, len(RANKING)))), np.zeros(0), none, none, none)


def _date(day: int) -> datetime.date:
    return _EPOCH + datetime.timedelta(day)
