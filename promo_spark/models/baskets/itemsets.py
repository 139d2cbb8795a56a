"""Baskets as sets of items, and the sets of items that are often in one basket."""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
from pyspark.ml.fpm import FPGrowth
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import FrequentItemsets
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.errors import SettingsError

MOST_CANDIDATES = 50_000_000  # sets × items: 400 MB of counts in a worker
_BLOCK = 2048  # baskets to a matrix product
_COUNTS = "at long, code long, baskets long"

LEVELS = {"product": Products.product_id, "subcategory": Products.subcategory, "category": Products.category}


def basket_items(
    lines: DataFrame,
    products: DataFrame,
    *,
    as_of: datetime.date,
    level: str,
    history_days: int,
    excluded_departments: Sequence[str],
    excluded_categories: Sequence[str],
) -> DataFrame:
    """One row per order and different item in it: order_id, item, basket_items. OrderLines, Products → baskets.

    An item is a product, subcategory or category, as `level` says. Bought twice in an order it counts once,
    as MLlib's FPGrowth refuses a basket with a repeated item. Returns do not count, nor do products without
    a value at the level or of an excluded department or category; an order of nothing else is no basket.
    `basket_items` is the number of different items in the row's order.
    """
    eligible = products.filter(
        F.coalesce(~F.col(Products.department).isin(list(excluded_departments)), F.lit(True))
        & F.coalesce(~F.col(Products.category).isin(list(excluded_categories)), F.lit(True))
        & F.col(LEVELS[level]).isNotNull()
    ).select(Products.product_id, F.col(LEVELS[level]).alias("item"))
    first_day = as_of - datetime.timedelta(days=history_days)
    return (
        lines.filter(F.col(OrderLines.order_date).between(first_day, as_of - datetime.timedelta(days=1)))
        .filter(F.col(OrderLines.quantity) > 0)
        .select(OrderLines.order_id, OrderLines.product_id)
        .join(eligible, on=Products.product_id, how="inner")
        .select(OrderLines.order_id, "item")
        .repartition(OrderLines.order_id)  # serves the two steps below and the collection of baskets
        .dropDuplicates([OrderLines.order_id, "item"])
        .withColumn("basket_items", F.count(F.lit(1)).over(Window.partitionBy(OrderLines.order_id)))
    )


