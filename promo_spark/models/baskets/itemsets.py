"""Baskets as sets of items, and the sets of items that are often in one basket."""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
from pyspark.ml.fpm import FPGrowth
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import FrequentItemsets
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.errors import SettingsError
from promo_spark.measures.order_lines import is_purchase
from promo_spark.settings.baskets import BasketsSettings
from promo_spark.settings.business import BusinessSettings

MOST_COUNTS = 50_000_000  # sets × items: 400 MB of counts in a worker
_BLOCK = 2048  # baskets to a matrix product

LEVELS = {"product": Products.product_id, "subcategory": Products.subcategory, "category": Products.category}


class BasketItem(Frame):
    """One row per order and different item in it."""

    order_id = Col(T.StringType(), "the order, which is the basket", required=True)
    item = Col(T.StringType(), "the item: a product, subcategory or category", required=True)
    basket_items = Col(T.LongType(), "different items in the order", required=True)


class CodedItem(Frame):
    """One row per order and frequent item in it."""

    order_id = Col(T.StringType(), "the order", required=True)
    code = Col(T.IntegerType(), "the item's code: its position among the frequent items, from 0", required=True)


class CodedItemset(Frame):
    """One row per frequent set of items; where FPGrowth reads them, per basket."""

    codes = Col(T.ArrayType(T.IntegerType()), "the codes of the items", required=True)
    baskets = Col(T.LongType(), "baskets that hold all of them", required=True)


class ExtendedCount(Frame):
    """One row per set, item and batch of baskets: the baskets that hold the set and the item."""

    position = Col(T.LongType(), "the set's position among the sets that are extended", required=True)
    code = Col(T.LongType(), "the code of the item, higher than all codes of the set", required=True)
    baskets = Col(T.LongType(), "baskets that hold them all", required=True)


def basket_items(
    lines: DataFrame,
    products: DataFrame,
    *,
    as_of: datetime.date,
    settings: BasketsSettings,
    business: BusinessSettings,
) -> DataFrame:
    """One row per order and different item in it. OrderLines, Products → BasketItem.

    An item is a product, subcategory or category, as the level says. Bought twice in an order it counts once,
    as MLlib's FPGrowth refuses a basket with a repeated item. Returns do not count, nor do products without
    a value at the level or of an excluded department or category; an order of nothing else is no basket.
    """
    item = F.col(LEVELS[settings.level])
    eligible = products.filter(
        F.coalesce(~F.col(Products.department).isin(list(business.excluded_departments)), F.lit(True))
        & F.coalesce(~F.col(Products.category).isin(list(business.excluded_categories)), F.lit(True))
        & item.isNotNull()
    ).select(Products.product_id, item.alias(BasketItem.item))
    first_day = as_of - datetime.timedelta(days=settings.history_days)
    return (
        lines.filter(F.col(OrderLines.order_date).between(first_day, as_of - datetime.timedelta(days=1)))
        .filter(is_purchase())
        .select(OrderLines.order_id, OrderLines.product_id)
        .join(eligible, on=Products.product_id, how="inner")
        .select(BasketItem.order_id, BasketItem.item)
        .repartition(BasketItem.order_id)  # serves the two steps below and the collection of baskets
        .dropDuplicates([BasketItem.order_id, BasketItem.item])
        .withColumn(BasketItem.basket_items, F.count("*").over(Window.partitionBy(BasketItem.order_id)))
    )


def filled_level(products: DataFrame, level: str) -> str:
    """The level at which items are named: the given one, or the next one up or else `product`, if no product has it.

    Products → subcategory, category or product.
    """
    levels = ("subcategory", "category", "product")
    tried = levels[levels.index(level) :]
    filled = products.agg(*[F.count(LEVELS[name]).alias(name) for name in tried]).collect()[0]
    return next((name for name in tried if filled[name]), "product")


