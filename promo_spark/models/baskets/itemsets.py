"""The sets of items that are often in one basket."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.ml.fpm import FPGrowth
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import FrequentItemsets
from promo_spark.contracts.schema import Col, Frame
from promo_spark.errors import SettingsError
from promo_spark.models.baskets.baskets import BASKET, BasketCounts, BasketItem
from promo_spark.settings.baskets import BasketsSettings

MOST_COUNTS = 50_000_000  # sets × items: 400 MB of counts in a worker
_BLOCK = 2048  # baskets to a matrix product


class CodedItem(Frame):
    """One row per basket and frequent item in it."""

    order_id = BasketItem.columns()[BasketItem.order_id]
    order_date = BasketItem.columns()[BasketItem.order_date]
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


def frequent_items(items: DataFrame, fewest: int) -> dict[str, int]:
    """BasketItem → items in at least so many baskets, and in how many, rarest first: the positions are their codes.

    Bounded, whatever the catalogue: there are at most (all rows / fewest) of them.
    """
    counts = items.groupBy(BasketItem.item).agg(F.count("*").alias(FrequentItemsets.baskets))
    frequent = counts.filter(F.col(FrequentItemsets.baskets) >= fewest).collect()
    return {item: baskets for baskets, item in sorted((int(baskets), str(item)) for item, baskets in frequent)}


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
        *BASKET, F.col(CodedItem.code).cast("int").alias(CodedItem.code)
    )
    miner, largest = {"levels": _by_levels, "fpgrowth": _by_fpgrowth}[settings.miner], settings.max_antecedent + 1
    mined = miner(keep(coded), list(frequent.values()), baskets.fewest, largest, keep)
    names = F.broadcast(spark.createDataFrame([(list(frequent),)], [FrequentItemsets.items]))
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
    coded: DataFrame, singles: Sequence[int], fewest: int, largest: int, keep: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    """One row per frequent set, found level by level (Agrawal & Srikant 1994). CodedItem → CodedItemset.

    `singles` has the number of baskets of each item, by its code.
    The baskets that hold a set and one more item, for all sets and items at once, are a matrix product: sets
    held (baskets × sets) transposed, times items held (baskets × items). Only counts leave a partition. The
    frequent sets of a level come to the driver: there are as many as rows in the table that is made of them.
    """
    spark, items = coded.sparkSession, len(singles)
    codes = F.collect_list(CodedItem.code).alias(CodedItemset.codes)
    baskets = keep(coded.groupBy(*BASKET).agg(codes).select(CodedItemset.codes))
    sets: list[tuple[int, ...]] = [(code,) for code in range(items)]
    frequent: list[tuple[tuple[int, ...], int]] = [((code,), n) for code, n in enumerate(singles)]
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
    coded: DataFrame, _singles: Sequence[int], fewest: int, largest: int, keep: Callable[[DataFrame], DataFrame]
) -> DataFrame:
    """One row per frequent set, found by MLlib's FPGrowth (PFP, Li et al. 2008). CodedItem → CodedItemset.

    It mines again at each action, so its result is kept. Its own rules are not used: they have no counts.
    """
    codes = F.sort_array(F.collect_list(CodedItem.code)).alias(CodedItemset.codes)
    baskets = keep(coded.groupBy(*BASKET).agg(codes))
    # MLlib takes ceil(share × rows) as its count; half a basket less keeps that at `fewest`, whatever the float
    miner = FPGrowth(itemsCol=CodedItemset.codes, minSupport=(fewest - 0.5) / baskets.count())
    sets = miner.fit(baskets).freqItemsets.toDF(*CodedItemset.columns())
    return keep(sets.filter(F.size(CodedItemset.codes) <= largest))
