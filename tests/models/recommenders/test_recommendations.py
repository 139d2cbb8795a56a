"""Strengths, the model set and lists, on worlds whose right answer is known by construction."""

from __future__ import annotations

import ast
import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.silver import EVENT_TYPES, Events, OrderLines
from promo_spark.models.recommenders import holdout
from promo_spark.models.recommenders import recommendations as lists
from promo_spark.models.recommenders import strengths as purchase
from promo_spark.models.recommenders.als import als_factors
from promo_spark.models.recommenders.candidates import RankedItems
from promo_spark.models.recommenders.mllib_als import dense_ids
from promo_spark.models.recommenders.strengths import CatalogueItem, ModelPair
from promo_spark.models.recommenders.vector_search import VectorSearch
from promo_spark.settings import load

DAY = datetime.date(2017, 12, 1)
ALS = load().recommend.model_copy(
    update={"rank": 8, "iterations": 5, "regularisation": 0.1, "alpha": 2.0, "blocks": 2, "seed": 1}
)


def bought(spark: SparkSession, rows: list[tuple[str, str, int]]) -> DataFrame:
    """Order lines from (user, product, days ago); what a user buys on a day is one order."""
    return OrderLines.frame(
        spark,
        [
            {
                "user_id": user,
                "product_id": product,
                "order_id": f"{user}-{ago}",
                "line_no": n,
                "quantity": Decimal(1),
                "order_date": DAY - datetime.timedelta(days=ago),
            }
            for n, (user, product, ago) in enumerate(rows)
        ],
    )


def products(spark: SparkSession, ids: list[str]) -> DataFrame:
    return ProductProfile.frame(spark, [{"product_id": p, "title": p.upper(), "promotable": True} for p in ids])


def test_the_long_table_of_strengths_is_the_matrix(spark: SparkSession) -> None:
    """A07: pivoting the long table of 5 users × 6 products gives the dense matrix.

    Half-life 10 days: an order 0 half-lives ago would count 1, 10 days ago 1/2, 20 days ago 1/4.
    """
    lines = bought(
        spark,
        [
            ("u1", "p1", 10),
            ("u1", "p1", 20),
            ("u1", "p2", 10),  # p1: 1/2 + 1/4
            ("u2", "p2", 20),
            ("u2", "p2", 20),  # two lines of one order: once
            ("u3", "p3", 30),
            ("u4", "p4", 10),
            ("u4", "p5", 40),
            ("u5", "p6", 10),
            ("u5", "p1", 0),
            ("u5", "p2", 50),  # on the date itself, and before the window: no purchase
        ],
    )
    returned = lines.filter("user_id = 'u4'").withColumns({"quantity": F.lit(-1), "product_id": F.lit("p6")})
    anonymous = lines.withColumn("user_id", F.lit(None))
    every = lines.union(returned.to(lines.schema)).union(anonymous.to(lines.schema))
    window = purchase.purchases(every, before=DAY, days=45)
    rows = purchase.strengths(window, as_of=DAY, half_life_days=10).collect()
    users, items = [f"u{i}" for i in range(1, 6)], [f"p{i}" for i in range(1, 7)]
    matrix = np.zeros((5, 6))
    for r in rows:
        matrix[users.index(r.user_id), items.index(r.product_id)] = r.strength
    assert matrix.tolist() == [
        [0.75, 0.5, 0, 0, 0, 0],
        [0, 0.25, 0, 0, 0, 0],
        [0, 0, 0.125, 0, 0, 0],
        [0, 0, 0, 0.5, 0.0625, 0],
        [0, 0, 0, 0, 0, 0.5],
    ]
    assert len(rows) == 7  # only pairs that exist are kept
    assert {(r.orders, r.last_bought) for r in rows if r.strength == 0.75} == {(2, datetime.date(2017, 11, 21))}


def test_few_orders_and_few_buyers_are_not_modelled(spark: SparkSession) -> None:
    """B08 (part: the model set): a one-order user is absent from the ALS train set."""
    lines = bought(
        spark,
        [
            ("often", "p1", 1),
            ("often", "p2", 2),
            ("twice", "p1", 3),
            ("twice", "rare", 4),
            ("once", "p1", 5),
            ("once", "p2", 5),
            ("often", "fuel", 1),
            ("once", "fuel", 5),
        ],
    )
    window = purchase.purchases(lines, before=DAY, days=30)
    items = purchase.catalogue(window, products(spark, ["p1", "p2", "rare"]), as_of=DAY, popular_days=3)
    pairs = purchase.strengths(window, as_of=DAY, half_life_days=30)
    modelled = purchase.model_pairs(pairs, window, items, min_orders=2, min_buyers=2)
    pair = (ModelPair.user_id, ModelPair.item)
    expected_pairs = [{"user_id": u, "item": i} for u, i in (("often", 0), ("often", 1), ("twice", 0))]
    assert_df_equality(
        modelled.select(*pair),
        ModelPair.frame(spark, expected_pairs).select(*pair),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )
    expected_items = CatalogueItem.frame(
        spark,
        [  # fuel is not promotable
            {"product_id": "p1", "title": "P1", "item": 0, "buyers": 3, "recent_buyers": 2},
            {"product_id": "p2", "title": "P2", "item": 1, "buyers": 2, "recent_buyers": 1},
            {"product_id": "rare", "title": "RARE", "item": 2, "buyers": 1, "recent_buyers": 0},
        ],
    )
    assert_df_equality(
        items.select(*CatalogueItem.columns()),
        expected_items,
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )


