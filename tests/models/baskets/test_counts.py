"""Sets of items that are counted one by one, without mining."""

from __future__ import annotations

import datetime
import random
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.models import ItemsetCounts
from promo_spark.models.baskets import counts
from promo_spark.models.baskets.baskets import BasketCounts, BasketItem
from promo_spark.models.baskets.counts import (
    FittedItemsets,
    SetCounts,
    count_rows,
    counted,
    fitted_itemsets,
    itemsets_of,
    mined_counts,
    risen_share,
    stored_counts,
)
from promo_spark.models.baskets.itemsets import frequent_itemsets
from promo_spark.settings import Settings

DAY = datetime.date(2017, 12, 1)


def items_of(spark: SparkSession, baskets: list[str]) -> DataFrame:
    rows = [(f"o{i}", DAY, item, f"u{i % 7}", len(basket)) for i, basket in enumerate(baskets) for item in basket]
    return spark.createDataFrame(rows, BasketItem.schema())


def fitted(sets: list[str], numbers: list[int], largest: int = 9) -> FittedItemsets:
    named = tuple(tuple(one) for one in sets)
    return FittedItemsets(
        "product", named, np.array(numbers, np.int64), np.full(len(sets), np.nan), 10, largest, DAY, "maker"
    )


def test_counting_finds_what_mining_found(spark: SparkSession, settings: Settings) -> None:
    """Random baskets, one of them a giant: every mined set is counted in as many baskets, in any partitioning."""
    draws = random.Random(7)
    baskets = ["".join(sorted(draws.sample("abcdefgh", draws.randint(1, 5)))) for _ in range(300)] + ["abcdefghij"]
    items = items_of(spark, baskets).persist()
    kept = BasketCounts(kept=300, giants=1, largest=5, fewest=20)
    by_product = settings.baskets.model_copy(update={"level": "product"})
    mined = frequent_itemsets(items, baskets=kept, settings=by_product, keep=DataFrame.persist).rows
    rows = mined_counts(mined, kept, trained_on=DAY, made_by="maker", level="product")
    stored = fitted_itemsets(ItemsetCounts.frame(spark, [r.asDict() | {"as_of": DAY} for r in rows.collect()]))
    assert stored is not None and len({len(one) for one in stored.sets}) == 3  # sets of one, two and three items
    for partitions in (1, 5):
        found = counted(items.repartition(partitions), stored)
        assert (found.baskets, found.giants) == (300, 1)
        assert found.of_sets.tolist() == stored.fitted.tolist()
    # the table's rows come back as they were, and give the itemsets that mining gave
    again = count_rows(spark, stored, found)
    assert stored_counts(again, stored) is not None

    def of(itemsets: DataFrame) -> list[Any]:
        rows = sorted(itemsets.collect(), key=lambda row: row["items"])
        return [[row.level, row["items"], row.size, row.baskets, row.support, row.expected_baskets] for row in rows]

    expected = [[pytest.approx(v) if isinstance(v, float) else v for v in row] for row in of(mined)]
    assert of(itemsets_of(again, kept)) == expected


def test_items_that_stand_in_no_set_count_for_the_size_of_the_basket_only(spark: SparkSession) -> None:
    baskets = ["xyz", "xyzuvw", "ab", "abz"]  # the second is a giant; the first holds no counted item, and counts
    found = counted(items_of(spark, baskets), fitted(["a", "ab", "b"], [5, 5, 5], largest=5))
    assert (found.baskets, found.giants, found.of_sets.tolist()) == (3, 1, [2, 2, 2])
    none = counted(items_of(spark, baskets), fitted([], [], largest=5))
    assert (none.baskets, none.giants, none.of_sets.tolist()) == (3, 1, [])


def test_counts_of_other_sets_are_not_gone_on_from(spark: SparkSession) -> None:
    rows = count_rows(spark, fitted(["a"], [5]), SetCounts(10, 0, np.array([4], np.int64)))
    other = fitted(["a"], [5])
    assert stored_counts(rows, FittedItemsets(**{**vars(other), "made_by": "another"})) is None
    assert stored_counts(rows.limit(0), other) is None


def test_of_too_many_sets_none_is_counted(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    some = fitted(["a", "b"], [5, 5])
    rows = count_rows(spark, some, SetCounts(10, 0, np.array([4, 4], np.int64))).collect()
    stored = ItemsetCounts.frame(spark, [r.asDict() | {"as_of": DAY} for r in rows])
    assert fitted_itemsets(stored) is not None
    monkeypatch.setattr(counts, "MOST_SETS", 1)
    assert fitted_itemsets(stored) is None


def test_the_risen_share_is_of_the_itemsets_of_today() -> None:
    """Of three sets two are in six baskets or more now; one of these was in fewer than five."""
    now = SetCounts(10, 0, np.array([6, 7, 5], np.int64))
    assert risen_share(fitted(["a", "b", "c"], [5, 4, 9]), now, fewest_then=5, fewest_now=6) == 1 / 2
    assert risen_share(fitted([], []), SetCounts(0, 0, np.array([], np.int64)), fewest_then=5, fewest_now=6) == 0
