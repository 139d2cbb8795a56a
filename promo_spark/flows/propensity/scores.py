"""What the models say of every user, in Arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from promo_spark.contracts.predictions import TARGETS, Propensity
from promo_spark.features.labels.batches import Batch, Catalogue, batch_of
from promo_spark.features.labels.histories import Floats, Ints
from promo_spark.features.labels.users import USER_FEATURES, kinds_of_users, user_features
from promo_spark.flows.propensity.examples import Sample, users_as_of
from promo_spark.flows.propensity.models import ModelOfDate
from promo_spark.flows.scored_records import record, unstamped
from promo_spark.learners.judgement import decile_cuts, deciles
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.propensity.fitting import FittedQuestion
from promo_spark.models.propensity.reasons import reasons
from promo_spark.runtime.job import Context
from promo_spark.settings.propensity import PropensitySettings

_CENTS = 2
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
    day: int
    settings: PropensitySettings

    @staticmethod
    def of(
        answers: Mapping[str, FittedQuestion],
        targets: Iterable[str],
        sample: Sample,
        catalogue: Catalogue,
        settings: PropensitySettings,
    ) -> Scorer:
        """With cuts between tenths of the sampled users, which are tenths of all up to chance."""
        cuts = {
            target: decile_cuts(predicted_of_users(answers[target], sample.batch, sample.day, settings).worth)
            for target in targets
        }
        return Scorer(answers, cuts, catalogue, sample.day, settings)

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


def scored(histories: DataFrame, scorer: Scorer) -> DataFrame:
    """One row per user and target. UserHistory → Propensity, unstamped."""

    def rows(batches: Batches) -> Batches:
        for of_users in batches:
            yield from scorer.user_rows(batch_of(of_users, scorer.catalogue))

    return histories.mapInArrow(rows, unstamped(Propensity))


def scorer_of_date(
    ctx: Context[PropensitySettings], models: Mapping[str, ModelOfDate], sample: Sample, catalogue: Catalogue
) -> Scorer:
    """What scores the users of the date."""
    answers = {name: model.answer for name, model in models.items()}
    return Scorer.of(answers, TARGETS, sample, catalogue, ctx.settings)


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