def test_ids_have_no_gaps_and_do_not_depend_on_partitions(spark: SparkSession) -> None:
    keys = spark.createDataFrame([(f"u{i}",) for i in range(300)], "user_id string")
    ids = dense_ids(keys.repartition(7), "user_id", "id")
    assert sorted(r.id for r in ids.collect()) == list(range(300))
    assert_df_equality(dense_ids(keys.coalesce(1), "user_id", "id"), ids, ignore_row_order=True)


def test_what_a_user_bought_is_due_or_was_bought_lately(spark: SparkSession) -> None:
    """a is due within the lead of two days, b a day later; b was bought in the 3 days before the date."""
    of_user = {"user_id": "u", "lifecycle": "repeat"}
    due_dates = [("a", 3, 10.0, DAY, DAY + datetime.timedelta(2)), ("b", 2, 40.0, DAY, DAY + datetime.timedelta(3))]
    due = purchase.due_again(UserProfile.frame(spark, [of_user | {"repurchases": due_dates}]), as_of=DAY, lead_days=2)
    pairs = purchase.Strength.frame(
        spark,
        [
            {
                "user_id": "u",
                "product_id": p,
                "strength": 1.0,
                "orders": 1,
                "last_bought": DAY - datetime.timedelta(ago),
            }
            for p, ago in (("a", 4), ("b", 3))
        ],
    )
    items = purchase.CatalogueItem.frame(
        spark, [{"product_id": p, "item": n, "buyers": 1, "recent_buyers": 1} for n, p in enumerate("ab")]
    )
    [row] = purchase.own_products(pairs, items, due, as_of=DAY, days=3).collect()
    assert [(own.item, own.due, own.lately) for own in row.own] == [(0, True, False), (1, False, True)]


def checkerboard(
    groups: int = 8, members: int = 12, products: int = 20
) -> tuple[list[tuple[str, str, int]], list[str]]:
    """Users of group g buy only products of group g: nine of them before, six others in the last 28 days.

    Which nine follows from the user's number, so every product has buyers before the holdout.
    """
    rows = []
    for g in range(groups):
        for m in range(members):
            order = [(m * 7 + k * 3) % products for k in range(products)]  # 3 and 20 are coprime: a permutation
            before, after = order[:9], order[9:15]
            rows += [(f"u{g}-{m:02}", f"p{g}-{i:02}", 40 + k % 3) for k, i in enumerate(before)]
            rows += [(f"u{g}-{m:02}", f"p{g}-{i:02}", 5) for i in after]
    return rows, [f"p{g}-{i:02}" for g in range(groups) for i in range(products)]


def test_planted_tastes_are_found_three_times_better_than_by_popularity(spark: SparkSession) -> None:
    """G06: planted low-rank taste groups: recall@10 ≥ 3× popularity; no NaN; any partitioning, same figures."""
    rows, ids = checkerboard()
    catalogue, cutoff = products(spark, ids), DAY - datetime.timedelta(days=28)

    def figures(lines: DataFrame, probes: int = 0) -> dict[tuple[str, str], float]:
        window = purchase.purchases(lines, before=DAY, days=90).persist()
        past, later = holdout.split_at(window, cutoff)
        items = purchase.catalogue(past, catalogue, as_of=cutoff, popular_days=28).persist()
        pairs = purchase.strengths(past, as_of=cutoff, half_life_days=90).persist()
        factors = als_factors(purchase.model_pairs(pairs, past, items, min_orders=2, min_buyers=2), ALS)
        everyone = past.select("user_id").distinct().withColumn("segment_id", F.lit(0))
        nothing_due = purchase.DueProduct.frame(spark)
        own = purchase.own_products(pairs, items, nothing_due, as_of=cutoff, days=3)
        users = lists.users_with_purchases(everyone, own, factors, RankedItems.frame(spark), blocks=2)
        truth = holdout.holdout_purchases(later, catalogue, items, everyone)
        no_segments = everyone.filter("false")
        popular = purchase.popularity(past, items, no_segments, since=cutoff - datetime.timedelta(days=28))
        search = VectorSearch.of(factors.vectors, probes=probes, seed=1) if probes else None
        per_user = holdout.user_metrics(
            users.join(truth, "user_id"),
            lists.item_model(factors, popular, search=search),
            contenders=holdout.contenders([]),
            repeat_weight=0.7,
            audience=holdout.audience_of(items, catalogue, 24),
        )
        return {(r.slice, r.metric): r.value for r in holdout.holdout_metrics(per_user, len(ids)).collect()}

    found = figures(bought(spark, rows).coalesce(1))
    assert not any(np.isnan(v) for v in found.values())
    assert found["als:new", "recall@10"] >= 3 * found["popularity:new", "recall@10"]
    assert found["als:new", "recall@10"] > 0.75  # 11 products of the group are left, 10 are shown
    assert found["buy_again", "recall@10"] <= 0.2  # nothing is bought twice here
    assert figures(bought(spark, rows[::-1]).repartition(5)) == found
    searched = figures(bought(spark, rows), probes=1000)  # more cells than there are: all products are compared
    recall = {name: searched.pop(name) for name in list(searched) if name[1] == "search_recall@10"}
    assert {of.split(":")[0] for of, _ in recall} == {"als", "blend"}
    assert set(recall.values()) == {1.0}
    assert searched == found


