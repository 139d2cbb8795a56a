"""What users are likely to do next, with the orders of the day so far, by the models of the morning."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame

from promo_spark.contracts.intraday import IntradayPropensity
from promo_spark.contracts.predictions import FittedModels, UserHistory
from promo_spark.features.labels.batches import Catalogue, batch_of
from promo_spark.features.labels.users import KINDS
from promo_spark.flows.propensity.inputs import catalogue_of_date, histories_with
from promo_spark.flows.propensity.models import stored_models
from promo_spark.flows.propensity.scores import predicted_of_users, user_columns
from promo_spark.flows.scored_records import record, unstamped
from promo_spark.flows.stream.intake import Ctx, lines_so_far
from promo_spark.models.propensity.fitting import FittedQuestion
from promo_spark.models.propensity.questions import user_questions
from promo_spark.settings.propensity import PropensitySettings

_EPOCH = datetime.date(1970, 1, 1)
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class MorningModels:
    """The models of the date by target, and the catalogue that they know."""

    answers: Mapping[str, FittedQuestion]
    catalogue: Catalogue


def morning_models(ctx: Ctx) -> MorningModels | None:
    """The models by which job propensity predicts on the date; None: it has none."""
    stored = stored_models(ctx.read_optional(FittedModels), user_questions(KINDS))
    if stored is None:
        return None
    answers = {name: model.answer for name, model in stored.items()}
    return MorningModels(answers, catalogue_of_date(ctx.under(PropensitySettings)))


def propensity_so_far(ctx: Ctx, users: DataFrame, morning: MorningModels) -> DataFrame:
    """One row per user and target, as of the next morning. → IntradayPropensity, without the stamps of a write.

    The same as job propensity says on the day after by the same models, if the day brings nothing more.
    """
    after = ctx.under(PropensitySettings, ctx.date + datetime.timedelta(1))
    histories = histories_with(
        after,
        lines_so_far(ctx, users),
        lambda rows: rows.join(users, UserHistory.user_id, "left_semi"),
    )
    settings, day = after.settings, (after.date - _EPOCH).days

    def of_batches(batches: Batches) -> Batches:
        for rows in batches:
            batch = batch_of(rows, morning.catalogue)
            for target, answer in morning.answers.items():
                predicted = predicted_of_users(answer, batch, day, settings)
                if len(predicted.users):
                    yield record(IntradayPropensity, user_columns(target, answer, batch, predicted))

    return histories.mapInArrow(of_batches, unstamped(IntradayPropensity))
