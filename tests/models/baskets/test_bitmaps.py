"""Counting on arrays agrees with counting one by one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from promo_spark.models.baskets import bitmaps
from promo_spark.models.baskets.bitmaps import PARTS, counts_of_sets, joined_sets, joins, ones, pairs_of

ITEMS = 6
BASKETS = st.lists(st.frozensets(st.integers(0, ITEMS - 1), max_size=5), max_size=90)
SHOPPERS = st.lists(st.lists(st.frozensets(st.integers(0, ITEMS - 1), min_size=1, max_size=4), max_size=5), max_size=6)
a_little = budget(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
_BASKET = pa.struct([("basket_items", pa.int64()), ("codes", pa.list_(pa.int32()))])


@given(baskets=BASKETS, size=st.integers(1, 3), at_once=st.sampled_from([64, 1 << 15]))
@a_little
def test_sets_are_counted_as_one_by_one(baskets: list[frozenset[int]], size: int, at_once: int) -> None:
    sets = list(combinations(range(ITEMS), size))
    codes = pa.array([sorted(basket) for basket in baskets], pa.list_(pa.int32()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitmaps, "BASKETS_AT_ONCE", at_once)
        found = counts_of_sets(codes, np.array(sets, np.int64), ITEMS)
    assert found.tolist() == [sum(set(one) <= basket for basket in baskets) for one in sets]


def test_bits_are_counted_without_the_counter_of_newer_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    bits = np.random.default_rng(7).integers(0, 1 << 63, (5, 4), dtype=np.uint64)
    expected = [sum(int(word).bit_count() for word in row) for row in bits]
    assert ones(bits).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert ones(bits).tolist() == expected


@given(sets=st.sets(st.sampled_from(list(combinations(range(ITEMS), 2)))))
@a_little
def test_sets_join_to_those_whose_subsets_are_all_there(sets: set[tuple[int, ...]]) -> None:
    """E02, E07: the candidates of Apriori, by its definition."""
    rows = np.array(sorted(sets), np.int64).reshape(-1, 2)
    expected = [one for one in combinations(range(ITEMS), 3) if set(combinations(one, 2)) <= sets]
    assert joined_sets(rows, ITEMS).tolist() == [list(one) for one in expected]
    assert joins(rows) >= len(expected)


def test_sets_that_cannot_be_numbered_are_refused() -> None:
    with pytest.raises(OverflowError, match="sets of 4 of 100000 items"):
        joined_sets(np.array([[0, 1, 2, 3]]), 100_000)


@given(shoppers=SHOPPERS, at_once=st.sampled_from([1, 1 << 15]))
@a_little
def test_pairs_meet_as_often_as_all_ways_to_shuffle_say(shoppers: list[list[frozenset[int]]], at_once: int) -> None:
    """Of a shopper's S purchases two share a basket with chance Σ s(s − 1) / (S(S − 1)): enumerated over all places."""
    rows = [[{"basket_items": len(b), "codes": sorted(b)} for b in baskets] for baskets in shoppers]
    together, expected = np.zeros((ITEMS, ITEMS)), np.zeros((ITEMS, ITEMS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitmaps, "BASKETS_AT_ONCE", at_once)
        for found, by_habit in pairs_of(pa.array(rows, pa.list_(_BASKET)), ITEMS):
            together += found.toarray()
            expected += by_habit.toarray() / PARTS
    for a, b in combinations(range(ITEMS), 2):
        assert together[a, b] == sum({a, b} <= basket for baskets in shoppers for basket in baskets)
        by_hand = 0.0
        for baskets in shoppers:
            places = [n for n, basket in enumerate(baskets) for _ in basket]  # the basket of each place
            pairs = [(x, y) for i, x in enumerate(places) for j, y in enumerate(places) if i != j]
            ways = sum(a in basket for basket in baskets) * sum(b in basket for basket in baskets)
            by_hand += ways * sum(x == y for x, y in pairs) / len(pairs) if pairs else 0.0
        assert expected[a, b] == pytest.approx(by_hand, abs=1e-6)
