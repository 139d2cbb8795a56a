"""Rules follow from itemsets, and say what their counts say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, Row, SparkSession
from scipy import stats

from promo_spark.contracts.models import BasketRules, FrequentItemsets
from promo_spark.contracts.silver import Products
from promo_spark.models.baskets.rules import (
    ItemName,
    basket_rules,
    best_rules,
    improving_rules,
    item_names,
    with_sentences,
)
from promo_spark.settings import load

# {ABC, ABD, ACD, BCD}: an item in 3 baskets, a pair in 2, a triple in 1
SEED_COUNTS = {items: 4 - size for size in (1, 2, 3) for items in combinations("ABCD", size)}


def itemsets(
    spark: SparkSession, counts: Mapping[tuple[str, ...], int], all_baskets: int, expected: Mapping[str, float]
) -> DataFrame:
    """Of pairs so many are expected as if all shoppers were one, but where `expected` says otherwise."""
    rows = []
    for items, n in counts.items():
        row = {"level": "product", "items": list(items), "size": len(items), "baskets": n}
        if len(items) == 2:
            usual = counts[items[:1]] * counts[items[1:]] / all_baskets
            row["expected_baskets"] = expected.get("".join(items), usual)
        rows.append(row)
    return FrequentItemsets.frame(spark, rows)


def rules_of(
    spark: SparkSession,
    counts: Mapping[tuple[str, ...], int],
    all_baskets: int,
    min_confidence: float = 0.0,
    expected: Mapping[str, float] | None = None,
) -> DataFrame:
    return basket_rules(
        itemsets(spark, counts, all_baskets, expected or {}),
        all_baskets=all_baskets,
        settings=load().baskets.model_copy(
            update={
                "min_confidence": min_confidence,
                "max_antecedent": 2,
                "min_lift_within_users": 1.5,
                "max_q_value": 0.01,
            }
        ),
    )


def sides(rule: Row) -> str:
    return f"{''.join(rule.antecedent)}⇒{''.join(rule.consequent)}"


def contradictions(rules: Iterable[Mapping[str, Any]]) -> set[str]:
    """Antecedents and consequents whose own support, as their rules imply it, is more than one number."""
    implied: dict[str, set[float]] = {}
    for r in rules:
        implied.setdefault(r["antecedent"], set()).add(round(float(r["support"]) / float(r["confidence"]), 9))
        implied.setdefault(r["consequent"], set()).add(round(float(r["confidence"]) / float(r["lift"]), 9))
    return {side for side, supports in implied.items() if len(supports) > 1}


def test_the_seed_baskets_give_what_their_arithmetic_gives(spark: SparkSession) -> None:
    """E01: confidence ≥ 0.6 leaves 12 rules at 2/3 and lift 8/9; ≥ 0.7 none; AB⇒C is 0.5 at lift 2/3 (W2, W3)."""
    rules = rules_of(spark, SEED_COUNTS, all_baskets=4).collect()
    pairs = [r for r in rules if len(r.antecedent) == 1]
    assert sorted(map(sides, pairs)) == sorted(f"{a}⇒{c}" for a in "ABCD" for c in "ABCD" if a != c)
    assert {(round(r.confidence, 4), round(r.lift, 4), r.leverage) for r in pairs} == {(0.6667, 0.8889, -0.0625)}
    longer = [r for r in rules if len(r.antecedent) == 2]
    assert len(longer) == 12
    assert {(r.confidence, round(r.lift, 4)) for r in longer} == {(0.5, 0.6667)}
    assert sum(r.confidence >= 0.6 for r in rules) == 12
    assert not any(r.confidence >= 0.7 for r in rules)
    assert not any(r.is_bundle for r in rules)  # everybody buys these anyway: lift below 1


def test_every_figure_of_a_rule_follows_from_its_counts(spark: SparkSession) -> None:
    """E04: confidence = support / support of the antecedent to 1e-12; seed 001's table contradicts itself (W7)."""
    counts = {("a",): 40, ("b",): 50, ("c",): 60, ("a", "b"): 30, ("a", "c"): 40, ("b", "c"): 20, ("a", "b", "c"): 10}
    rules = {sides(r): r for r in rules_of(spark, counts, all_baskets=100).collect()}
    support = {"".join(items): n / 100 for items, n in counts.items()}
    assert len(rules) == 6 + 3
    for name, r in rules.items():
        a, c = name.split("⇒")
        assert r.confidence == pytest.approx(r.support / support[a], abs=1e-12)
        assert r.lift == pytest.approx(r.confidence / support[c], abs=1e-12)
        assert r.leverage == pytest.approx(r.support - support[a] * support[c], abs=1e-12)
        assert (r.antecedent_baskets, r.consequent_baskets, r.all_baskets) == (
            counts[tuple(a)],
            counts[(c,)],
            100,
        )
    assert rules["a⇒b"].conviction == pytest.approx((1 - 0.5) / (1 - 0.75))
    assert rules["a⇒c"].conviction is None  # 40 of 40: never wrong
    assert not contradictions(
        r.asDict() | {"antecedent": tuple(r.antecedent), "consequent": tuple(r.consequent)} for r in rules.values()
    )
    seed_001 = [
        {"antecedent": a, "consequent": c, "support": s, "confidence": conf, "lift": lift}
        for a, c, s, conf, lift in (
            ("AB", "C", 0.20, 0.50, 1.00),
            ("AB", "D", 0.15, 0.60, 1.20),
            ("AB", "E", 0.25, 0.60, 1.20),
            ("AB", "F", 0.30, 0.70, 1.40),
            ("CD", "E", 0.10, 0.40, 1.00),
        )
    ]
    assert contradictions(seed_001) == {"AB", "E"}