def basket_sizes(items: DataFrame) -> dict[int, int]:
    """BasketItem → number of items in a basket, with how many baskets hold so many: bounded by the largest basket."""
    counts = items.groupBy(BasketItem.basket_items).agg(F.count("*")).collect()
    return {int(size): int(rows) // int(size) for size, rows in counts}


def largest_kept(sizes: Mapping[int, int], quantile: float) -> int:
    """The exact quantile of basket sizes: the smallest size that at least that share of baskets does not exceed.

    Baskets above it hold everything and say nothing, but cost most (n items have n(n−1)/2 pairs). As the
    quantile is a size that occurs, a handful of baskets never loses its largest. 0 without baskets.

    >>> largest_kept({2: 994, 9: 1, 80: 5}, 0.995)  # 995 of 1,000 baskets hold 9 items or fewer
    9
    """
    needed, seen = Decimal(str(quantile)) * sum(sizes.values()), 0
    for size in sorted(sizes):
        seen += sizes[size]
        if seen >= needed:
            return size
    return 0


def fewest_baskets(all_baskets: int, *, min_support: float, min_baskets: int) -> int:
    """Baskets that an itemset needs: the share, inclusive and free of float noise, and the floor beside it.

    >>> fewest_baskets(100, min_support=0.07, min_baskets=1)  # though 0.07 * 100 > 7 in floats
    7
    >>> fewest_baskets(100, min_support=0.07, min_baskets=50)
    50
    """
    return max(min_baskets, math.ceil(Decimal(str(min_support)) * all_baskets), 1)


@dataclass(frozen=True)
class BasketCounts:
    """How many baskets are mined: `kept`, up to the `largest` size; `giants` are cut; `fewest` make an itemset."""

    kept: int
    giants: int
    largest: int
    fewest: int

    @staticmethod
    def of(sizes: Mapping[int, int], settings: BasketsSettings) -> BasketCounts:
        """From the number of baskets of each size."""
        largest = largest_kept(sizes, settings.max_items_quantile)
        kept = sum(n for size, n in sizes.items() if size <= largest)
        fewest = fewest_baskets(kept, min_support=settings.min_support, min_baskets=settings.min_baskets)
        return BasketCounts(kept, sum(sizes.values()) - kept, largest, fewest)

    def figures(self) -> dict[str, int]:
        """Metric → value, for models.metrics."""
        return {
            "baskets": self.kept,
            "giant_baskets_cut": self.giants,
            "largest_basket_kept": self.largest,
            "fewest_baskets_of_an_itemset": self.fewest,
        }


def frequent_items(items: DataFrame, fewest: int) -> list[str]:
    """BasketItem → items in at least so many baskets, rarest first; their positions, from 0, are their codes.

    Bounded, whatever the catalogue: there are at most (all rows / fewest) of them.
    """
    counts = items.groupBy(BasketItem.item).agg(F.count("*").alias(FrequentItemsets.baskets))
    frequent = counts.filter(F.col(FrequentItemsets.baskets) >= fewest).collect()
    return [item for _, item in sorted((int(baskets), str(item)) for item, baskets in frequent)]


def frequent_itemsets(
    items: DataFrame,
    *,
    baskets: BasketCounts,
    settings: BasketsSettings,
    keep: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """One row per set of items in enough of the baskets that are not giants. BasketItem → FrequentItemsets.

    A set has up to `max_antecedent` + 1 items: those of the longest rule. The support's denominator is all
    baskets, those with one item or without a frequent one included. Rare
    items go before anything is built, and numbers stand for names: both miners then have half the work.
    Both find the same. `levels` (Apriori by matrix products) is for sets of two or three of some hundreds of
    frequent items; `fpgrowth` (MLlib) for longer sets and more items. `keep` persists what is used twice.
    Raises SettingsError where `levels` would have too many sets to count.
    """
    spark = items.sparkSession
    items = items.filter(F.col(BasketItem.basket_items) <= baskets.largest)
    frequent = frequent_items(items, baskets.fewest)
    if not frequent:
        return FrequentItemsets.frame(spark).drop(FrequentItemsets.as_of)
    codes = spark.createDataFrame(list(enumerate(frequent)), [CodedItem.code, BasketItem.item])
    coded = items.join(F.broadcast(codes), on=BasketItem.item, how="inner").select(
        CodedItem.order_id, F.col(CodedItem.code).cast("int").alias(CodedItem.code)
    )
    miner, largest = {"levels": _by_levels, "fpgrowth": _by_fpgrowth}[settings.miner], settings.max_antecedent + 1
    mined = miner(keep(coded), len(frequent), baskets.fewest, largest, keep)
    names = F.broadcast(spark.createDataFrame([(frequent,)], [FrequentItemsets.items]))
    set_codes, count = F.col(CodedItemset.codes), F.col(CodedItemset.baskets)
    items_of_set = F.array_sort(F.transform(set_codes, lambda code: F.get(FrequentItemsets.items, code)))
    return mined.crossJoin(names).select(
        F.lit(settings.level).alias(FrequentItemsets.level),
        items_of_set.alias(FrequentItemsets.items),
        F.size(set_codes).cast(T.IntegerType()).alias(FrequentItemsets.size),
        count.alias(FrequentItemsets.baskets),
        (count / F.lit(baskets.kept)).alias(FrequentItemsets.support),
    )


def _by_levels(
    coded: DataFrame, items: int, fewest: int, largest: int, keep: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    """One row per frequent set, found level by level (Agrawal & Srikant 1994). CodedItem → CodedItemset.

    The baskets that hold a set and one more item, for all sets and items at once, are a matrix product: sets
    held (baskets × sets) transposed, times items held (baskets × items). Only counts leave a partition. The
    frequent sets of a level come to the driver: there are as many as rows in the table that is made of them.
    """
    spark = coded.sparkSession
    codes = F.collect_list(CodedItem.code).alias(CodedItemset.codes)
    baskets = keep(coded.groupBy(CodedItem.order_id).agg(codes).select(CodedItemset.codes))
    sets: list[tuple[int, ...]] = [(code,) for code in range(items)]
    singles = coded.groupBy(CodedItem.code).agg(F.count("*")).collect()
    frequent: list[tuple[tuple[int, ...], int]] = [((int(code),), int(n)) for code, n in singles]
    for _ in range(2, largest + 1):
        if len(sets) * items > MOST_COUNTS:
            raise SettingsError(
                f"baskets: {len(sets):,} frequent sets × {items:,} frequent items are more counts than fit in "
                'memory; raise baskets.min_support or baskets.min_baskets, or set baskets.miner = "fpgrowth"'
            )
        counts = baskets.mapInArrow(functools.partial(extended_counts, sets=sets, items=items), ExtendedCount.schema())
        sums = counts.groupBy(ExtendedCount.position, ExtendedCount.code).agg(
            F.sum(ExtendedCount.baskets).alias(ExtendedCount.baskets)
        )
        rows = sums.filter(F.col(ExtendedCount.baskets) >= fewest).collect()
        longer = {(*sets[position], int(code)): int(n) for position, code, n in rows}
        sets = sorted(longer)
        frequent += sorted(longer.items())
        if not sets:
            break
    return spark.createDataFrame([(list(set_codes), n) for set_codes, n in frequent], CodedItemset.schema())


def extended_counts(
    batches: Iterator[pa.RecordBatch], *, sets: Sequence[tuple[int, ...]], items: int
) -> Iterator[pa.RecordBatch]:
    """One row per set and item with a higher code: the baskets that hold them all. Baskets → ExtendedCount.

    Baskets are lists of different codes below `items`. The sums of a block are whole numbers far below 2^24,
    so that float32 holds them exactly.

    >>> baskets = pa.RecordBatch.from_arrays([pa.array([[0, 1, 2], [0, 2], [1]], pa.list_(pa.int32()))], ["codes"])
    >>> [counts] = extended_counts(iter([baskets]), sets=[(0,), (1,)], items=3)
    >>> [tuple(row.values()) for row in counts.to_pylist()]  # position of the set, code of the item, baskets
    [(0, 1, 1), (0, 2, 2), (1, 2, 1)]
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
    position, code = np.nonzero(higher & (counts > 0))
    yield pa.RecordBatch.from_arrays(
        [pa.array(position), pa.array(code), pa.array(counts[position, code])], names=list(ExtendedCount.columns())
    )


def _by_fpgrowth(
    coded: DataFrame, _items: int, fewest: int, largest: int, keep: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    """One row per frequent set, found by MLlib's FPGrowth (PFP, Li et al. 2008). CodedItem → CodedItemset.

    It mines again at each action, so its result is kept. Its own rules are not used: they have no counts.
    """
    codes = F.sort_array(F.collect_list(CodedItem.code)).alias(CodedItemset.codes)
    baskets = keep(coded.groupBy(CodedItem.order_id).agg(codes))
    # MLlib takes ceil(share × rows) as its count; half a basket less keeps that at `fewest`, whatever the float
    miner = FPGrowth(itemsCol=CodedItemset.codes, minSupport=(fewest - 0.5) / baskets.count())
    sets = miner.fit(baskets).freqItemsets.toDF(*CodedItemset.columns())
    return keep(sets.filter(F.size(CodedItemset.codes) <= largest))
