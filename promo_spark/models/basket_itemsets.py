"""Baskets as sets of items, and the sets of items that are often in one basket."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from pyspark.ml.fpm import FPGrowth
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import FrequentItemsets
from promo_spark.contracts.silver import OrderLines, Products

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
    Both find the same. `levels` (Apriori by joins) is several times faster for sets of two or three items;
    `fpgrowth` (MLlib) is for longer ones, whose candidates would be too many. `keep` persists what is used
    twice.
    """
    spark = items.sparkSession
    frequent = frequent_items(items, fewest)
    if not frequent:
        return FrequentItemsets.frame(spark).drop(FrequentItemsets.as_of)
    codes = spark.createDataFrame([(item, code) for code, item in enumerate(frequent)], "item string, code int")
    coded = keep(items.join(F.broadcast(codes), on="item", how="inner").select(OrderLines.order_id, "code"))
    mined = {"levels": _by_levels, "fpgrowth": _by_fpgrowth}[miner](coded, fewest, largest, keep)
    names = spark.createDataFrame([(frequent,)], "names array<string>")
    return mined.crossJoin(F.broadcast(names)).select(
        F.lit(level).alias(FrequentItemsets.level),
        F.array_sort(F.transform("codes", lambda code: F.get("names", code))).alias("items"),
        F.size("codes").cast(T.IntegerType()).alias(FrequentItemsets.size),
        F.col("baskets"),
        (F.col("baskets") / F.lit(all_baskets)).alias(FrequentItemsets.support),
    )


def _by_levels(coded: DataFrame, fewest: int, largest: int, keep: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """Codes and baskets of the frequent sets. Level k + 1 joins what two k-sets of one basket have in common.

    A k-set is its first k − 1 codes (`prefix`) and its `last`; only those that are frequent go on (Agrawal &
    Srikant 1994). Codes rise with frequency, so that prefixes are rare and few pairs share one.
    """
    found = coded.groupBy(F.array("code").alias("codes")).agg(F.count(F.lit(1)).alias("baskets"))
    occurrences = coded.select(
        OrderLines.order_id, F.array().cast("array<int>").alias("prefix"), F.col("code").alias("last")
    )
    for size in range(2, largest + 1):
        longer = (
            occurrences.join(
                occurrences.withColumnRenamed("last", "next"), on=[OrderLines.order_id, "prefix"], how="inner"
            )
            .filter(F.col("last") < F.col("next"))
            .select(
                OrderLines.order_id, F.concat("prefix", F.array("last")).alias("prefix"), F.col("next").alias("last")
            )
        )
        counted = longer.groupBy("prefix", "last").agg(F.count(F.lit(1)).alias("baskets"))
        frequent = keep(counted.filter(F.col("baskets") >= fewest))
        found = found.unionByName(frequent.select(F.concat("prefix", F.array("last")).alias("codes"), "baskets"))
        if size < largest:
            sets = F.broadcast(frequent.select("prefix", "last"))
            occurrences = keep(longer.join(sets, on=["prefix", "last"], how="left_semi"))
    return found


def _by_fpgrowth(coded: DataFrame, fewest: int, largest: int, keep: Callable[[DataFrame], DataFrame]) -> DataFrame:
    """Codes and baskets of the frequent sets, by MLlib's FPGrowth (PFP, Li et al. 2008).

    It mines again at each action, so its result is kept. Its own rules are not used: they have no counts.
    """
    baskets = keep(coded.groupBy(OrderLines.order_id).agg(F.sort_array(F.collect_list("code")).alias("items")))
    # MLlib takes ceil(share × rows) as its count; half a basket less keeps that at `fewest`, whatever the float
    miner = FPGrowth(itemsCol="items", minSupport=(fewest - 0.5) / baskets.count())
    sets = miner.fit(baskets).freqItemsets.filter(F.size("items") <= largest)
    return keep(sets.select(F.col("items").alias("codes"), F.col("freq").alias("baskets")))
