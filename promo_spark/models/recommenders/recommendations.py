"""What to show each user: MLlib ALS blended with the user's own purchases, popular products as a fallback.

Every user's list is made in one pass: the products' vectors go to the driver once and from there into each
task (bounded by the catalogue), users are scored in chunks by a matrix product, and what they bought is
handled inside. MLlib's recommendForAllUsers joins every user with every product and shuffles the result:
benchmarks/top_n.py compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Recommendations, Segments
from promo_spark.models.recommenders.als import Factors
from promo_spark.models.recommenders.lists import (
    NOTHING,
    SOURCES,
    Lists,
    Popular,
    Recommender,
    Shelf,
    Shoppers,
    chunks,
    nearest_own,
    preferences,
    ranked_lists,
    shoppers,
)
from promo_spark.models.recommenders.top_n import Integers

_ENTRIES = (
    "user_id string, rank int, item int, score double, source string, because int, orders bigint, last_bought date"
)


def banned(bought: str, due: Column) -> Column:
    """Whether a product bought before must not be recommended, by the policy `recommend.bought`.

    exclude: never again. keep: no ban. due_again: only when `due` by the user's own cadence; a product
    bought once has none, and so does not come back. Products never bought are free under each.
    """
    return {"exclude": F.lit(True), "keep": F.lit(False), "due_again": ~F.coalesce(due, F.lit(False))}[bought]


def shelf(factors: Factors, popularity: DataFrame) -> Shelf:
    """Factors and the popularity table as arrays on the driver: bounded by segments × catalogue."""
    table = popularity.orderBy("segment_id", F.desc("recent_buyers"), F.desc("buyers"), "item").toArrow()
    segments = table["segment_id"].fill_null(NOTHING).to_numpy()
    items, buyers = (table[c].to_numpy().astype(np.int64) for c in ("item", "recent_buyers"))
    lists = {int(s): Popular(items[segments == s], buyers[segments == s]) for s in np.unique(segments)}
    everywhere = lists.pop(NOTHING, Popular(np.empty(0, np.int64), np.empty(0, np.int64)))
    return Shelf(factors.items, factors.vectors, everywhere, lists)


def users_with_purchases(users: DataFrame, own: DataFrame, factors: Factors, *, blocks: int) -> DataFrame:
    """One row per user with all that ranking needs; chunks are the same whatever the input's partitions."""
    return (
        users.join(own, UserProfile.user_id, "left")
        .join(factors.users, UserProfile.user_id, "left")
        .repartition(blocks, UserProfile.user_id)
        .sortWithinPartitions(UserProfile.user_id)
    )


def recommended_items(
    users: DataFrame, shelf: Shelf, *, recommender: Recommender, repeat_weight: float, top_n: int
) -> DataFrame:
    """One row per user and rank, products by position. (user_id, segment_id, own, features) → entries.

    Each user gets exactly `top_n` rows, or as many as there are products that may be shown.
    """

    def entries(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for chunk in chunks(batch, shelf.users_at_once()):
                group = shoppers(chunk, shelf.vectors.shape[1])
                lists = ranked_lists(
                    shelf,
                    group,
                    preferences(shelf, group),
                    recommender=recommender,
                    repeat_weight=repeat_weight,
                    banned=group.banned,
                    n=top_n,
                )
                yield list_rows(chunk, group, lists, nearest_own(shelf, group, lists))

    return users.select("user_id", "segment_id", "own", "features").mapInArrow(entries, _ENTRIES)


def recommendations(entries: DataFrame, items: DataFrame, *, popular_days: int) -> DataFrame:
    """One row per user and rank. (entries, catalogue) → Recommendations, but for as_of.

    The score is ALS preference + repeat_weight × strength for als and buy_again, and the number of recent
    buyers for the popular ones: comparable within a source only.
    """
    named = items.select("item", "product_id")
    cause = items.select(F.col("item").alias("because"), F.col("title").alias("because_title"))
    return (
        entries.join(F.broadcast(named), "item")
        .join(F.broadcast(cause), "because", "left")
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
    """(user_id, segment_id) of every user; 0 for users that no segment has."""
    found = segments.select(Segments.user_id, Segments.segment_id)
    return users.select(UserProfile.user_id).join(found, UserProfile.user_id, "left").fillna(0, ["segment_id"])


def _reason(popular_days: int) -> Column:
    count, days = F.col("score").cast("bigint").cast("string"), F.lit(f" in the last {popular_days} days")
    idle = F.lit("Bought by other customers before")
    again = F.format_string("You bought it in %d orders, last on %s", "orders", F.col("last_bought").cast("string"))
    once = F.format_string("You bought it on %s", F.col("last_bought").cast("string"))
    taste = F.coalesce(
        F.concat(F.lit("Because you buy "), "because_title"), F.lit("Bought by customers who buy what you buy")
    )
    return (
        F.when(F.col("source") == "als", taste)
        .when(F.col("source") == "buy_again", F.when(F.col("orders") > 1, again).otherwise(once))
        .when(
            F.col("source") == "popular_in_segment",
            F.concat(F.lit("Popular with customers like you: bought by "), count, days),
        )
        .when(F.col("score") == 0, idle)
        .otherwise(F.concat(F.lit("Popular with all customers: bought by "), count, days))
    )


def list_rows(chunk: pa.RecordBatch, users: Shoppers, lists: Lists, nearest: Integers) -> pa.RecordBatch:
    """The lists as rows, with what their reasons need."""
    row, rank = np.nonzero(lists.items != NOTHING)
    items, sources = lists.items[row, rank], lists.sources[row, rank]
    because = np.where(sources == 0, nearest[row, rank], NOTHING)
    entries = chunk.column("own").flatten()
    at = [
        int(users.offsets[u] + np.searchsorted(users.items[users.own(int(u))], i)) if s == 1 else None
        for u, i, s in zip(row, items, sources, strict=True)
    ]
    again = pa.array(at, pa.int64())
    return pa.RecordBatch.from_arrays(
        [
            chunk.column("user_id").take(pa.array(row)),
            pa.array(rank + 1, pa.int32()),
            pa.array(items, pa.int32()),
            pa.array(lists.scores[row, rank]),
            pa.array(SOURCES).take(pa.array(sources)),
            pa.array(because, pa.int32(), mask=because == NOTHING),
            pc.struct_field(entries, "orders").take(again),
            pc.struct_field(entries, "last_bought").take(again),
        ],
        names=["user_id", "rank", "item", "score", "source", "because", "orders", "last_bought"],
    )
