"""Orders become baskets, baskets become frequent itemsets."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import pytest
from chispa import assert_df_equality
from hypothesis import HealthCheck, example, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.models.baskets import shoppers
from promo_spark.models.baskets.baskets import (
    BasketCounts,
    BasketItem,
    basket_items,
    basket_sizes,
    fewest_baskets,
    largest_kept,
    lines_in_window,
    product_items,
)
from promo_spark.models.baskets.itemsets import frequent_itemsets
from promo_spark.models.baskets.shoppers import shopper_baskets
from promo_spark.settings import Settings, load

DAY = datetime.date(2017, 12, 1)
SEED_BASKETS = ("ABC", "ABD", "ACD", "BCD")  # the worked example of seed 000 §4.2


def apriori(baskets: Sequence[frozenset[str]], fewest: int, largest: int) -> dict[tuple[str, ...], int]:
    """Level by level: candidates of one more item whose subsets are all frequent, counted, pruned."""
    found: dict[tuple[str, ...], int] = {}
    candidates: list[tuple[str, ...]] = [(item,) for item in sorted(set().union(*baskets))]
    while candidates and len(candidates[0]) <= largest:
        counts = {c: sum(set(c) <= basket for basket in baskets) for c in candidates}
        level = {c: n for c, n in counts.items() if n >= fewest}
        found |= level
        joined = {tuple(sorted(set(a) | set(b))) for a, b in combinations(level, 2)}
        size = len(candidates[0]) + 1
        candidates = sorted(c for c in joined if len(c) == size and all(s in level for s in combinations(c, size - 1)))
    return found


def items_of(spark: SparkSession, baskets: Sequence[Sequence[str]]) -> DataFrame:
    rows = [
        (f"o{i}", DAY, item, f"u{i % 3}", len(set(basket)))
        for i, basket in enumerate(baskets)
        for item in sorted(set(basket))
    ]
    return spark.createDataFrame(rows, BasketItem.schema())


def mined(
    spark: SparkSession, baskets: Sequence[Sequence[str]], fewest: int, largest: int = 3, miner: str = "levels"
) -> dict[tuple[str, ...], tuple[int, float]]:
    found = frequent_itemsets(
        items_of(spark, baskets),
        baskets=BasketCounts(kept=len(baskets), giants=0, largest=99, fewest=fewest),
        settings=load().baskets.model_copy(update={"max_antecedent": largest - 1, "level": "product", "miner": miner}),
        keep=DataFrame.persist,
    )
    return {tuple(r["items"]): (r["baskets"], r["support"]) for r in found.rows.collect()}


def test_a_basket_is_the_different_items_sold_in_the_window(spark: SparkSession, settings: Settings) -> None:
    products = Products.frame(
        spark,
        [
            {"product_id": "milk", "department": "GROCERY", "category": "DAIRY"},
            {"product_id": "cream", "department": "GROCERY", "category": "DAIRY"},
            {"product_id": "bread", "department": None, "category": "BREAD"},  # no department: not an excluded one
            {"product_id": "petrol", "department": "FUEL", "category": "PETROL"},
            {"product_id": "cigars", "department": "GROCERY", "category": "TOBACCO"},
            {"product_id": "odd", "department": "GROCERY", "category": None},  # no value at the level
        ],
    )

    def line(order: str, product: str, day: str = "2017-11-30", quantity: int = 1) -> dict[str, object]:
        return {"order_id": order, "product_id": product, "order_date": day, "quantity": quantity}

    lines = OrderLines.frame(
        spark,
        [
            line("o1", "milk"),
            line("o1", "milk"),
            line("o1", "cream"),
            line("o1", "bread"),  # two categories
            line("o1", "petrol"),
            line("o1", "cigars"),
            line("o1", "odd"),
            line("o1", "unknown"),
            line("o2", "milk", "2017-11-01"),  # thirty days before: the window's first day
            line("o3", "milk", "2017-10-31"),  # too old
            line("o4", "milk", "2017-12-01"),  # the day itself is the future
            line("o5", "milk", quantity=-1),  # brought back
            line("o6", "petrol"),  # nothing but what is excluded
            line("o7", "milk", "2017-11-29"),  # an order with lines of two days is two baskets
            line("o7", "bread"),
        ],
    )
    business = settings.business.model_copy(
        update={"excluded_departments": ["FUEL"], "excluded_categories": ["TOBACCO"]}
    )
    found = basket_items(lines_in_window(lines, DAY, 30), product_items(products, "category", business))
    expected = BasketItem.frame(
        spark,
        [
            {"order_id": "o1", "order_date": "2017-11-30", "item": "BREAD", "user_id": None, "basket_items": 2},
            {"order_id": "o1", "order_date": "2017-11-30", "item": "DAIRY", "user_id": None, "basket_items": 2},
            {"order_id": "o2", "order_date": "2017-11-01", "item": "DAIRY", "user_id": None, "basket_items": 1},
            {"order_id": "o7", "order_date": "2017-11-29", "item": "DAIRY", "user_id": None, "basket_items": 1},
            {"order_id": "o7", "order_date": "2017-11-30", "item": "BREAD", "user_id": None, "basket_items": 1},
        ],
    )
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True)


def test_basket_sizes_count_baskets_not_rows(spark: SparkSession) -> None:
    assert basket_sizes(items_of(spark, ["AB", "CD", "ABC", "A"])) == {1: 1, 2: 2, 3: 1}


def test_only_baskets_above_the_quantile_are_giants() -> None:
    assert largest_kept({2: 994, 9: 1, 80: 5}, 0.995) == 9  # 995 of 1,000 baskets hold 9 items or fewer
    assert largest_kept({2: 993, 9: 1, 80: 6}, 0.995) == 80  # 994 are not enough
    assert largest_kept({1: 2, 40: 1}, 0.995) == 40  # three baskets: none is cut
    assert largest_kept({}, 0.995) == 0


def test_the_support_threshold_is_inclusive_and_free_of_float_noise() -> None:
    """E06 (support): exactly the share is enough, at the boundary too."""
    assert 0.07 * 100 > 7  # what floats make of it
    assert fewest_baskets(100, min_support=0.07, min_baskets=1) == 7
    assert fewest_baskets(101, min_support=0.07, min_baskets=1) == 8  # 7 of 101 is less than 7%
    assert fewest_baskets(100, min_support=0.07, min_baskets=50) == 50


def test_the_seed_baskets_give_ten_itemsets_at_half(spark: SparkSession) -> None:
    """E01 (itemsets): θ = 0.5 on {ABC, ABD, ACD, BCD} gives 4 items at 0.75 and 6 pairs at 0.5, no triple."""
    found = mined(spark, SEED_BASKETS, fewest=2, miner="fpgrowth")
    singles = {(item,): (3, 0.75) for item in "ABCD"}
    assert found == singles | dict.fromkeys(combinations("ABCD", 2), (2, 0.5))


def test_baskets_with_other_items_lower_support_in_proportion(spark: SparkSession) -> None:
    """E03: four more baskets that share no item halve every support, although no miner ever sees them."""
    found = mined(spark, [*SEED_BASKETS, "W", "X", "Y", "Z"], fewest=2)
    assert {len(items): support for items, (_, support) in found.items()} == {1: 3 / 8, 2: 2 / 8}
    assert all(found[items][1] <= found[(item,)][1] for items in found for item in items)


@given(
    baskets=st.lists(st.frozensets(st.sampled_from("ABCDEF"), min_size=1), min_size=1, max_size=12),
    fewest=st.integers(1, 4),
    largest=st.integers(1, 4),
    miner=st.sampled_from(["fpgrowth", "levels", "auto"]),
)
@example(baskets=[frozenset("ABCD")] * 2, fewest=2, largest=3, miner="levels")
@example(baskets=[frozenset("A")], fewest=2, largest=3, miner="levels")  # nothing is frequent
@budget(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_miners_find_what_apriori_finds(
    spark: SparkSession, baskets: list[frozenset[str]], fewest: int, largest: int, miner: str
) -> None:
    """E02, E07: equal itemsets with equal counts on random baskets, and every subset of one is there."""
    counted = mined(spark, [sorted(b) for b in baskets], fewest, largest, miner)
    found = {items: n for items, (n, _) in counted.items()}
    assert found == apriori(baskets, fewest, largest)
    assert all(subset in found for items in found for subset in combinations(items, len(items) - 1) if subset)


def test_what_is_expected_follows_from_each_users_own_baskets(spark: SparkSession) -> None:
    """Two users in three baskets each, and three baskets of nobody known, who count as one shopper."""
    of_users = {
        "u1": ["AB", "AB", "C"],  # 5 items; two of them meet with chance (2 + 2 + 0) / (5 × 4) = 0.2
        "u2": ["A", "B", "CD"],  # 4 items: 2 / (4 × 3) = 1/6
        None: ["AB", "A", "B"],  # 4 items: 2 / 12 = 1/6
    }
    rows = [
        (f"{user}-{n}", DAY, item, user, len(basket))
        for user, baskets in of_users.items()
        for n, basket in enumerate(baskets)
        for item in basket
    ]
    settings = load().baskets.model_copy(update={"max_antecedent": 1, "level": "product"})
    for partitions in (1, 5):
        found = frequent_itemsets(
            spark.createDataFrame(rows, BasketItem.schema()).repartition(partitions),
            baskets=BasketCounts(kept=9, giants=0, largest=99, fewest=1),
            settings=settings,
            keep=DataFrame.persist,
        ).rows
        expected = {"".join(r["items"]): (r.baskets, r.expected_baskets) for r in found.collect()}
        # A and B: 2 × 2 ways of u1, 1 × 1 of u2, 2 × 2 of nobody known
        assert expected["AB"] == (3, pytest.approx(4 * 0.2 + 1 / 6 + 4 / 6, abs=1e-6))
        assert expected["CD"] == (1, pytest.approx(1 / 6, abs=1e-6))
        assert expected["A"] == (5, None)


def test_a_shopper_with_very_many_baskets_is_looked_at_in_parts(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shoppers, "MOST_BASKETS", 10)
    items = items_of(spark, ["AB"] * 90)  # three users of thirty baskets
    rows = shopper_baskets(items, {"A": 0, "B": 1}).collect()
    sizes = [len(row["baskets"]) for row in rows]
    assert sum(sizes) == 90 and len(sizes) > 3 and max(sizes) < 30
    assert {tuple(b.codes) for row in rows for b in row["baskets"]} == {(0, 1)}


def test_apriori_itself_counts_right() -> None:
    baskets = [frozenset(b) for b in SEED_BASKETS]
    assert Counter(map(len, apriori(baskets, fewest=1, largest=3))) == {1: 4, 2: 6, 3: 4}
