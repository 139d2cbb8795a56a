"""Itemsets that are counted from date to date: which they are, by a fit, and in how many baskets they are."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import FrequentItemsets, ItemsetCounts
from promo_spark.contracts.schema import Col, Frame
from promo_spark.measures.refitting import newest_rows
from promo_spark.models.baskets.baskets import BasketCounts, CodedBasket, coded_baskets
from promo_spark.models.baskets.bitmaps import BASKETS_AT_ONCE, Floats, Integers, counts_of_sets

MOST_SETS = 200_000  # more are not counted one by one: they are mined again
_ALL, _GIANTS = -1, -2  # in place of a set's position: all baskets that count, and those that are cut out

Itemset = tuple[str, ...]


class SetCount(Frame):
    """One row per counted set and batch of baskets."""

    position = Col(T.LongType(), "the set's position; -1: all baskets that count, -2: giants", required=True)
    baskets = Col(T.LongType(), "baskets that hold the set", required=True)


@dataclass(frozen=True)
class FittedItemsets:
    """The sets that a fit found worth counting, sorted, and how many baskets held each of them then."""

    level: str
    sets: tuple[Itemset, ...]
    fitted: Integers
    expected_shares: Floats  # not a number: the set is no pair
    all_fitted: int
    largest: int  # items in the largest basket that counts
    trained_on: datetime.date
    made_by: str


@dataclass(frozen=True)
class SetCounts:
    """How many baskets there are, and how many hold each counted set; how many were cut out as giants.

    >>> both = SetCounts(5, 1, np.array([3, 2])) + SetCounts(2, 0, np.array([1, 0])) - SetCounts(1, 1, np.array([1, 1]))
    >>> both.baskets, both.giants, both.of_sets.tolist()
    (6, 0, [3, 1])
    """

    baskets: int
    giants: int
    of_sets: Integers

    def __add__(self, other: SetCounts) -> SetCounts:
        return SetCounts(self.baskets + other.baskets, self.giants + other.giants, self.of_sets + other.of_sets)

    def __sub__(self, other: SetCounts) -> SetCounts:
        return SetCounts(self.baskets - other.baskets, self.giants - other.giants, self.of_sets - other.of_sets)


def fitted_itemsets(counts: DataFrame | None) -> FittedItemsets | None:
    """ItemsetCounts of earlier dates → the sets of the newest of them. None: there are none, or more than MOST_SETS."""
    newest = newest_rows(counts, ItemsetCounts.as_of)
    rows = newest[1].limit(MOST_SETS + 2).collect() if newest else []
    if not rows or len(rows) > MOST_SETS + 1:
        return None
    rows.sort(key=lambda row: tuple(row[ItemsetCounts.items]))
    whole, *sets = rows  # no item at all comes first
    return FittedItemsets(
        whole[ItemsetCounts.level],
        tuple(tuple(row[ItemsetCounts.items]) for row in sets),
        np.array([row[ItemsetCounts.fitted_baskets] for row in sets], np.int64),
        np.array([row[ItemsetCounts.expected_share] for row in sets], np.float64),
        whole[ItemsetCounts.fitted_baskets],
        whole[ItemsetCounts.largest_basket],
        whole[ItemsetCounts.trained_on],
        whole[ItemsetCounts.made_by],
    )


def stored_counts(counts: DataFrame, fitted: FittedItemsets) -> SetCounts | None:
    """ItemsetCounts of one date → how many baskets there were; None: other sets were counted on that date."""
    rows = sorted(counts.collect(), key=lambda row: tuple(row[ItemsetCounts.items]))
    if not rows or (rows[0][ItemsetCounts.trained_on], rows[0][ItemsetCounts.made_by]) != (
        fitted.trained_on,
        fitted.made_by,
    ):
        return None
    whole, *sets = rows
    of_sets = np.array([row[ItemsetCounts.baskets] for row in sets], np.int64)
    return SetCounts(whole[ItemsetCounts.baskets], whole[ItemsetCounts.giant_baskets], of_sets)


def counted(items: DataFrame, fitted: FittedItemsets) -> SetCounts:
    """In how many baskets the sets are, in one pass. BasketItem → SetCounts."""
    names = sorted({item for one in fitted.sets for item in one})
    code_of = {item: code for code, item in enumerate(names)}
    sets = [tuple(code_of[item] for item in one) for one in fitted.sets]
    baskets = coded_baskets(items, code_of).select(CodedBasket.basket_items, CodedBasket.codes)
    count = functools.partial(set_counts, sets=sets, items=len(names), largest=fitted.largest)
    counts = baskets.mapInArrow(count, SetCount.schema())
    sums = dict(map(tuple, counts.groupBy(SetCount.position).agg(F.sum(SetCount.baskets)).collect()))
    of_sets = np.array([sums.get(position, 0) for position in range(len(sets))], np.int64)
    return SetCounts(sums.get(_ALL, 0), sums.get(_GIANTS, 0), of_sets)


def set_counts(
    batches: Iterator[pa.RecordBatch], *, sets: Sequence[tuple[int, ...]], items: int, largest: int
) -> Iterator[pa.RecordBatch]:
    """One row per set: the baskets that hold it; one for all baskets, one for giants. → SetCount.

    Baskets are the size and the codes of CodedBasket. Codes are below `items`; a set has at least one, ascending;
    sets are sorted.

    >>> codes = pa.array([[0, 1], [1], [0, 1, 2]], pa.list_(pa.int32()))
    >>> baskets = pa.RecordBatch.from_arrays([pa.array([2, 1, 9]), codes], ["basket_items", "codes"])
    >>> [counts] = set_counts(iter([baskets]), sets=[(0, 1), (1,), (2,)], items=3, largest=5)
    >>> [tuple(row.values()) for row in counts.to_pylist()]  # the basket of nine items is a giant
    [(-2, 1), (-1, 2), (0, 1), (1, 2)]
    """
    whole = giants = 0
    counts = np.zeros(len(sets), np.int64)
    of_size = []  # the positions of the sets of a size, and these sets
    for size in {len(one) for one in sets}:
        positions = np.flatnonzero([len(one) == size for one in sets])
        of_size.append((positions, np.array([one for one in sets if len(one) == size], np.int64)))
    for block in _blocks(batches):
        counts_here = block.filter(pc.less_equal(block.column(0), largest))
        whole, giants = whole + counts_here.num_rows, giants + block.num_rows - counts_here.num_rows
        for positions, some in of_size:
            counts[positions] += counts_of_sets(counts_here.column(1), some, items)
    found = np.flatnonzero(counts)
    yield pa.RecordBatch.from_arrays(
        [
            pa.array(np.concatenate([[_GIANTS, _ALL], found]).astype(np.int64)),
            pa.array(np.concatenate([[giants, whole], counts[found]]).astype(np.int64)),
        ],
        names=list(SetCount.columns()),
    )


def _blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, small ones put together."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= BASKETS_AT_ONCE:
            yield pa.concat_batches(waiting)
            waiting = []
    if waiting:
        yield pa.concat_batches(waiting)


def mined_counts(
    mined: DataFrame, baskets: BasketCounts, *, trained_on: datetime.date, made_by: str, level: str
) -> DataFrame:
    """One row per set, and one for all baskets, as a fit mined them. FrequentItemsets → ItemsetCounts."""
    of_sets = mined.select(
        FrequentItemsets.items,
        FrequentItemsets.baskets,
        F.lit(None).cast("long").alias(ItemsetCounts.giant_baskets),
        (F.col(FrequentItemsets.expected_baskets) / F.lit(max(baskets.kept, 1))).alias(ItemsetCounts.expected_share),
    )
    whole = mined.sparkSession.createDataFrame([([], baskets.kept, baskets.giants, None)], of_sets.schema)
    return of_sets.unionByName(whole).select(
        F.lit(level).alias(ItemsetCounts.level),
        ItemsetCounts.items,
        ItemsetCounts.baskets,
        F.col(ItemsetCounts.baskets).alias(ItemsetCounts.fitted_baskets),
        ItemsetCounts.expected_share,
        ItemsetCounts.giant_baskets,
        F.lit(baskets.largest).alias(ItemsetCounts.largest_basket),
        F.lit(trained_on).alias(ItemsetCounts.trained_on),
        F.lit(made_by).alias(ItemsetCounts.made_by),
    )


def count_rows(spark: SparkSession, fitted: FittedItemsets, counts: SetCounts) -> DataFrame:
    """One row per counted set, and one for all baskets. → ItemsetCounts."""
    same = {
        ItemsetCounts.level: fitted.level,
        ItemsetCounts.largest_basket: fitted.largest,
        ItemsetCounts.trained_on: fitted.trained_on,
        ItemsetCounts.made_by: fitted.made_by,
    }
    whole = {
        ItemsetCounts.items: [],
        ItemsetCounts.baskets: counts.baskets,
        ItemsetCounts.fitted_baskets: fitted.all_fitted,
        ItemsetCounts.giant_baskets: counts.giants,
    }
    of_sets: list[dict[str, object]] = [
        {
            ItemsetCounts.items: list(one),
            ItemsetCounts.baskets: int(n),
            ItemsetCounts.fitted_baskets: int(then),
            ItemsetCounts.expected_share: None if np.isnan(share) else float(share),
        }
        for one, n, then, share in zip(fitted.sets, counts.of_sets, fitted.fitted, fitted.expected_shares, strict=True)
    ]
    return ItemsetCounts.frame(spark, [same | row for row in (whole, *of_sets)])


def itemsets_of(counts: DataFrame, baskets: BasketCounts) -> DataFrame:
    """One row per counted set that is in enough baskets. ItemsetCounts → FrequentItemsets."""
    size, n = F.size(ItemsetCounts.items), F.col(ItemsetCounts.baskets)
    return counts.filter((size > 0) & (n >= baskets.fewest)).select(
        FrequentItemsets.level,
        FrequentItemsets.items,
        size.cast("int").alias(FrequentItemsets.size),
        FrequentItemsets.baskets,
        (n / F.lit(baskets.kept)).alias(FrequentItemsets.support),
        (F.col(ItemsetCounts.expected_share) * F.lit(baskets.kept)).alias(FrequentItemsets.expected_baskets),
    )


def risen_share(fitted: FittedItemsets, counts: SetCounts, *, fewest_then: int, fewest_now: int) -> float:
    """The share of the itemsets that were not in enough baskets when the sets were mined. 0 without itemsets."""
    now = counts.of_sets >= fewest_now
    return int((now & (fitted.fitted < fewest_then)).sum()) / max(int(now.sum()), 1)
