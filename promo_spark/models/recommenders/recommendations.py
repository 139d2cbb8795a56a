"""What to show each user: implicit ALS blended with the user's own purchases, popular products as a fallback.

Every user's list is made in one pass: the products' vectors go to the driver once and from there into each
task (bounded by the catalogue), users are scored in chunks by a matrix product, and what they bought is
handled inside. MLlib's recommendForAllUsers joins every user with every product and shuffles the result:
benchmarks/engines.py compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Recommendations, Segments
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.vocabulary import FIRST_STAGE_MODELS
from promo_spark.models.recommenders.candidates import RankedItems
from promo_spark.models.recommenders.factors import Factors
from promo_spark.models.recommenders.item_model import NO_ITEM, ItemModel, PopularItems
from promo_spark.models.recommenders.lists import SCORED, SOURCES, Lists, Recommender, nearest_own, ranked_lists
from promo_spark.models.recommenders.preferences import preferences, withheld
from promo_spark.models.recommenders.relevance import Relevance
from promo_spark.models.recommenders.strengths import CatalogueItem, ItemPopularity, OwnProduct
from promo_spark.models.recommenders.top_n import Integers
from promo_spark.models.recommenders.user_batches import Policy, UserBatch, chunks, user_batch
from promo_spark.models.recommenders.vector_search import VectorSearch

_ALL_USERS = -1  # stands for the null segment
_SAYING_WHY = ("buy_again", "popular_in_segment", "popular")  # sources that need no own product as the reason
_RECOMMENDATION, _RANKED = Recommendations.columns(), RankedItems.columns()


class UserToRank(Frame):
    """One row per user with all that ranking needs."""

    user_id = _RECOMMENDATION[Recommendations.user_id]
    segment_id = Col(T.IntegerType(), "the user's segment; null or 0: none")
    own = Col(T.ArrayType(OwnProduct.schema()), "what the user bought, sorted by item; null: nothing")
    features = Col(T.ArrayType(T.FloatType()), "the user's vector; null: not modelled")
    lists = _RANKED[RankedItems.lists]
    outside = Col(
        T.ArrayType(T.IntegerType()), "numbers of the limits of products that the user does not meet; null: none"
    )


class ListEntry(Frame):
    """One row per user and rank: a recommended product, with what the reason is made from."""

    user_id = _RECOMMENDATION[Recommendations.user_id]
    rank = _RECOMMENDATION[Recommendations.rank]
    item = Col(T.IntegerType(), "the product's position in the catalogue", required=True)
    score = _RECOMMENDATION[Recommendations.score]
    source = _RECOMMENDATION[Recommendations.source]
    because = Col(T.IntegerType(), "position of the own product that speaks most for it; null: none")
    orders = Col(T.LongType(), "orders of the user with the product; null: never bought")
    last_bought = Col(T.DateType(), "the day of the last one; null: never bought")


class CauseTitle(Frame):
    """One row per product of the catalogue, as the cause of a recommendation."""

    because = Col(T.IntegerType(), "the product's position in the catalogue", required=True)
    because_title = Col(T.StringType(), "its title")


def item_model(
    factors: Factors, popularity: DataFrame, relevance: Relevance | None = None, search: VectorSearch | None = None
) -> ItemModel:
    """Factors, ItemPopularity and what is for whom → arrays on the driver, bounded by segments × catalogue."""
    table = popularity.orderBy(
        ItemPopularity.segment_id,
        F.desc(ItemPopularity.recent_buyers),
        F.desc(ItemPopularity.buyers),
        ItemPopularity.item,
    ).toArrow()
    segments = table[ItemPopularity.segment_id].fill_null(_ALL_USERS).to_numpy()
    items = table[ItemPopularity.item].to_numpy().astype(np.int64)
    buyers = table[ItemPopularity.recent_buyers].to_numpy().astype(np.int64)
    popular = {int(s): PopularItems(items[segments == s], buyers[segments == s]) for s in np.unique(segments)}
    overall = popular.pop(_ALL_USERS, PopularItems(np.empty(0, np.int64), np.empty(0, np.int64)))
    return ItemModel(factors.items, factors.vectors, overall, popular, relevance, search)


def users_with_purchases(
    users: DataFrame, own: DataFrame, factors: Factors, ranked: DataFrame, *, blocks: int
) -> DataFrame:
    """One row per user. Users with a segment, OwnProducts, factors, RankedItems → UserToRank and what else users have.

    Users who come without limits meet them all. Chunks of users are the same, whatever the input's partitions.
    """
    if UserToRank.outside not in users.columns:
        users = users.withColumn(UserToRank.outside, F.lit(None).cast(UserToRank.type_of(UserToRank.outside)))
    return (
        users.join(own, UserProfile.user_id, "left")
        .join(factors.users, UserProfile.user_id, "left")
        .join(ranked, UserProfile.user_id, "left")
        .repartition(blocks, UserProfile.user_id)
        .sortWithinPartitions(UserProfile.user_id)
    )


def recommended_items(
    users: DataFrame, model: ItemModel, *, recommender: Recommender, policy: Policy, repeat_weight: float, top_n: int
) -> DataFrame:
    """One row per user and rank. UserToRank → ListEntry.

    Each user gets exactly `top_n` rows, or as many as there are products that may be shown.
    """

    def entries(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for chunk in chunks(batch, model.users_at_once()):
                arrays = user_batch(chunk, model.vectors.shape[1], model.limits)
                lists = ranked_lists(
                    model,
                    arrays,
                    preferences(model, arrays, top_n) if recommender in SCORED else None,
                    recommender=recommender,
                    repeat_weight=repeat_weight,
                    banned=arrays.banned(policy),
                    n=top_n,
                    not_for=withheld(model, arrays),
                )
                by_vectors = recommender not in FIRST_STAGE_MODELS
                nearest = nearest_own(model, arrays, lists) if by_vectors else lists.because
                yield list_rows(chunk, arrays, lists, nearest)

    return users.select(*UserToRank.columns()).mapInArrow(entries, ListEntry.schema())


def recommendations(entries: DataFrame, items: DataFrame, *, popular_days: int) -> DataFrame:
    """One row per user and rank. ListEntry, CatalogueItem → Recommendations.

    The score is the probability of a purchase within 28 days where the second stage ranks, else ALS preference +
    repeat_weight × strength for als and buy_again, and the number of recent buyers for the popular ones: comparable
    within a source only.
    """
    ids = items.select(CatalogueItem.item, CatalogueItem.product_id)
    causes = items.select(
        F.col(CatalogueItem.item).alias(CauseTitle.because), F.col(CatalogueItem.title).alias(CauseTitle.because_title)
    )
    return (
        entries.join(F.broadcast(ids), ListEntry.item)
        .join(F.broadcast(causes), ListEntry.because, "left")
        .select(
            Recommendations.user_id,
            Recommendations.rank,
            Recommendations.product_id,
            F.round(Recommendations.score, 6).alias(Recommendations.score),
            Recommendations.source,
            _reason(popular_days).alias(Recommendations.reason),
        )
    )


def with_segment(users: DataFrame, segments: DataFrame) -> DataFrame:
    """One row per user: user_id and segment_id, which is 0 for a user without a segment. UserProfile, Segments."""
    of_user = segments.select(Segments.user_id, Segments.segment_id)
    with_ids = users.select(UserProfile.user_id).join(of_user, UserProfile.user_id, "left")
    return with_ids.fillna(0, [Segments.segment_id])


def _reason(popular_days: int) -> Column:
    score, source, orders = F.col(ListEntry.score), F.col(ListEntry.source), F.col(ListEntry.orders)
    last_bought = F.col(ListEntry.last_bought).cast("string")
    count, days = score.cast("bigint").cast("string"), F.lit(f" in the last {popular_days} days")
    not_lately = F.lit("Bought by other customers before")
    again = F.format_string("You bought it in %d orders, last on %s", orders, last_bought)
    once = F.format_string("You bought it on %s", last_bought)
    taste = F.coalesce(
        F.concat(F.lit("Because you buy "), CauseTitle.because_title),
        F.lit("Bought by customers who buy what you buy"),
    )
    return (
        F.when(source == "content", F.coalesce(F.concat(F.lit("Like "), CauseTitle.because_title), taste))
        .when(source == "rules", F.coalesce(F.concat(F.lit("Goes with "), CauseTitle.because_title), taste))
        .when(source == "popular_in_store", F.lit("Popular where you shop"))
        .when(~source.isin(*_SAYING_WHY), taste)
        .when(source == "buy_again", F.when(orders > 1, again).otherwise(once))
        .when(
            source == "popular_in_segment",
            F.concat(F.lit("Popular with customers like you: bought by "), count, days),
        )
        .when(score == 0, not_lately)
        .otherwise(F.concat(F.lit("Popular with all customers: bought by "), count, days))
    )


def list_rows(chunk: pa.RecordBatch, users: UserBatch, lists: Lists, nearest: Integers) -> pa.RecordBatch:
    """One row per user and rank. UserToRank, the users' lists → ListEntry."""
    row, rank = np.nonzero(lists.items != NO_ITEM)
    items, sources = lists.items[row, rank], lists.sources[row, rank]
    said_by_source = np.isin(sources, [SOURCES.index(name) for name in _SAYING_WHY])
    because = np.where(said_by_source, NO_ITEM, nearest[row, rank])
    entries = chunk.column(UserToRank.own).flatten()
    positions = [
        int(users.offsets[u] + np.searchsorted(users.items[users.own(int(u))], i)) if s == 1 else None
        for u, i, s in zip(row, items, sources, strict=True)
    ]
    again = pa.array(positions, pa.int64())
    return pa.RecordBatch.from_arrays(
        [
            chunk.column(UserToRank.user_id).take(pa.array(row)),
            pa.array(rank + 1, pa.int32()),
            pa.array(items, pa.int32()),
            pa.array(lists.scores[row, rank]),
            pa.array(SOURCES).take(pa.array(sources)),
            pa.array(because, pa.int32(), mask=because == NO_ITEM),
            pc.struct_field(entries, OwnProduct.orders).take(again),
            pc.struct_field(entries, OwnProduct.last_bought).take(again),
        ],
        names=list(ListEntry.columns()),
    )
