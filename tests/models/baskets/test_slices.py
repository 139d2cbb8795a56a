"""What belongs together in one part of the shop only, and what is bought instead of each other."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterable
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.bundles import SliceBundles, Substitutes
from promo_spark.contracts.models import BasketRules, Segments
from promo_spark.contracts.silver import Events, Products
from promo_spark.models.baskets.baskets import BasketItem, events_in_window, product_items, visit_items
from promo_spark.models.baskets.rules import item_names
from promo_spark.models.baskets.slices import SliceItem, order_slices, slice_bundles, slice_pairs
from promo_spark.models.baskets.substitutes import item_kinds, substitutes
from promo_spark.settings import load
from promo_spark.settings.baskets import BasketsSettings

DAY = datetime.date(2024, 6, 1)
PRODUCTS = ("milk", "bread", "tea", "cups", "jam")


def settings() -> BasketsSettings:
    asked = ["baskets.level=product", "baskets.min_baskets=20", "baskets.min_support=0", "baskets.max_items_quantile=1"]
    return load(None, asked).baskets


def items_of(spark: SparkSession, baskets: Iterable[tuple[str | None, set[str]]]) -> DataFrame:
    """BasketItem of (user, items)."""
    rows = [
        (f"o{i}", DAY, item, user, len(basket)) for i, (user, basket) in enumerate(baskets) for item in sorted(basket)
    ]
    return spark.createDataFrame(rows, BasketItem.schema())


def bundles_of(spark: SparkSession, items: DataFrame) -> list[Any]:
    counted = slice_pairs(items, settings(), DataFrame.persist)
    assert counted is not None
    names = item_names(Products.frame(spark, [{"product_id": p} for p in PRODUCTS]), "product")
    return slice_bundles(counted, BasketRules.frame(spark), names, settings()).collect()


def habitual_baskets(users: int, together: bool, rng: random.Random) -> list[tuple[str, set[str]]]:
    """Ten baskets of each user, of twelve things each now and then; with tea and cups in three, at once or apart."""
    baskets = []
    for user in range(users):
        tea = rng.sample(range(10), 3)
        cups = tea if together else rng.sample(range(10), 3)
        for n in range(10):
            basket = {f"thing {i}" for i in range(12) if rng.random() < 0.15}
            basket |= {"tea"} if n in tea else set()
            basket |= {"cups"} if n in cups else set()
            baskets.append((f"{'t' if together else 'a'}{user}", basket or {"thing 0"}))
    return baskets


def test_a_rule_of_one_segment_is_found_under_that_segment_alone(spark: SparkSession) -> None:
    """E13: users of segment 3 buy tea and cups at once, those of 1 and 2 as often, but apart."""
    rng = random.Random(5)
    baskets = habitual_baskets(40, together=True, rng=rng) + habitual_baskets(120, together=False, rng=rng)
    segment_of = {user: 3 if user.startswith("t") else 1 + int(user[1:]) % 2 for user, _ in baskets}
    rows = [{"user_id": user, "segment_id": segment} for user, segment in segment_of.items()]
    unknown = [(None, {"tea", "cups"})] * 30  # nobody's orders are no segment's
    sliced = order_slices(items_of(spark, [*baskets, *unknown]), Segments.frame(spark, rows))
    found = bundles_of(spark, sliced)
    assert {(r.slice, r.segment_id, r.antecedent[0], r.consequent[0]) for r in found} == {
        ("segment:3", 3, "tea", "cups"),
        ("segment:3", 3, "cups", "tea"),
    }
    assert {(r.baskets, r.antecedent_baskets, r.all_baskets, r.of_all) for r in found} == {(120, 120, 400, False)}
    assert {r.sentence for r in found} >= {"Customers who buy tea: 100% also buy cups, 3.3 times the usual."}  # 400/120


def test_what_is_looked_at_together_is_found_in_views_and_in_nothing_else(spark: SparkSession) -> None:
    """E11: tea and cups are viewed in one visit, and ordered and put into carts apart; milk and bread fill carts."""
    rng = random.Random(6)
    events: list[dict[str, Any]] = []
    for visit in range(600):
        user, first = f"u{visit % 40}", visit % 3 == 0
        seen: dict[str, set[str]] = {"view": {"tea", "cups"} if first else {rng.choice(["milk", "bread", "jam"])}}
        seen["cart"] = {"tea"} if visit % 4 == 0 else {"cups"} if visit % 4 == 1 else {"milk", "bread"}
        for kind, products in seen.items():
            events += [
                {"user_id": user, "session_id": f"s{visit}", "event_type": kind, "product_id": p, "event_date": DAY}
                for p in sorted(products)
            ]
    old = [
        {**e, "event_date": DAY - datetime.timedelta(400)} for e in events
    ]  # before the window: nothing of it counts
    items = product_items(Products.frame(spark, [{"product_id": p} for p in PRODUCTS]), "product", load().business)
    in_window = events_in_window(Events.frame(spark, [*events, *old]), DAY + datetime.timedelta(1), 365)
    visits = {
        name: visit_items(in_window, items, kind).selectExpr("*", f"'{name}' AS slice")
        for name, kind in (("views", "view"), ("carts", "cart"))
    }
    orders = items_of(spark, [(f"u{n % 40}", {"tea"} if n % 2 else {"cups"}) for n in range(400)])
    in_orders = orders.selectExpr("*", "'orders' AS slice")
    found = bundles_of(
        spark, visits["views"].unionByName(visits["carts"]).unionByName(in_orders).select(*SliceItem.columns())
    )
    assert {(r.slice, r.antecedent[0], r.consequent[0], r.segment_id) for r in found} == {
        ("views", "tea", "cups", None),
        ("views", "cups", "tea", None),
        ("carts", "milk", "bread", None),
        ("carts", "bread", "milk", None),
    }
    told = {r.sentence for r in found}
    assert "Visits that look at tea: 100% also look at cups, 3.0 times the usual." in told  # a third of visits
    assert "Carts with milk: 100% also hold bread, 2.0 times the usual." in told


def test_a_visit_without_a_name_is_all_that_a_user_did_on_a_day(spark: SparkSession) -> None:
    rows: list[dict[str, Any]] = [
        {"user_id": "u1", "product_id": "tea", "event_date": DAY},
        {"user_id": "u1", "product_id": "cups", "event_date": DAY},
        {"user_id": "u1", "product_id": "jam", "event_date": DAY - datetime.timedelta(1)},  # another day
        {"user_id": None, "product_id": "milk", "event_date": DAY},  # nobody known, no visit: no basket
        {"user_id": None, "session_id": "s", "product_id": "bread", "event_date": DAY},
    ]
    events = Events.frame(spark, [{**row, "event_type": "view"} for row in rows])
    items = product_items(Products.frame(spark, [{"product_id": p} for p in PRODUCTS]), "product", load().business)
    found = visit_items(events, items, "view").collect()
    assert {(r.order_id, str(r.order_date), r.item, r.basket_items) for r in found} == {
        ("u1", "2024-06-01", "tea", 2),
        ("u1", "2024-06-01", "cups", 2),
        ("u1", "2024-05-31", "jam", 1),
        ("s", "2024-06-01", "bread", 1),
    }


def test_what_stands_in_for_each_other_is_never_in_one_basket_and_of_one_kind(spark: SparkSession) -> None:
    """Each of 60 users buys ten times, milk or oat milk by turns; bread with each second one of both."""
    baskets = [
        (f"u{user}", {"milk" if n % 2 else "oat milk"} | ({"bread"} if n % 4 < 2 else {"soap"}))
        for user in range(60)
        for n in range(12)
    ]
    products = Products.frame(
        spark,
        [
            {"product_id": "milk", "subcategory": "MILK"},  # without a title: a product of its subcategory, by its id
            {"product_id": "oat milk", "subcategory": "MILK"},
            {"product_id": "bread", "subcategory": "BREAD"},
            {"product_id": "soap", "subcategory": "SOAP"},  # never with bread either, but of another kind
        ],
    )
    sliced = order_slices(items_of(spark, baskets), Segments.frame(spark))
    counted = slice_pairs(sliced, settings(), DataFrame.persist)
    assert counted is not None
    kinds, names = item_kinds(products, "product"), item_names(products, "product")
    found = substitutes(counted, kinds, names, settings()).collect()
    assert {(r.item, r.substitute, r.within) for r in found} == {
        ("milk", "oat milk", "MILK"),
        ("oat milk", "milk", "MILK"),
    }
    # 6 × 6 ways to meet, each with chance 12 × 2 × 1 / (24 × 23): 60 users × 36 × 24 / 552 baskets by habit
    assert found[0].expected_baskets == pytest.approx(60 * 36 * 24 / 552, rel=1e-6)
    assert {(r.baskets, r.lift_within_users) for r in found} == {(0, 0.0)}
    assert found[0].p_value == pytest.approx(2.718281828459045 ** -found[0].expected_baskets)  # Poisson: none at all
    by_item = {r.item: r.sentence for r in found}
    assert (
        by_item["milk"]
        == "Customers buy milk (milk) or milk (oat milk): together in 0 baskets, where their habits would put 94."
    )
    assert set(found[0].asDict()) == set(Substitutes.columns()) - {"as_of", "run_id", "counted_on"}


def test_any_partitioning_counts_the_same(spark: SparkSession) -> None:
    baskets = habitual_baskets(60, together=True, rng=random.Random(7))
    rows = [{"user_id": user, "segment_id": int(user[1:]) % 2} for user in {user for user, _ in baskets}]
    sliced = order_slices(items_of(spark, baskets), Segments.frame(spark, rows))
    one, many = (sorted(map(tuple, bundles_of(spark, sliced.repartition(n)))) for n in (1, 7))
    assert one == many and len(one) == 4  # both segments, both ways
    assert {r[0] for r in one}
    assert set(SliceBundles.columns()) - {"as_of", "run_id", "counted_on"} <= set(bundles_of(spark, sliced)[0].asDict())