def test_behaviours_of_all_kinds_make_one_sparse_matrix(spark: SparkSession) -> None:
    """C15: pairs of users and products equal the dense pivot of weighted behaviour; nothing is ever pivoted.

    All happened on the day before: an order counts 1, a try-on 0.5, a view 0.25, times a half-life of one day: 1/2.
    """
    pairs = purchase.strengths(
        purchase.purchases(bought(spark, [("ann", "hat", 1), ("ben", "tie", 1)]), before=DAY, days=100),
        as_of=DAY,
        half_life_days=1,
    )
    behaviour = [("ann", "hat", "view"), ("ann", "hat", "view"), ("ann", "tie", "try_on"), ("ben", "hat", "view")]
    events = Events.frame(
        spark,
        [
            {"user_id": user, "product_id": product, "event_type": kind, "event_date": DAY - datetime.timedelta(1)}
            for user, product, kind in behaviour
        ],
    )
    weights = {"try_on": 0.5, "view": 0.25}
    rows = purchase.with_events(pairs, events, weights=weights, as_of=DAY, half_life_days=1).toPandas()
    dense = rows.pivot_table(index="user_id", columns="product_id", values="strength", fill_value=0.0)
    assert dense.to_numpy().tolist() == [
        [0.5 + 0.125 + 0.125, 0.25],  # ann: the hat bought and viewed twice, the tie tried on
        [0.125, 0.5],  # ben: the hat viewed, the tie bought
    ]
    package = Path(purchase.__file__).parents[2]
    called = {
        node.func.attr
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert "groupBy" in called and "pivot" not in called


def test_a_try_on_counts_as_its_weight_says(spark: SparkSession) -> None:
    """O05: event_type try_on is accepted and weighted.

    At a half-life of 10 days an order of 10 days ago counts 0.5. A try-on counts half an order: of 10 days ago 0.25;
    twice so long ago, 0.125.
    """
    pairs = purchase.strengths(
        purchase.purchases(bought(spark, [("ann", "dress", 10)]), before=DAY, days=100), as_of=DAY, half_life_days=10
    )
    events = Events.frame(
        spark,
        [
            # bought and tried on: 0.5 + 0.25
            {"user_id": "ann", "product_id": "dress", "event_type": "try_on", "event_date": "2017-11-21"},
            # only tried on, 20 days ago
            {"user_id": "ben", "product_id": "dress", "event_type": "try_on", "event_date": "2017-11-11"},
            # a type without a weight, a visitor nobody knows, a day that is not over yet
            {"user_id": "cid", "product_id": "dress", "event_type": "view", "event_date": "2017-11-21"},
            {"product_id": "dress", "event_type": "try_on", "event_date": "2017-11-21"},
            {"user_id": "dan", "product_id": "dress", "event_type": "try_on", "event_date": "2017-12-01"},
        ],
    )
    assert "try_on" in EVENT_TYPES and load().recommend.event_weights == {"try_on": 0.5}
    tied = purchase.with_events(pairs, events, weights={"try_on": 0.5}, as_of=DAY, half_life_days=10)
    rows = [
        {"user_id": "ann", "product_id": "dress", "strength": 0.75, "orders": 1, "last_bought": "2017-11-21"},
        {"user_id": "ben", "product_id": "dress", "strength": 0.125, "orders": 0, "last_bought": None},
    ]
    expected = purchase.Strength.frame(spark, rows)
    assert_df_equality(tied, expected, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True)
