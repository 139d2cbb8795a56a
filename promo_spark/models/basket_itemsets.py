"""Baskets as sets of items, and the sets of items that are often in one basket."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
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
    """Items that occur in at least so many baskets, sorted.

    Bounded, whatever the catalogue: there are at most (all rows / fewest) of them.
    """
    counts = items.groupBy("item").count().filter(F.col("count") >= fewest)
    return sorted(str(r["item"]) for r in counts.collect())


def coded_baskets(items: DataFrame, frequent: Sequence[str]) -> DataFrame:
    """One row per basket with a frequent item: `codes`, the sorted positions of its frequent items, from 1.

    Rare items go before any array is built, and numbers take a quarter less time to mine than names.
    """
    coded = items.sparkSession.createDataFrame(
        [(item, code) for code, item in enumerate(frequent, start=1)], "item string, code int"
    )
    return (
        items.join(F.broadcast(coded), on="item", how="inner")
        .groupBy(OrderLines.order_id)
        .agg(F.sort_array(F.collect_list("code")).alias("codes"))
    )


def frequent_itemsets(
    coded: DataFrame, frequent: Sequence[str], *, fewest: int, all_baskets: int, largest: int, level: str
) -> DataFrame:
    """One row per set of up to `largest` items in at least `fewest` baskets. Coded baskets → FrequentItemsets.

    The support's denominator is all baskets, those with one item or without a frequent one included.
    MLlib's FPGrowth (PFP, Li et al. 2008) mines again at each action: persist the result. Its own rules are
    not used: they have no counts, and would mine a second time.
    """
    spark = coded.sparkSession
    baskets = coded.count()
    if baskets == 0:
        return FrequentItemsets.frame(spark).drop(FrequentItemsets.as_of)
    # MLlib takes ceil(share × rows) as its count; half a basket less keeps that at `fewest`, whatever the float
    miner = FPGrowth(itemsCol="codes", minSupport=(fewest - 0.5) / baskets)
    names = spark.createDataFrame([(list(frequent),)], "names array<string>")
    return (
        miner.fit(coded)
        .freqItemsets.filter(F.size("items") <= largest)
        .crossJoin(F.broadcast(names))
        .select(
            F.lit(level).alias(FrequentItemsets.level),
            F.transform(F.sort_array("items"), lambda code: F.element_at("names", code)).alias("items"),
            F.size("items").cast(T.IntegerType()).alias(FrequentItemsets.size),
            F.col("freq").alias(FrequentItemsets.baskets),
            (F.col("freq") / F.lit(all_baskets)).alias(FrequentItemsets.support),
        )
    )
