"""Itemsets are counted on dates without a fit, and the counts go on from the date before, on a real lake."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.baskets import run as baskets
from promo_spark.contracts.bundles import SliceBundles
from promo_spark.contracts.models import BasketRules, FrequentItemsets, ItemsetCounts, Metrics, Registry, Segments
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Events, OrderLines, Products, Users
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake

MONDAY, TUESDAY, WEDNESDAY = (datetime.date(2017, 11, day) for day in (6, 7, 8))
WEEKLY = (
    "baskets.level=category",
    "baskets.history_days=5",
    "baskets.min_baskets=4",
    "baskets.min_support=0.0",
    "baskets.max_items_quantile=0.98",
    "baskets.refit_margin=0.5",
    'baskets.refit="weekly"',
)
TABLES: tuple[type[Table], ...] = (ItemsetCounts, FrequentItemsets, BasketRules, Metrics)
Orders = dict[str, tuple[int, str, str]]  # by order: the day of November, the user, the items


def november(first: int, last: int) -> Orders:
    """Each day six orders of six users: bread in all, milk in four of them, tea in two of these."""
    items = ["bm", "bm", "bmt", "bmt", "b", "b"]
    return {f"{day}-{n}": (day, f"u{n}", items[n]) for day in range(first, last + 1) for n in range(6)}


def deliver(spark: SparkSession, lake: Lake, orders: Orders, *days: int) -> None:
    """The orders of some days, in place of what the days held."""
    rows = [
        {"order_id": order, "line_no": n, "product_id": item, "user_id": user, "quantity": 1}
        | {"order_date": f"2017-11-{day:02}"}
        for order, (day, user, items) in orders.items()
        for n, item in enumerate(items)
        if day in days
    ]
    lake.write(OrderLines, OrderLines.frame(spark, rows))


def sold(spark: SparkSession, lake: Lake, **categories: str) -> None:
    names = {"b": "BREAD", "m": "MILK", "t": "TEA"} | categories
    lake.write(Products, Products.frame(spark, [{"product_id": p, "category": c} for p, c in names.items()]))


def outcome(lake: Lake, day: datetime.date, settings: Sequence[str] = WEEKLY, *, force: bool = False) -> str:
    return run_in_order([baskets], lake, load(None, settings), day, Progress(), force)["baskets"].outcome


def rows(lake: Lake, table: type[Table], day: datetime.date) -> list[Row]:
    of_day = lake.read(table).filter(F.col("as_of") == F.lit(day))
    return sorted(of_day.collect(), key=str)


def supports(lake: Lake, day: datetime.date) -> dict[tuple[str, ...], int]:
    return {tuple(r["items"]): r.baskets for r in rows(lake, ItemsetCounts, day)}


def brute(orders: Orders, names: dict[str, str], first: int, last: int, *refused: str) -> Counter[tuple[str, ...]]:
    """In how many baskets of the days every set of up to three items is, those of users who refused aside."""
    found: Counter[tuple[str, ...]] = Counter()
    for day, user, items in orders.values():
        if first <= day <= last and user not in refused:
            bought = sorted({names[item] for item in items})
            found.update(one for size in range(4) for one in combinations(bought, size))
    return found


NAMES = {"b": "BREAD", "m": "MILK", "t": "TEA"}


def test_counts_go_on_and_are_those_of_all_baskets(
    spark: SparkSession, lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Days that came and left, a corrected day, a withdrawal of consent and a product that moved: all are counted."""
    orders = november(1, 5)
    sold(spark, lake)
    lake.write(Users, Users.frame(spark, [{"user_id": f"u{n}"} for n in range(6)]))
    deliver(spark, lake, orders, 1, 2, 3, 4, 5)
    assert outcome(lake, MONDAY) == "written"
    assert supports(lake, MONDAY) == brute(orders, NAMES, 1, 5)
    [mined] = rows(lake, Registry, MONDAY)
    assert (mined.model, mined.engine, mined.trained_rows, mined.features) == ("itemsets", "levels", 30, ["category"])
    assert (mined.trained_from, mined.trained_to) == (MONDAY.replace(day=1), MONDAY.replace(day=5))

    # The 6th came, the 1st left, an order of the 3rd is corrected, and u2 withdraws: one of the two who buy tea.
    orders |= november(6, 6) | {"3-0": (3, "u0", "bt")}
    deliver(spark, lake, orders, 3, 6)
    lake.write(Users, Users.frame(spark, [{"user_id": "u2", "consent_profiling": False}]))
    assert outcome(lake, TUESDAY) == "written"
    assert "goes on from 2017-11-06" in capsys.readouterr().err
    # five users who may be profiled, in five days
    expected = brute(orders, NAMES, 2, 6, "u2")
    assert expected[()] == 25 and expected["BREAD", "TEA"] == 6  # u3 on five days, and the corrected order
    assert supports(lake, TUESDAY) == expected
    assert rows(lake, Registry, TUESDAY) == []
    frequent = {tuple(r["items"]): (r.baskets, r.support) for r in rows(lake, FrequentItemsets, TUESDAY)}
    assert frequent == {one: (n, n / 25) for one, n in expected.items() if one and n >= 4}
    figures = {(r.slice, r.metric): r.value for r in rows(lake, Metrics, TUESDAY)}
    assert figures["category", "baskets"] == 25
    assert figures["stored", "risen_share"] == 0

    # u2 agrees again, the 7th came, and tea counts as milk from now on: every day with tea is counted anew
    orders |= november(7, 7)
    deliver(spark, lake, orders, 7)
    lake.write(Users, Users.frame(spark, [{"user_id": "u2", "consent_profiling": True}]))
    sold(spark, lake, t="MILK")
    assert outcome(lake, WEDNESDAY) == "written"
    moved = brute(orders, NAMES | {"t": "MILK"}, 3, 7)
    assert supports(lake, WEDNESDAY) == {one: moved[one] for one in supports(lake, MONDAY)}

    # whoever counts all days again, by --force, finds the same; no date makes another one stale
    days = (MONDAY, TUESDAY, WEDNESDAY)
    before = {(table, day): rows(lake, table, day) for table in TABLES for day in days[1:]}
    assert [outcome(lake, day, force=True) for day in days[1:]] == ["written"] * 2
    after = {(table, day): rows(lake, table, day) for table in TABLES for day in days[1:]}
    # Tuesday is counted as silver is now: with u2, and tea as milk
    assert after[ItemsetCounts, WEDNESDAY] == before[ItemsetCounts, WEDNESDAY]
    assert all(after[table, WEDNESDAY] == before[table, WEDNESDAY] for table in TABLES)


