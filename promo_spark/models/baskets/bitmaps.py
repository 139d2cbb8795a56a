"""Sets of items in baskets, counted on arrays: pairs by sparse products, longer sets by bits that baskets share.

Baskets are lists of different codes of items; a code is the item's position among the items that are counted.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

Bits = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PARTS = 1 << 30
BASKETS_AT_ONCE = 1 << 15
_CELLS = 1 << 26  # items × baskets that are spread out at once: 64 MB
_ONES = np.array([value.bit_count() for value in range(256)], np.uint8)


def holding(codes: pa.ListArray, items: int) -> sparse.csr_matrix:
    """Baskets × items: 1 where the basket holds the item.

    >>> holding(pa.array([[0, 2], [], [1]], pa.list_(pa.int32())), 3).toarray().tolist()
    [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    """
    flat = codes.flatten().to_numpy(zero_copy_only=False)
    ends = np.r_[0, np.cumsum(codes.value_lengths().to_numpy(zero_copy_only=False))]
    return sparse.csr_matrix((np.ones(len(flat), np.int32), flat, ends), (len(codes), items))


def bitmaps(codes: pa.ListArray, items: int) -> Bits:
    """One row per item, one bit per basket: whether the basket holds the item.

    >>> bitmaps(pa.array([[0, 2], [], [1], [2]], pa.list_(pa.int32())), 3).shape  # four baskets fill one word
    (3, 1)
    """
    held = holding(codes, items).tocoo()
    cells = np.zeros((items, -(-len(codes) // 64) * 64), np.uint8)
    cells[held.col, held.row] = 1
    return np.packbits(cells, axis=1).view(np.uint64)


def counts_of_sets(codes: pa.ListArray, sets: Integers, items: int) -> Integers:
    """In how many baskets each set is. Sets × places of codes, each row ascending, rows sorted.

    Sets that share all items but the last share the work for these.

    >>> baskets = pa.array([[0, 1, 2], [0, 2], [1], [0, 1, 2, 3]], pa.list_(pa.int32()))
    >>> counts_of_sets(baskets, np.array([[0, 1, 2], [0, 1, 3], [1, 2, 3]]), 4).tolist()
    [2, 1, 1]
    """
    counts = np.zeros(len(sets), np.int64)
    shared = sets[:, :-1]
    first = np.flatnonzero(np.r_[True, (shared[1:] != shared[:-1]).any(axis=1)])[: len(sets)]
    at_once = max(64, min(BASKETS_AT_ONCE, _CELLS // max(items, 1)))
    for start in range(0, len(codes), at_once):
        bits = bitmaps(codes.slice(start, at_once), items)
        everything = np.full((1, bits.shape[1]), ~np.uint64(0))
        for begin, end in zip(first, [*first[1:], len(sets)], strict=True):
            common = np.bitwise_and.reduce(np.concatenate([everything, bits[shared[begin]]]), axis=0)
            counts[begin:end] += ones(bits[sets[begin:end, -1]] & common)
    return counts


def ones(bits: Bits) -> Integers:
    """The number of bits that are set, by row.

    >>> ones(np.array([[3, 1], [0, 8]], np.uint64)).tolist()
    [3, 1]
    """
    if hasattr(np, "bitwise_count"):  # numpy from 2.0 on
        counted: Integers = np.bitwise_count(bits).sum(axis=1, dtype=np.int64)
        return counted
    by_byte: Integers = _ONES[bits.view(np.uint8)].sum(axis=1, dtype=np.int64)
    return by_byte


def joined_sets(sets: Integers, items: int) -> Integers:
    """The sets of one item more whose subsets are all among the sets (Agrawal & Srikant 1994: join and prune).

    Sets × places of codes below `items`, each row ascending, rows sorted; so is the result.
    Raises OverflowError where sets cannot be numbered in 63 bits.

    >>> joined_sets(np.array([[0, 1], [0, 2], [1, 2], [1, 3]]), 4).tolist()  # [1, 2, 3] lacks [2, 3]
    [[0, 1, 2]]
    """
    size = sets.shape[1]
    if items**size >= 1 << 63:
        raise OverflowError(f"sets of {size} of {items} items cannot be numbered")
    shared = sets[:, :-1]
    new = np.r_[True, (shared[1:] != shared[:-1]).any(axis=1)][: len(sets)]
    group = np.cumsum(new) - 1
    after = np.cumsum(np.bincount(group))[group] - np.arange(len(sets)) - 1  # sets of the same group that come later
    left = np.repeat(np.arange(len(sets)), after)
    right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(after) - after, after)
    joined = np.column_stack([sets[left], sets[right, -1]])
    numbers = _numbers(sets, items)
    for place in range(size - 1):  # the subsets without one of the last two items are the two that were joined
        if len(joined):
            joined = joined[np.isin(_numbers(np.delete(joined, place, axis=1), items), numbers)]
    return joined


def joins(sets: Integers) -> int:
    """How many sets `joined_sets` looks at, before it prunes.

    >>> joins(np.array([[0, 1], [0, 2], [0, 3], [1, 2]]))
    3
    """
    _, sizes = np.unique(sets[:, :-1], axis=0, return_counts=True)
    return int((sizes * (sizes - 1) // 2).sum())


def pairs_of(shoppers: pa.ListArray, items: int) -> Iterator[tuple[sparse.csr_matrix, sparse.csr_matrix]]:
    """Items × items, above the diagonal: in how many baskets both are, and in how many they would be by habit.

    `shoppers`: per shopper, the baskets, each with all its different items as a number and the codes of those that are
    counted. A shopper buys S items in all, s of them in a basket. Were these shuffled among the shopper's own baskets,
    whose sizes stay, two of them would meet in one with chance Σ s(s − 1) / (S(S − 1)): so many of the a × c ways in
    which an item bought in a baskets meets one bought in c of them are expected. What is expected comes in whole parts
    of a basket, PARTS to one, so that sums are the same in any order. Yields blocks of shoppers, to be added.

    >>> basket = pa.struct([("basket_items", pa.int64()), ("codes", pa.list_(pa.int32()))])
    >>> two = [{"basket_items": 2, "codes": [0, 1]}, {"basket_items": 2, "codes": [2]}]  # one item is not counted
    >>> [(together, expected)] = pairs_of(pa.array([two], pa.list_(basket)), 3)
    >>> together.toarray().tolist()
    [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    >>> (expected / PARTS).toarray().round(4).tolist()  # 1 × 1 × (2 × 1 + 2 × 1) / (4 × 3)
    [[0.0, 0.3333, 0.3333], [0.0, 0.0, 0.3333], [0.0, 0.0, 0.0]]
    """
    before = np.r_[0, np.cumsum(shoppers.value_lengths().to_numpy(zero_copy_only=False))]  # baskets of those before
    start = 0
    while start < len(shoppers):
        end = max(start + 1, int(np.searchsorted(before, before[start] + BASKETS_AT_ONCE, "right")) - 1)
        baskets = shoppers.slice(start, end - start).flatten()
        held = holding(baskets.field("codes"), items)
        sizes = baskets.field("basket_items").to_numpy(zero_copy_only=False).astype(np.int64)
        shopper = np.repeat(np.arange(end - start), np.diff(before[start : end + 1]))
        own = np.ones(len(shopper), np.int64), (shopper, np.arange(len(shopper)))
        owned = sparse.csr_matrix(own, (end - start, len(shopper)))
        bought, meeting = owned @ sizes, owned @ (sizes * (sizes - 1))
        chance = np.rint(meeting / np.maximum(bought * (bought - 1), 1) * PARTS).astype(np.int64)
        times = owned @ held
        likely = times.copy()
        likely.data *= np.repeat(chance, np.diff(times.indptr))
        yield sparse.triu(held.T @ held, 1, "csr"), sparse.triu(times.T @ likely, 1, "csr")
        start = end


def _numbers(sets: Integers, items: int) -> Integers:
    """A number per set: its codes as the digits."""
    number = np.zeros(len(sets), np.int64)
    for place in sets.T:
        number = number * items + place
    return number