def test_the_confidence_threshold_is_inclusive(spark: SparkSession) -> None:
    """E06: 7 of 10 is kept at 0.7; it is confidence that is filtered, not support."""
    counts = {("a",): 10, ("b",): 11, ("a", "b"): 7}
    assert [sides(r) for r in rules_of(spark, counts, 1000, min_confidence=0.7).collect()] == ["a⇒b"]


def test_p_and_q_values_are_those_of_the_poisson_law_and_of_benjamini_and_hochberg(spark: SparkSession) -> None:
    """By hand: four pairs of four items, of six that were tried; longer rules have neither."""
    counts: dict[tuple[str, ...], int] = {(item,): 500 for item in "abcd"}
    counts |= {("a", "b"): 60, ("a", "c"): 25, ("b", "d"): 25, ("c", "d"): 9}
    counts |= {("a", "b", "c"): 9}
    expected = {"ab": 30.0, "ac": 20.0, "bd": 20.0, "cd": 12.0}
    found = {sides(r): r for r in rules_of(spark, counts, 10_000, expected=expected).collect()}
    p = {pair: stats.poisson.sf(counts[tuple(pair)] - 1, mean) for pair, mean in expected.items()}
    q = {
        "ab": p["ab"] * 6 / 1,
        "ac": p["ac"] * 6 / 3,  # two have this p: three have it or less
        "bd": p["bd"] * 6 / 3,
        "cd": 1.0,  # 0.84 × 6 / 4 is more than all
    }
    for pair in expected:
        for rule in (found[f"{pair[0]}⇒{pair[1]}"], found[f"{pair[1]}⇒{pair[0]}"]):  # chance knows no direction
            assert rule.p_value == pytest.approx(p[pair], rel=1e-9)
            assert rule.q_value == pytest.approx(q[pair], rel=1e-9)
            assert rule.lift_within_users == pytest.approx(counts[tuple(pair)] / expected[pair])
    assert {name: r.is_bundle for name, r in found.items() if r.is_bundle} == {"a⇒b": True, "b⇒a": True}
    assert {r.p_value for name, r in found.items() if len(name) == 4} == {None}


def test_what_the_same_users_like_or_buy_in_full_carts_is_no_bundle(spark: SparkSession) -> None:
    """A lift of 4, all of it by habit: 40 baskets, where 35 are expected of these users; pasta and sauce meet more."""
    counts: dict[tuple[str, ...], int] = {(item,): 100 for item in ("pasta", "sauce", "quinoa", "tofu")}
    counts |= {("pasta", "sauce"): 40, ("quinoa", "tofu"): 40}
    expected = {"pastasauce": 15.0, "quinoatofu": 35.0}
    found = {sides(r): (r.lift, r.is_bundle) for r in rules_of(spark, counts, 1000, expected=expected).collect()}
    assert found["pasta⇒sauce"] == (4.0, True)
    assert found["quinoa⇒tofu"] == (4.0, False)


