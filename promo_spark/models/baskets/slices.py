"""Pairs of items in the baskets of a slice: of a segment's orders, of what visits looked at, of carts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from scipy import sparse

from promo_spark.contracts.bundles import SliceBundles
from promo_spark.contracts.models import BasketRules, FrequentItemsets, Segments
from promo_spark.models.baskets.baskets import BasketCounts, BasketItem
from promo_spark.models.baskets.bitmaps import PARTS, pairs_of
from promo_spark.models.baskets.itemsets import MOST_PAIRS, PairCount, pair_rows
from promo_spark.models.baskets.rules import rules_of_slices, with_sentences
from promo_spark.models.baskets.shoppers import shopper_baskets
from promo_spark.settings.baskets import BasketsSettings

EVENT_TYPE_OF = {"views": "view", "carts": "cart"}
SEGMENT = "segment:"  # before the id
OTHER_ORDERS = "orders"  # of nobody who is in a segment: counted, as all orders are, but no slice of its own

_SENTENCES = {
    "views": "Visits that look at %s: %.0f%% also look at %s, %.1f times the usual.",
    "carts": "Carts with %s: %.0f%% also hold %s, %.1f times the usual.",
}


class SliceItem(BasketItem):
    """One row per basket of a slice and different item in it."""

    slice = SliceBundles.columns()[SliceBundles.slice]


class SlicePair(PairCount):
    """One row per slice, pair of items and part of the shoppers; or summed over the parts."""

    slice = SliceItem.columns()[SliceItem.slice]


class SliceItemset(FrequentItemsets):
    """One row per slice and frequent item or pair of items in it."""

    slice = SliceItem.columns()[SliceItem.slice]
    all_baskets = SliceBundles.columns()[SliceBundles.all_baskets]


@dataclass(frozen=True)
class SlicePairs:
    """What was counted of the slices: the pairs (SlicePair, summed), of which items, in how many baskets."""

    pairs: DataFrame
    items: tuple[str, ...]  # by their codes
    baskets: Mapping[str, BasketCounts]  # by slice
    singles: Mapping[str, Mapping[str, int]]  # slice → frequent item → in how many baskets


def order_slices(items: DataFrame, segments: DataFrame) -> DataFrame:
    """The baskets of orders, each in the slice of its user's segment. BasketItem, Segments → SliceItem."""
    segment_of = segments.select(Segments.user_id, Segments.segment_id)
    name = F.concat(F.lit(SEGMENT), F.col(Segments.segment_id).cast("string"))
    sliced = items.join(segment_of, BasketItem.user_id, "left")
    return sliced.withColumn(SliceItem.slice, F.coalesce(name, F.lit(OTHER_ORDERS))).select(*SliceItem.columns())


def slice_pairs(
    items: DataFrame, settings: BasketsSettings, keep: Callable[[DataFrame], DataFrame]
) -> SlicePairs | None:
    """Counts items and pairs of each slice, all slices at once. SliceItem → SlicePairs; None: there is no basket.

    What is frequent, and which baskets are giants, is judged in each slice by itself, as `frequent_itemsets` does for
    all. `keep` persists what is used twice.
    """
    items = keep(items)
    baskets = {name: BasketCounts.of(sizes, settings) for name, sizes in _sizes(items).items()}
    if not baskets:
        return None
    kept = items.filter(F.col(BasketItem.basket_items) <= _of_slice({s: b.largest for s, b in baskets.items()}))
    fewest = _of_slice({s: b.fewest for s, b in baskets.items()})
    counts = kept.groupBy(SliceItem.slice, SliceItem.item).agg(F.count("*").alias(FrequentItemsets.baskets))
    singles: dict[str, dict[str, int]] = {name: {} for name in baskets}
    for name, item, n in sorted(map(tuple, counts.filter(F.col(FrequentItemsets.baskets) >= fewest).collect())):
        singles[name][item] = int(n)
    names = tuple(sorted({item for of_slice in singles.values() for item in of_slice}))
    shoppers = shopper_baskets(kept, {item: code for code, item in enumerate(names)}, of=[SliceItem.slice])
    counted = shoppers.mapInArrow(functools.partial(pairs_by_slice, items=len(names)), SlicePair.schema())
    pairs = counted.groupBy(SlicePair.slice, SlicePair.first, SlicePair.second).agg(
        F.sum(SlicePair.baskets).alias(SlicePair.baskets), F.sum(SlicePair.expected).alias(SlicePair.expected)
    )
    return SlicePairs(keep(pairs), names, baskets, singles)


