"""A tree that can be read: its rules are the model."""

from __future__ import annotations

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.learners.tables import FeatureTable
from promo_spark.learners.trees import DecisionTree, Leaf, Split, fitted_tree

NAMES = ("recency_days", "carts", "age")


def shoppers() -> tuple[FeatureTable, np.typing.NDArray[np.float64]]:
    """Who was there in the last 7 days with 2 carts or more buys, but for one in twenty; others do not."""
    draw = np.random.default_rng(5)
    values = np.column_stack([draw.integers(1, 31, 4000), draw.integers(0, 5, 4000), draw.random(4000)]).astype(float)
    rule = (values[:, 0] <= 7) & (values[:, 1] >= 2)
    happened = np.where(draw.random(4000) < 0.05, ~rule, rule).astype(float)
    values[:200, 1] = np.nan  # of some nobody knows the carts: they count as fewer than none
    return FeatureTable(NAMES, values), happened


def test_the_planted_rule_is_on_top_and_the_rules_as_sql_are_the_model(spark: SparkSession) -> None:
    """H03: recency ≤ 7 and carts ≥ 2, found by the first two splits; each row gets by SQL what the model gives it."""
    table, happened = shoppers()
    tree = fitted_tree(table, happened, depth=4, rows_of_leaf=20)
    top = tree.root
    assert isinstance(top, Split)
    assert (top.feature, top.cut) == ("recency_days", 7.5)
    assert isinstance(top.below, Split)
    assert (top.below.feature, top.below.cut) == ("carts", 1.5)

    rules = [rule.split(" → ") for rule in tree.rules()]
    assert len(rules) > 2
    filled = np.where(np.isnan(table.values), tree.unknown, table.values)
    rows = spark.createDataFrame([(i, *map(float, row)) for i, row in enumerate(filled)], ["row", *NAMES])
    case = "CASE " + " ".join(f"WHEN {conditions} THEN {p}D" for conditions, p in rules) + " END"
    matches = " + ".join(f"int({conditions})" for conditions, _ in rules)
    by_sql = rows.select("row", F.expr(case).alias("p"), F.expr(matches).alias("rules")).orderBy("row").collect()
    assert [r.p for r in by_sql] == tree.predicted(table).tolist()
    assert {r.rules for r in by_sql} == {1}, "every row keeps exactly one rule"


def test_a_tree_is_read_again_as_it_was() -> None:
    table, happened = shoppers()
    tree = fitted_tree(table, happened, depth=3, rows_of_leaf=20)
    again = DecisionTree.from_plain(tree.to_plain())
    assert again.rules() == tree.rules()
    assert again.predicted(table).tolist() == tree.predicted(table).tolist()


def test_where_the_same_happened_to_all_there_is_one_rule() -> None:
    table, _ = shoppers()
    assert fitted_tree(table, np.ones(4000), depth=3, rows_of_leaf=20).root == Leaf(1.0, 4000)