def test_sets_are_mined_again_when_many_have_risen(spark: SparkSession, lake: Lake) -> None:
    """On Monday tea is in two baskets, of four that are asked for; on Tuesday in eight."""
    drifting = (*WEEKLY[:-1], 'baskets.refit="when it drifts"', "baskets.refit_risen_share=0.5")
    orders = {order: (day, user, items.replace("t", "")) for order, (day, user, items) in november(1, 5).items()}
    orders |= {"5-2": (5, "u2", "bmt"), "5-3": (5, "u3", "bmt")}
    sold(spark, lake)
    deliver(spark, lake, orders, 1, 2, 3, 4, 5)
    outcome(lake, MONDAY, drifting)
    assert {one for one in supports(lake, MONDAY) if "TEA" in one}  # two are half of four: counted, not published
    assert not [r for r in rows(lake, FrequentItemsets, MONDAY) if "TEA" in r["items"]]
    orders |= {f"6-{n}": (6, f"u{n}", "bmt") for n in range(6)}
    deliver(spark, lake, orders, 6)
    outcome(lake, TUESDAY, drifting)
    # of seven itemsets, four hold tea: 4 / 7
    assert [r.reason for r in rows(lake, Registry, TUESDAY)] == [
        "0.571 of the itemsets were rarer when they were mined, more than 0.5"
    ]


def test_a_shop_without_baskets_is_mined_when_it_has_some(spark: SparkSession, lake: Lake) -> None:
    sold(spark, lake)
    deliver(spark, lake, november(6, 6), 6)
    outcome(lake, MONDAY)
    assert supports(lake, MONDAY) == {(): 0}
    outcome(lake, TUESDAY)
    assert [r.reason for r in rows(lake, Registry, TUESDAY)] == ["there was no basket to mine"]
    assert supports(lake, TUESDAY)["BREAD",] == 6


def test_slices_stand_as_they_were_counted_at_the_fit(spark: SparkSession, lake: Lake) -> None:
    """Monday counts what the two segments buy, and what visits look at; Tuesday says the same, of Monday."""
    sold(spark, lake, c="TEA")
    orders = november(1, 5)
    deliver(spark, lake, orders, *range(1, 6))
    segments = [{"user_id": f"u{n}", "segment_id": 1 + n // 4} for n in range(6)]
    views = [
        {"event_id": f"{visit}{product}", "user_id": "u1", "session_id": f"s{visit}", "event_type": "view"}
        | {"product_id": product, "event_date": datetime.date(2017, 11, 5)}
        for visit in range(30)
        for product in ("bt" if visit % 2 else "m")  # bread and tea in one visit, milk in another
    ]
    lake.write(Events, Events.frame(spark, views))
    for day in (MONDAY, TUESDAY):
        lake.write(Segments, Segments.frame(spark, [{"as_of": day, **row} for row in segments]), {"as_of": day})
        assert outcome(lake, day) == "written"
    on_monday, on_tuesday = (rows(lake, SliceBundles, day) for day in (MONDAY, TUESDAY))
    # One user looked at 15 × bread and 15 × tea: by habit 15 × 15 × (15 × 2) / (45 × 44) = 3.4 visits with both.
    assert {(r.slice, tuple(r.antecedent), tuple(r.consequent), r.baskets) for r in on_monday} == {
        ("views", ("BREAD",), ("TEA",), 15),
        ("views", ("TEA",), ("BREAD",), 15),
    }
    assert {round(r.expected_baskets, 3) for r in on_monday} == {3.409}
    assert {(r.counted_on, r.of_all) for r in on_monday + on_tuesday} == {(MONDAY, False)}
    assert [r.sentence for r in on_monday] == [r.sentence for r in on_tuesday]
    assert outcome(lake, MONDAY + datetime.timedelta(7), [*WEEKLY, "baskets.slices=[]"]) == "written"
    assert not rows(lake, SliceBundles, MONDAY + datetime.timedelta(7))