def pairs_by_slice(batches: Iterator[pa.RecordBatch], *, items: int) -> Iterator[pa.RecordBatch]:
    """One row per slice and pair of items that a shopper buys. slice, ShopperBaskets → SlicePair."""
    nothing = sparse.csr_matrix((items, items), dtype="int64")
    sums: dict[str, tuple[sparse.csr_matrix, sparse.csr_matrix]] = {}
    for batch in batches:
        for name in pc.unique(batch.column(0)).to_pylist():
            of_slice = batch.filter(pc.equal(batch.column(0), name))
            for together, expected in pairs_of(of_slice.column(1), items):
                before = sums.get(name, (nothing, nothing))
                sums[name] = before[0] + together, before[1] + expected
        if sum(expected.nnz for _, expected in sums.values()) > MOST_PAIRS:
            yield from _rows(sums)
            sums = {}
    yield from _rows(sums)


def slice_bundles(counted: SlicePairs, of_all: DataFrame, names: DataFrame, settings: BasketsSettings) -> DataFrame:
    """One row per slice, bundle and direction. SlicePairs, BasketRules, ItemName → SliceBundles, without counted_on."""
    rules = rules_of_slices(_itemsets(counted, settings), settings, of=[SliceItem.slice]).filter(BasketRules.is_bundle)
    told = with_sentences(rules, names, [(F.col(SliceItem.slice) == name, form) for name, form in _SENTENCES.items()])
    segment = F.when(
        F.col(SliceItem.slice).startswith(SEGMENT), F.substring_index(SliceItem.slice, ":", -1).cast(T.IntegerType())
    )
    return with_of_all(told.withColumn(SliceBundles.segment_id, segment), of_all)


def with_of_all(bundles: DataFrame, of_all: DataFrame) -> DataFrame:
    """The bundles with `of_all`: whether the rules of all baskets have them, too. SliceBundles, BasketRules."""
    sides = [BasketRules.level, BasketRules.antecedent, BasketRules.consequent]
    those = of_all.filter(BasketRules.is_bundle).select(*sides, F.lit(True).alias(SliceBundles.of_all))
    joined = bundles.drop(SliceBundles.of_all).join(those, sides, "left")
    return joined.withColumn(SliceBundles.of_all, F.coalesce(SliceBundles.of_all, F.lit(False)))


def _itemsets(counted: SlicePairs, settings: BasketsSettings) -> DataFrame:
    """SlicePairs → SliceItemset: what is frequent in each slice, but for OTHER_ORDERS."""
    fewest = _of_slice({name: one.fewest for name, one in counted.baskets.items()})
    enough = (F.col(SlicePair.baskets) >= fewest) & (F.col(SlicePair.slice) != OTHER_ORDERS)
    found: list[tuple[str, list[str], int, float | None]] = [
        (name, [item], n, None)
        for name, singles in counted.singles.items()
        if name != OTHER_ORDERS
        for item, n in singles.items()
    ]
    columns = SlicePair.slice, SlicePair.first, SlicePair.second, SlicePair.baskets, SlicePair.expected
    for name, one, other, n, parts in sorted(map(tuple, counted.pairs.filter(enough).select(*columns).collect())):
        found.append((name, [counted.items[one], counted.items[other]], int(n), parts / PARTS))
    rows = [
        {
            SliceItemset.slice: name,
            SliceItemset.level: settings.level,
            SliceItemset.items: items,
            SliceItemset.size: len(items),
            SliceItemset.baskets: n,
            SliceItemset.support: n / counted.baskets[name].kept,
            SliceItemset.expected_baskets: expected,
            SliceItemset.all_baskets: counted.baskets[name].kept,
        }
        for name, items, n, expected in found
    ]
    return SliceItemset.frame(counted.pairs.sparkSession, rows).drop(SliceItemset.as_of)


def _sizes(items: DataFrame) -> dict[str, dict[int, int]]:
    """SliceItem → slice → number of items in a basket → how many baskets hold so many."""
    counts = items.groupBy(SliceItem.slice, SliceItem.basket_items).agg(F.count("*")).collect()
    found: dict[str, dict[int, int]] = {}
    for name, size, rows in counts:
        found.setdefault(name, {})[int(size)] = int(rows) // int(size)
    return dict(sorted(found.items()))


def _of_slice(values: Mapping[str, int]) -> Column:
    """The value of a row's slice."""
    entries = [F.lit(part) for name, value in values.items() for part in (name, value)]
    return F.element_at(F.create_map(*entries), F.col(SliceItem.slice))


def _rows(sums: Mapping[str, tuple[sparse.csr_matrix, sparse.csr_matrix]]) -> Iterator[pa.RecordBatch]:
    for name, (together, expected) in sums.items():
        rows = pair_rows(together, expected)
        yield pa.RecordBatch.from_arrays(
            [*rows.columns, pa.array([name] * rows.num_rows, pa.string())], names=list(SlicePair.columns())
        )
