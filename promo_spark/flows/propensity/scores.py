"""What the models say of every user and of the users' products, in Arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from promo_spark.contracts.predictions import SOURCES, TARGETS, ItemPropensity, Propensity
from promo_spark.contracts.schema import Table
from promo_spark.features.labels.batches import Batch, Catalogue, batch_of, candidate_pairs
from promo_spark.features.labels.histories import Floats, Ints
from promo_spark.features.labels.pairs import (
    PAIR_FEATURES,
    ProductFigures,
    kinds_of_pairs,
    own_pairs,
    pair_features,
    product_figures,
)
from promo_spark.features.labels.users import USER_FEATURES, kinds_of_users, user_features
from promo_spark.flows.propensity.examples import Sample, users_as_of
from promo_spark.flows.propensity.models import ModelOfDate
from promo_spark.flows.scored_records import record, unstamped
from promo_spark.learners.judgement import decile_cuts, deciles
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.propensity.fitting import FittedQuestion
from promo_spark.models.propensity.questions import ITEM_28D, ITEM_OFFER, ITEM_UNITS
from promo_spark.models.propensity.reasons import reasons
from promo_spark.runtime.job import Context
from promo_spark.settings.propensity import PropensitySettings

_CENTS = 2
_ROWS = 20_000  # of pairs that are scored at once
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class PredictedOfUsers:
    """Users of a batch by number, what is predicted of each (NaN: nobody knows), and from what."""

    users: Ints
    worth: Floats
    table: FeatureTable


@dataclass(frozen=True)
class Scorer:
    """What scores users of a date: models by name, the cuts between tenths of the sample, the catalogue, the day."""

    answers: Mapping[str, FittedQuestion]
    cuts: Mapping[str, tuple[float, ...]]
    catalogue: Catalogue
    products: ProductFigures
    day: int
    settings: PropensitySettings

    @staticmethod
    def of(
        answers: Mapping[str, FittedQuestion],
        targets: Iterable[str],
        sample: Sample,
        catalogue: Catalogue,
        products: ProductFigures,
        settings: PropensitySettings,
    ) -> Scorer:
        """With cuts between tenths of the sampled users, which are tenths of all up to chance."""
        cuts = {
            target: decile_cuts(predicted_of_users(answers[target], sample.batch, sample.day, settings).worth)
            for target in targets
        }
        return Scorer(answers, cuts, catalogue, products, sample.day, settings)

    def user_rows(self, batch: Batch) -> Iterator[pa.RecordBatch]:
        """One row per user and target. → Propensity, without the stamps of a write."""
        for target, cuts in self.cuts.items():
            answer = self.answers[target]
            of = predicted_of_users(answer, batch, self.day, self.settings)
            if not len(of.users):
                continue
            unknown = np.isnan(of.worth)
            decile = np.where(unknown, 0, deciles(np.nan_to_num(of.worth), cuts))
            in_tenths = {Propensity.decile: pa.array(decile.astype(np.int32), mask=unknown)}
            yield record(Propensity, user_columns(target, answer, batch, of) | in_tenths)

    def pair_rows(self, batch: Batch) -> Iterator[pa.RecordBatch]:
        """One row per user and candidate product. → ItemPropensity, without the stamps of a write."""
        own = own_pairs(batch.of, self.day, self.settings.lookback_days)
        days = batch.of.bought.count(batch.of.pair(own.user, own.product), own.day - own.lookback, own.day)
        pairs, source = candidate_pairs(batch, own, days, day=self.day, most_own=self.settings.own_products)
        for start in range(0, len(pairs.user), _ROWS):
            rows = pairs.part(start, start + _ROWS)
            values = pair_features(batch.of, rows, self.products)
            table, kind = FeatureTable(PAIR_FEATURES, values), kinds_of_pairs(values)
            worth = {name: self.answers[name].predicted(table, kind) for name in (ITEM_OFFER, ITEM_28D, ITEM_UNITS)}
            soon = np.fmin(worth[ITEM_OFFER], worth[ITEM_28D])  # within fewer days it is not likelier
            yield record(
                ItemPropensity,
                {
                    ItemPropensity.user_id: batch.user_ids.take(pa.array(rows.user)),
                    ItemPropensity.product_id: pa.array(self.catalogue.product_ids).take(pa.array(rows.product)),
                    ItemPropensity.source: pa.array(SOURCES).take(pa.array(source[start : start + _ROWS])),
                    ItemPropensity.p_offer: _or_null(np.where(np.isnan(worth[ITEM_OFFER]), np.nan, soon)),
                    ItemPropensity.p_28d: _or_null(worth[ITEM_28D]),
                    ItemPropensity.units_28d: _or_null(worth[ITEM_UNITS]),
                },
            )


def scored(histories: DataFrame, scorer: Scorer, table: type[Table]) -> DataFrame:
    """One row per user and target, or per user and product. UserHistory → Propensity or ItemPropensity, unstamped."""

    def rows(batches: Batches) -> Batches:
        for of_users in batches:
            batch = batch_of(of_users, scorer.catalogue)
            yield from scorer.user_rows(batch) if table is Propensity else scorer.pair_rows(batch)

    return histories.mapInArrow(rows, unstamped(table))


def scorer_of_date(
    ctx: Context[PropensitySettings], models: Mapping[str, ModelOfDate], sample: Sample, catalogue: Catalogue
) -> Scorer:
    """What scores the users of the date; figures of products are those that the sample tells."""
    answers = {name: model.answer for name, model in models.items()}
    products = product_figures(sample.batch.of, catalogue.category, sample.day, ctx.settings.lookback_days)
    return Scorer.of(answers, TARGETS, sample, catalogue, products, ctx.settings)


def predicted_of_users(
    answer: FittedQuestion, batch: Batch, day: int, settings: PropensitySettings
) -> PredictedOfUsers:
    """Whom a target is about on the day, what is predicted, and from what."""
    rows = users_as_of(batch, day, answer.question.model, settings)
    values = user_features(batch.of, rows)
    table = FeatureTable(USER_FEATURES, values)
    return PredictedOfUsers(rows.user, answer.predicted(table, kinds_of_users(batch.of, rows, values)), table)


def user_columns(target: str, answer: FittedQuestion, batch: Batch, of: PredictedOfUsers) -> dict[str, object]:
    """The columns of Propensity but the decile, which takes knowing all users."""
    amount, count = answer.question.is_amount, len(of.users)
    nothing = pa.nulls(count, pa.float64())
    known = pa.array(np.round(of.worth, _CENTS) if amount else of.worth, mask=np.isnan(of.worth))
    return {
        Propensity.user_id: batch.user_ids.take(pa.array(of.users)),
        Propensity.target: [target] * count,
        Propensity.p: nothing if amount else known,
        Propensity.amount: known if amount else nothing,
        Propensity.reasons: reasons(of.table.names, answer.learner.contributions(of.table)),
        Propensity.model: [answer.learner.engine] * count,
    }


def _or_null(values: Floats) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))