def test_only_strong_rules_become_bundles_and_the_best_come_first(spark: SparkSession) -> None:
    """E05, E10 (bundle flag): a planted lift of 4 is a bundle; lift ≤ 1 and chance never; lift never rises."""
    counts = {
        ("pasta",): 100,
        ("sauce",): 100,
        ("pasta", "sauce"): 40,  # lift 40·1000/(100·100) = 4
        ("coke",): 400,
        ("pepsi",): 400,
        ("coke", "pepsi"): 20,  # substitutes: 0.125
        ("milk",): 500,
        ("bread",): 400,
        ("bread", "milk"): 200,  # independent: exactly 1
        ("salt",): 20,
        ("soap",): 25,
        ("salt", "soap"): 1,  # lift 2 from a single basket
        ("jam",): 100,
        ("tea",): 100,
        ("jam", "tea"): 40,  # as good as pasta and sauce: the names decide
    }
    ranked = best_rules(rules_of(spark, counts, all_baskets=1000), 6).collect()
    assert [(sides(r), round(r.lift, 9), r.is_bundle) for r in ranked] == [
        ("jam⇒tea", 4.0, True),
        ("pasta⇒sauce", 4.0, True),
        ("sauce⇒pasta", 4.0, True),
        ("tea⇒jam", 4.0, True),
        ("salt⇒soap", 2.0, False),
        ("soap⇒salt", 2.0, False),
    ]
    rest = {sides(r): r.is_bundle for r in best_rules(rules_of(spark, counts, 1000), 99).collect()[6:]}
    assert rest == dict.fromkeys(("bread⇒milk", "milk⇒bread", "coke⇒pepsi", "pepsi⇒coke"), False)


def test_a_longer_rule_must_say_more_than_its_shorter_ones(spark: SparkSession) -> None:
    counts = {
        ("a",): 100,
        ("b",): 100,
        ("c",): 200,
        ("a", "b"): 50,
        ("a", "c"): 60,
        ("b", "c"): 30,
        ("a", "b", "c"): 31,  # ab⇒c 0.62 where a⇒c is 0.60; bc⇒a 1.03 is no matter here
    }
    rules = rules_of(spark, counts, all_baskets=1000).filter("consequent[0] = 'c'")
    assert {sides(r) for r in improving_rules(rules, 0.01).collect()} == {"a⇒c", "b⇒c", "ab⇒c"}
    assert {sides(r) for r in improving_rules(rules, 0.05).collect()} == {"a⇒c", "b⇒c"}


def test_a_rule_reads_as_a_sentence_with_names(spark: SparkSession) -> None:
    """E09: confidence 0.9 reads 90%; names come from the products."""
    products = Products.frame(
        spark,
        [
            {"product_id": "1", "title": "Farfalle 500 g"},
            {"product_id": "2", "category": "SAUCES", "subcategory": "PESTO"},  # no title: its subcategory
        ],
    )
    rules = BasketRules.frame(
        spark,
        [
            {"antecedent": ["1"], "consequent": ["2"], "confidence": 0.9, "lift": 3.24},
            {"antecedent": ["1", "9"], "consequent": ["2"], "confidence": 0.431, "lift": 0.95},  # 9 is not in the list
        ],
    ).drop("sentence")
    sentences = with_sentences(rules, item_names(products, "product")).collect()
    assert sorted(r.sentence for r in sentences) == [
        "Customers who buy Farfalle 500 g and 9: 43% also buy pesto, 1.0 times the usual.",
        "Customers who buy Farfalle 500 g: 90% also buy pesto, 3.2 times the usual.",
    ]


def test_a_subcategory_says_its_commonest_category(spark: SparkSession) -> None:
    products = Products.frame(
        spark,
        [
            {"product_id": "1", "subcategory": "MAINSTREAM", "category": "PASTA SAUCE"},
            {"product_id": "2", "subcategory": "MAINSTREAM", "category": "PASTA SAUCE"},
            {"product_id": "3", "subcategory": "MAINSTREAM", "category": "BEER"},
            {"product_id": "4", "subcategory": "PEARS", "category": "PEARS"},
            {"product_id": "5", "subcategory": "Seife", "category": "Drogerie"},  # a language's own capitals stay
        ],
    )
    expected = ItemName.frame(
        spark,
        [
            {"item": "MAINSTREAM", "name": "mainstream (pasta sauce)"},  # of two products, beer is one
            {"item": "PEARS", "name": "pears"},  # the category says nothing more
            {"item": "Seife", "name": "Seife (Drogerie)"},
        ],
    )
    assert_df_equality(
        item_names(products, "subcategory"), expected, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True
    )
    assert {r["name"] for r in item_names(products, "category").collect()} == {
        "pasta sauce",
        "beer",
        "pears",
        "Drogerie",
    }
