"""The sets of items that are often in one basket."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.ml.fpm import FPGrowth
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from scipy import sparse

from promo_spark.contracts.models import FrequentItemsets
from promo_spark.contracts.schema import Col, Frame
from promo_spark.errors import SettingsError
from promo_spark.models.baskets.baskets import BasketCounts, BasketItem
from promo_spark.models.baskets.bitmaps import PARTS, Integers, counts_of_sets, joined_sets, joins, pairs_of
from promo_spark.models.baskets.counts import SetCount
from promo_spark.models.baskets.shoppers import ShopperBaskets, shopper_baskets
from promo_spark.settings.baskets import BasketsSettings

MOST_SETS = 20_000_000  # that are looked at for one more item: half a gigabyte on the driver
MOST_PAIRS = 10_000_000  # held in a worker before they are handed on: 300 MB


class CodedItemset(Frame):
    """One row per frequent set of items."""

    codes = Col(T.ArrayType(T.IntegerType()), "the codes of the items, ascending", required=True)
    baskets = Col(T.LongType(), "baskets that hold all of them", required=True)
    expected_baskets = FrequentItemsets.columns()[FrequentItemsets.expected_baskets]


class PairCount(Frame):
    """One row per pair of items and part of the shoppers."""

    first = Col(T.LongType(), "the code of one", required=True)
    second = Col(T.LongType(), "the code of the other, a higher one", required=True)
    baskets = Col(T.LongType(), "baskets that hold both", required=True)
    expected = Col(T.LongType(), "baskets that would by habit (bitmaps.pairs_of)", unit="1/PARTS", required=True)


@dataclass(frozen=True)
class MinedItemsets:
    """The frequent sets (FrequentItemsets), and which miner found them."""

    rows: DataFrame
    miner: str


class _TooManySetsError(Exception):
    """More sets than can be looked at one by one."""


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
) -> MinedItemsets:
    """One row per set of items in enough of the baskets that are not giants. BasketItem → FrequentItemsets.

    A set has up to `max_antecedent` + 1 items: those of the longest rule. The support's denominator is all
    baskets, those with one item or without a frequent one included. Rare
    items go before anything is built, and numbers stand for names.
    All miners find the same. `levels` (Apriori) counts pairs by sparse products, and longer sets, candidates that the
    driver joins, by bitmaps; `fpgrowth` (MLlib) is for when these are too many. `auto` is `levels`, and `fpgrowth`
    where a level would look at more than MOST_SETS sets. `keep` persists what is used twice.
    Raises SettingsError where `levels` would.
    """
    spark = items.sparkSession
    no_giants = items.filter(F.col(BasketItem.basket_items) <= baskets.largest)
    frequent = frequent_items(no_giants, baskets.fewest)
    if not frequent:
        return MinedItemsets(FrequentItemsets.frame(spark).drop(FrequentItemsets.as_of), settings.miner)
    codes = {item: code for code, item in enumerate(frequent)}
    shoppers = keep(shopper_baskets(no_giants, codes))
    longest, singles = settings.max_antecedent + 1, np.array(list(frequent.values()), np.int64)
    pairs = frequent_pairs(shoppers, len(codes), baskets.fewest) if longest > 1 else {}
    if (miner := settings.miner) != "fpgrowth":
        try:
            mined, miner = _by_levels(shoppers, singles, pairs, baskets.fewest, longest), "levels"
        except _TooManySetsError as error:
            if miner == "levels":
                raise SettingsError(
                    f"baskets: {error}, more than {MOST_SETS:,}; raise baskets.min_support or baskets.min_baskets, "
                    'or set baskets.miner = "auto" or "fpgrowth"'
                ) from None
            miner = "fpgrowth"
    if miner == "fpgrowth":
        mined = _by_fpgrowth(shoppers, pairs, baskets.fewest, longest, keep)
    names = F.broadcast(spark.createDataFrame([(list(frequent),)], [FrequentItemsets.items]))
    set_codes, count = F.col(CodedItemset.codes), F.col(CodedItemset.baskets)
    items_of_set = F.array_sort(F.transform(set_codes, lambda code: F.get(FrequentItemsets.items, code)))
    rows = mined.crossJoin(names).select(
        F.lit(settings.level).alias(FrequentItemsets.level),
        items_of_set.alias(FrequentItemsets.items),
        F.size(set_codes).cast(T.IntegerType()).alias(FrequentItemsets.size),
        count.alias(FrequentItemsets.baskets),
        (count / F.lit(baskets.kept)).alias(FrequentItemsets.support),
        FrequentItemsets.expected_baskets,
    )
    return MinedItemsets(rows, miner)


def frequent_pairs(shoppers: DataFrame, items: int, fewest: int) -> dict[tuple[int, int], tuple[int, float]]:
    """ShopperBaskets → pairs of codes in enough baskets: in how many, and in how many they would be by habit."""
    counts = shoppers.mapInArrow(functools.partial(pair_counts, items=items), PairCount.schema())
    sums = counts.groupBy(PairCount.first, PairCount.second).agg(
        F.sum(PairCount.baskets).alias(PairCount.baskets), F.sum(PairCount.expected).alias(PairCount.expected)
    )
    rows = sums.filter(F.col(PairCount.baskets) >= fewest).collect()
    return {(int(a), int(b)): (int(n), parts / PARTS) for a, b, n, parts in sorted(map(tuple, rows))}


def pair_counts(batches: Iterator[pa.RecordBatch], *, items: int) -> Iterator[pa.RecordBatch]:
    """One row per pair of items that a shopper buys. ShopperBaskets → PairCount."""
    nothing = sparse.csr_matrix((items, items), dtype=np.int64)
    together = expected = nothing
    for batch in batches:
        for more_together, more_expected in pairs_of(batch.column(0), items):
            together, expected = together + more_together, expected + more_expected
            if expected.nnz > MOST_PAIRS:
                yield pair_rows(together, expected)
                together = expected = nothing
    yield pair_rows(together, expected)


def candidate_counts(batches: Iterator[pa.RecordBatch], *, sets: Integers, items: int) -> Iterator[pa.RecordBatch]:
    """One row per set that is in a basket. ShopperBaskets → SetCount. Sets as for bitmaps.counts_of_sets."""
    counts = np.zeros(len(sets), np.int64)
    for batch in batches:
        counts += counts_of_sets(batch.column(0).flatten().field("codes"), sets, items)
    found = np.flatnonzero(counts)
    yield pa.RecordBatch.from_arrays([pa.array(found), pa.array(counts[found])], names=list(SetCount.columns()))


def pair_rows(together: sparse.csr_matrix, expected: sparse.csr_matrix) -> pa.RecordBatch:
    """One row per pair of what bitmaps.pairs_of counts. → PairCount."""
    pairs = expected.tocoo()  # two items of one basket are of one shopper: every pair is among them
    found = np.asarray(together[pairs.row, pairs.col]).ravel() if pairs.nnz else np.zeros(0)
    columns = [pairs.row, pairs.col, found, pairs.data]
    return pa.RecordBatch.from_arrays([pa.array(c.astype(np.int64)) for c in columns], names=list(PairCount.columns()))


def _by_levels(
    shoppers: DataFrame,
    singles: Integers,
    pairs: Mapping[tuple[int, int], tuple[int, float]],
    fewest: int,
    longest: int,
) -> DataFrame:
    """One row per frequent set, found level by level (Agrawal & Srikant 1994). ShopperBaskets → CodedItemset.

    `singles` has the number of baskets of each item, by its code. Only counts leave a partition. The frequent sets of
    a level come to the driver: there are as many as rows in the table that is made of them.
    """
    items = len(singles)
    found: list[tuple[list[int], int, float | None]] = [([code], int(n), None) for code, n in enumerate(singles)]
    found += [(list(pair), n, expected) for pair, (n, expected) in pairs.items()]
    sets = np.array(list(pairs), np.int64).reshape(-1, 2)
    for size in range(3, longest + 1):
        if (looked_at := joins(sets)) > MOST_SETS:
            raise _TooManySetsError(f"{len(sets):,} sets of {size - 1} items make {looked_at:,} of {size}")
        try:
            candidates = joined_sets(sets, items)
        except OverflowError as error:
            raise _TooManySetsError(str(error)) from error
        if not len(candidates):
            break
        count = functools.partial(candidate_counts, sets=candidates, items=items)
        counts = shoppers.mapInArrow(count, SetCount.schema()).groupBy(SetCount.position)
        sums = counts.agg(F.sum(SetCount.baskets).alias(SetCount.baskets))
        rows = sorted(map(tuple, sums.filter(F.col(SetCount.baskets) >= fewest).collect()))
        sets = candidates[[position for position, _ in rows]]
        found += [(one, int(n), None) for one, (_, n) in zip(sets.tolist(), rows, strict=True)]
    return shoppers.sparkSession.createDataFrame(found, CodedItemset.schema())


def _by_fpgrowth(
    shoppers: DataFrame,
    pairs: Mapping[tuple[int, int], tuple[int, float]],
    fewest: int,
    longest: int,
    keep: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """One row per frequent set, found by MLlib's FPGrowth (PFP, Li et al. 2008). ShopperBaskets → CodedItemset.

    It mines again at each action, so its result is kept. Its own rules are not used: they have no counts.
    """
    baskets = keep(shoppers.select(F.inline(ShopperBaskets.baskets)).filter(F.size(CodedItemset.codes) > 0))
    # MLlib takes ceil(share × rows) as its count; half a basket less keeps that at `fewest`, whatever the float
    miner = FPGrowth(itemsCol=CodedItemset.codes, minSupport=(fewest - 0.5) / baskets.count())
    sets = miner.fit(baskets).freqItemsets.toDF(CodedItemset.codes, CodedItemset.baskets)
    shorter = keep(
        sets.filter(F.size(CodedItemset.codes) <= longest).withColumn(
            CodedItemset.codes, F.array_sort(CodedItemset.codes)
        )
    )
    expected: Sequence[tuple[list[int], float]] = [(list(pair), e) for pair, (_, e) in pairs.items()]
    schema = T.StructType([CodedItemset.schema()[name] for name in (CodedItemset.codes, CodedItemset.expected_baskets)])
    of_pairs = shoppers.sparkSession.createDataFrame(expected, schema)
    return shorter.join(F.broadcast(of_pairs), CodedItemset.codes, "left")
