"""The FP-tree (Han, Pei & Yin 2000), drawn small: what MLlib's FPGrowth builds inside, and what it must find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from promo_spark.models.baskets.bitmaps import joined_sets

SEED_BASKETS = ("ABC", "ABD", "ACD", "BCD")  # the worked example of seed 000 §4.2
Weighted = list[tuple[tuple[str, ...], int]]  # baskets, and how often each


@dataclass
class Node:
    """An item on a path from the root, and how many baskets go through it."""

    count: int = 0
    below: dict[str, Node] = field(default_factory=dict)

    def drawn(self) -> dict[str, object]:
        """The tree below, as nested dicts: "A3" → what is below it."""
        return {f"{item}{node.count}": node.drawn() for item, node in sorted(self.below.items())}

    def totals(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for item, node in self.below.items():
            found[item] += node.count
            found += node.totals()
        return found


def tree_of(baskets: Weighted, fewest: int) -> Node:
    """Each basket's frequent items, the commonest first, as a path from the root; equal beginnings share nodes."""
    counts: Counter[str] = Counter()
    for basket, n in baskets:
        counts.update(dict.fromkeys(basket, n))
    root = Node()
    for basket, n in baskets:
        at = root
        for item in sorted((i for i in basket if counts[i] >= fewest), key=lambda i: (-counts[i], i)):
            at = at.below.setdefault(item, Node())
            at.count += n
    return root


def conditional_patterns(root: Node, item: str) -> Weighted:
    """The conditional pattern base of an item: what stands above it on each path, as often as it goes on to it."""
    found: Weighted = []

    def walk(node: Node, above: tuple[str, ...]) -> None:
        for name, child in node.below.items():
            if name == item:
                found.append((above, child.count))
            walk(child, (*above, name))

    walk(root, ())
    return found


def grown(baskets: Weighted, fewest: int, with_them: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """Frequent sets, by growing each item's pattern with what is frequent in its conditional pattern base."""
    root, found = tree_of(baskets, fewest), {}
    for item, n in root.totals().items():
        pattern = tuple(sorted((item, *with_them)))
        found[pattern] = n
        found |= grown(conditional_patterns(root, item), fewest, pattern)
    return found


def weighted(baskets: Iterable[Iterable[str]]) -> Weighted:
    return [(tuple(sorted(basket)), 1) for basket in baskets]


def test_the_tree_of_the_seed_baskets_is_not_the_one_that_is_drawn_there() -> None:
    """E08: four baskets leave the root, three go through each item; seed 000 draws another tree."""
    root = tree_of(weighted(SEED_BASKETS), fewest=2)
    assert root.drawn() == {
        "A3": {"B2": {"C1": {}, "D1": {}}, "C1": {"D1": {}}},
        "B1": {"C1": {"D1": {}}},
    }
    assert sum(node.count for node in root.below.values()) == len(SEED_BASKETS)
    assert root.totals() == dict.fromkeys("ABCD", 3)
    assert sorted(conditional_patterns(root, "D")) == [(("A", "B"), 1), (("A", "C"), 1), (("B", "C"), 1)]


@given(
    baskets=st.lists(st.frozensets(st.sampled_from("ABCDEF"), min_size=1), min_size=1, max_size=12),
    fewest=st.integers(1, 4),
)
@budget(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_growing_patterns_finds_what_counting_finds(baskets: list[frozenset[str]], fewest: int) -> None:
    """E08: by conditional pattern bases, all frequent sets with their counts; their pairs join to their triples."""
    found = grown(weighted(baskets), fewest)
    every = [c for size in range(1, 7) for c in combinations("ABCDEF", size)]
    counts = {c: sum(set(c) <= basket for basket in baskets) for c in every}
    assert found == {c: n for c, n in counts.items() if n >= fewest}
    codes = sorted([[ord(i) - ord("A") for i in one] for one in found if len(one) == 2])
    triples = {tuple(ord(i) - ord("A") for i in one) for one in found if len(one) == 3}
    if codes:
        assert triples <= {tuple(one) for one in joined_sets(np.array(codes), 6).tolist()}
