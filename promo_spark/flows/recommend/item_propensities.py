"""What the models say of the products that users bought and kept, and of those that they are recommended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.models import Recommendations
from promo_spark.contracts.predictions import SOURCES, ItemPropensity, UserHistory
from promo_spark.features.labels.batches import batch_of, candidate_pairs
from promo_spark.features.labels.histories import Floats
from promo_spark.features.labels.pairs import kinds_of_pairs, own_pairs
from promo_spark.flows.recommend.pairs import RANKING
from promo_spark.flows.recommend.ranking import RankingOfDate
from promo_spark.flows.recommend.stage import Stage
from promo_spark.flows.scored_records import record, unstamped
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.propensity.questions import ITEM_28D, ITEM_OFFER, ITEM_UNITS
from promo_spark.runtime.job import Context
from promo_spark.settings.recommend import RecommendSettings


def item_propensities(ctx: Context[RecommendSettings], stage: Stage, ranking: RankingOfDate) -> DataFrame:
    """One row per user and own or recommended product. UserHistory, Recommendations → ItemPropensity, unstamped.

    Recommended is what this run has written. Of a user's own products those that may be promoted are there, and of
    these the ones bought on most days; what was taken back whole only where it is recommended.
    """
    learning, answers = stage.learning, ranking.answers
    day, settings = learning.sample.day, learning.settings
    as_of, catalogue, allowed = learning.as_of(day), learning.shelf.catalogue, learning.shelf.allowed

    def of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for rows in batches:
            batch = batch_of(rows, catalogue)
            every = own_pairs(batch.of, day, settings.ranking.lookback_days)
            may = allowed[every.product]
            own = replace(every, user=every.user[may], product=every.product[may], day=every.day[may])
            days = batch.of.bought.count(batch.of.pair(own.user, own.product), own.day - own.lookback, own.day)
            pairs, source = candidate_pairs(batch, own, days, day=day, most_own=settings.item_products)
            for part, values in as_of.told(batch, pairs.user, pairs.product):
                table, kind = FeatureTable(RANKING, values), kinds_of_pairs(values)
                worth = {name: answers[name].predicted(table, kind) for name in (ITEM_OFFER, ITEM_28D, ITEM_UNITS)}
                soon = np.fmin(worth[ITEM_OFFER], worth[ITEM_28D])  # within fewer days it is not likelier
                yield record(
                    ItemPropensity,
                    {
                        ItemPropensity.user_id: batch.user_ids.take(pa.array(pairs.user[part])),
                        ItemPropensity.product_id: pa.array(catalogue.product_ids).take(pa.array(pairs.product[part])),
                        ItemPropensity.source: pa.array(SOURCES).take(pa.array(source[part])),
                        ItemPropensity.p_offer: _or_null(np.where(np.isnan(worth[ITEM_OFFER]), np.nan, soon)),
                        ItemPropensity.p_28d: _or_null(worth[ITEM_28D]),
                        ItemPropensity.units_28d: _or_null(worth[ITEM_UNITS]),
                    },
                )

    listed = ctx.own(Recommendations).filter(F.col(Recommendations.as_of) == F.lit(ctx.date))
    recommended = listed.groupBy(Recommendations.user_id).agg(
        F.array_sort(F.collect_set(Recommendations.product_id)).alias(UserHistory.recommended)
    )
    empty = F.array().cast(UserHistory.type_of(UserHistory.recommended))
    histories = stage.histories.drop(UserHistory.recommended).join(recommended, UserHistory.user_id, "left")
    found = F.coalesce(UserHistory.recommended, empty)
    of_users = histories.withColumn(UserHistory.recommended, found).select(*UserHistory.columns())
    return of_users.mapInArrow(of_batches, unstamped(ItemPropensity))


def _or_null(values: Floats) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))