def basket_sizes(items: DataFrame) -> dict[int, int]:
    """Items in a basket → how many baskets hold so many: bounded by the largest basket."""
    counts = items.groupBy("basket_items").count().collect()
    return {int(r["basket_items"]): int(r["count"]) // int(r["basket_items"]) for r in counts}


def largest_kept(sizes: Mapping[int, int], quantile: float) -> int:
    """The exact quantile of basket sizes: the smallest size that at least that share of baskets does not exceed.

    Baskets above it hold everything and say nothing, but cost most (n items have n(n−1)/2 pairs). As the
    quantile is a size that occurs, a handful of baskets never loses its largest. 0 without baskets.
    """
    needed, seen = Decimal(str(quantile)) * sum(sizes.values()), 0
    for size in sorted(sizes):
        seen += sizes[size]
        if seen >= needed:
            return size
    return 0


def fewest_baskets(all_baskets: int, *, min_support: float, min_baskets: int) -> int:
    """Baskets that an itemset needs: the share, inclusive and free of float noise, and the floor beside it."""
    return max(min_baskets, math.ceil(Decimal(str(min_support)) * all_baskets), 1)


def frequent_items(items: DataFrame, fewest: int) -> list[str]:
    """Items that occur in at least so many baskets, rarest first; their positions, from 0, are their codes.

    Bounded, whatever the catalogue: there are at most (all rows / fewest) of them.
    """
    counts = items.groupBy("item").count().filter(F.col("count") >= fewest)
    return [item for _, item in sorted((int(r["count"]), str(r["item"])) for r in counts.collect())]


def frequent_itemsets(
    items: DataFrame,
    *,
    fewest: int,
    all_baskets: int,
    largest: int,
    level: str,
    miner: str,
    keep: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """One row per set of up to `largest` items in at least `fewest` baskets. Basket items → FrequentItemsets.

    The support's denominator is all baskets, those with one item or without a frequent one included. Rare
    items go before anything is built, and numbers stand for names: both miners then have half the work.
    Both find the same. `levels` (Apriori by matrix products) is for sets of two or three of some hundreds of
    frequent items; `fpgrowth` (MLlib) for longer sets and more items. `keep` persists what is used twice.
    Raises SettingsError where `levels` would have too many candidates.
    """
    spark = items.sparkSession
    frequent = frequent_items(items, fewest)
    if not frequent:
        return FrequentItemsets.frame(spark).drop(FrequentItemsets.as_of)
    codes = spark.createDataFrame([(item, code) for code, item in enumerate(frequent)], "item string, code int")
    coded = keep(items.join(F.broadcast(codes), on="item", how="inner").select(OrderLines.order_id, "code"))
    mined = {"levels": _by_levels, "fpgrowth": _by_fpgrowth}[miner](coded, len(frequent), fewest, largest, keep)
    names = spark.createDataFrame([(frequent,)], "names array<string>")
    return mined.crossJoin(F.broadcast(names)).select(
        F.lit(level).alias(FrequentItemsets.level),
        F.array_sort(F.transform("codes", lambda code: F.get("names", code))).alias("items"),
        F.size("codes").cast(T.IntegerType()).alias(FrequentItemsets.size),
        F.col("baskets"),
        (F.col("baskets") / F.lit(all_baskets)).alias(FrequentItemsets.support),
    )


def _by_levels(
    coded: DataFrame, items: int, fewest: int, largest: int, keep: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    """Codes and baskets of the frequent sets, level by level (Agrawal & Srikant 1994).

    The baskets that hold a set and one more item, for all sets and items at once, are a matrix product: sets
    held (baskets × sets) transposed, times items held (baskets × items). Only counts leave a partition. The
    frequent sets of a level come to the driver: there are as many as rows in the table that is made of them.
    """
    spark = coded.sparkSession
    baskets = keep(coded.groupBy(OrderLines.order_id).agg(F.collect_list("code").alias("codes")).select("codes"))
    sets: list[tuple[int, ...]] = [(code,) for code in range(items)]
    singles = coded.groupBy("code").count().collect()
    found = [((int(r["code"]),), int(r["count"])) for r in singles]
    for _ in range(2, largest + 1):
        if len(sets) * items > MOST_CANDIDATES:
            raise SettingsError(
                f"baskets: {len(sets):,} frequent sets × {items:,} frequent items are more candidates than fit in "
                'memory; raise baskets.min_support or baskets.min_baskets, or set baskets.miner = "fpgrowth"'
            )
        counted = baskets.mapInArrow(functools.partial(extended_counts, sets=sets, items=items), _COUNTS)
        sums = counted.groupBy("at", "code").agg(F.sum("baskets").alias("baskets"))
        rows = sums.filter(F.col("baskets") >= fewest).collect()
        longer = {(*sets[r["at"]], int(r["code"])): int(r["baskets"]) for r in rows}
        sets = sorted(longer)
        found += sorted(longer.items())
        if not sets:
            break
    return spark.createDataFrame([(list(codes), n) for codes, n in found], "codes array<int>, baskets long")


def extended_counts(
    batches: Iterator[pa.RecordBatch], *, sets: Sequence[tuple[int, ...]], items: int
) -> Iterator[pa.RecordBatch]:
    """Per set (its position) and item with a higher code: the baskets of these batches that hold them all.

    Baskets are lists of different codes below `items`. The sums of a block are whole numbers far below 2^24,
    so that float32 holds them exactly.
    """
    members = np.array(sets, dtype=np.int64).T  # one row of codes per place in the set
    counts = np.zeros((len(sets), items), dtype=np.int64)
    for batch in batches:
        codes = batch.column(0)
        for start in range(0, len(codes), _BLOCK):
            block = codes.slice(start, _BLOCK)
            of_basket = np.repeat(np.arange(len(block)), np.diff(block.offsets.to_numpy()))
            held = np.zeros((len(block), items), dtype=np.float32)
            held[of_basket, block.flatten().to_numpy()] = 1.0
            sets_held = held[:, members[0]]
            for place in members[1:]:
                sets_held *= held[:, place]
            counts += (sets_held.T @ held).astype(np.int64)
    higher = np.arange(items) > members[-1][:, None]
    at, code = np.nonzero(higher & (counts > 0))
    yield pa.RecordBatch.from_arrays(
        [pa.array(at), pa.array(code), pa.array(counts[at, code])], names=["at", "code", "baskets"]
    )


def _by_fpgrowth(
    coded: DataFrame, items: int, fewest: int, largest: int, keep: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    """Codes and baskets of the frequent sets, by MLlib's FPGrowth (PFP, Li et al. 2008).

    It mines again at each action, so its result is kept. Its own rules are not used: they have no counts.
    """
    baskets = keep(coded.groupBy(OrderLines.order_id).agg(F.sort_array(F.collect_list("code")).alias("items")))
    # MLlib takes ceil(share × rows) as its count; half a basket less keeps that at `fewest`, whatever the float
    miner = FPGrowth(itemsCol="items", minSupport=(fewest - 0.5) / baskets.count())
    sets = miner.fit(baskets).freqItemsets.filter(F.size("items") <= largest)
    return keep(sets.select(F.col("items").alias("codes"), F.col("freq").alias("baskets")))
