"""What else may be wanted when something is forecast to sell more."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.models import BasketRules, Forecasts
from promo_spark.models.forecasts.hints import demand_hints, expected_sales

DAY = datetime.date(2017, 12, 1)
DAYS = 4
PRODUCTS = {"pasta": "noodles", "rice": "grains", "oats": "grains", "flour": None, "sauce": "sauces"}
# item → units of each day that is forecast, and of each day before the date
SERIES: dict[tuple[str, str], tuple[float, float]] = {
    ("product", "pasta"): (50, 25),  # 4 × 25 = 100 more
    ("product", "rice"): (30, 20),
    ("product", "oats"): (5, 10),
    ("product", "flour"): (10, 10),
    ("product", "sauce"): (1, 9),
    ("category", "dry food"): (95, 65),
    ("store", "s1"): (96, 74),
}


def rule(antecedent: str, consequent: str, level: str = "product", confidence: float = 0.6, lift: float = 2.0) -> Any:
    items = {"antecedent": antecedent.split("+"), "consequent": [consequent]}
    return items | {"level": level, "confidence": confidence, "lift": lift}


def hints(spark: SparkSession, *rules: Any) -> dict[tuple[str, str, str], float]:
    """(level, item, antecedent) → the hint."""

    def rows(first: int, last: int, which: int) -> list[dict[str, Any]]:
        return [
            {"level": level, "item_id": item, "day": DAY + datetime.timedelta(ahead), "units": units[which]}
            for (level, item), units in SERIES.items()
            for ahead in range(first, last)
        ]

    champions = [row | {"champion": True} for row in rows(0, DAYS + 2, 0)]  # two days more than are asked for
    others = [row | {"champion": False, "model": "b", "units": 1000.0} for row in rows(0, DAYS, 0)]
    expected = expected_sales(
        Forecasts.frame(spark, champions + others),
        DailySales.frame(spark, rows(-DAYS - 3, 0, 1)),  # three days more
        ProductProfile.frame(spark, [{"product_id": p, "subcategory": s} for p, s in PRODUCTS.items()]),
        as_of=DAY,
        days=DAYS,
    )
    found = demand_hints(expected, BasketRules.frame(spark, rules), days=DAYS).collect()
    assert all(r.hint_units == pytest.approx((r.forecast_units - r.sold_units) * r.confidence) for r in found)
    assert {(r.days, r.basis) for r in found} <= {(DAYS, "heuristic")}
    return {(r.level, r.item_id, r.antecedent): r.hint_units for r in found}


def test_a_rise_of_one_hints_at_what_is_bought_with_it(spark: SparkSession) -> None:
    """E12: +100 of the forecast × confidence 0.6 = +60; only rises, of rules with one item and a lift above 1."""
    found = hints(
        spark,
        rule("pasta", "sauce"),
        rule("pasta", "flour", confidence=0.2),
        rule("rice", "sauce", confidence=0.5),  # 4 × 10 × 0.5: hints of several for one item stand side by side
        rule("pasta", "rice", lift=1.0),  # no more often than by chance
        rule("oats", "sauce"),  # is forecast to fall
        rule("flour", "sauce"),  # stays as it is
        rule("pasta+rice", "oats"),  # no series tells of baskets with both
        rule("unknown", "sauce"),
    )
    assert found == {
        ("product", "sauce", "pasta"): pytest.approx(60),
        ("product", "flour", "pasta"): pytest.approx(20),
        ("product", "sauce", "rice"): pytest.approx(20),
    }


def test_rules_of_groups_go_by_the_sales_of_groups(spark: SparkSession) -> None:
    """E12: a category has a series; a subcategory is the sum of its products: grains 4 × (35 − 30) = +20."""
    found = hints(
        spark,
        rule("dry food", "sauces", level="category"),  # 4 × 30 × 0.6
        rule("grains", "sauces", level="subcategory"),
        rule("noodles", "grains", level="subcategory"),
        rule("sauces", "noodles", level="subcategory"),  # falls
        rule("pasta", "grains", level="subcategory"),  # a product is no subcategory of its name
    )
    assert found == {
        ("category", "sauces", "dry food"): pytest.approx(72),
        ("subcategory", "sauces", "grains"): pytest.approx(12),
        ("subcategory", "grains", "noodles"): pytest.approx(60),
    }


def test_without_rules_or_forecasts_there_is_no_hint(spark: SparkSession) -> None:
    assert hints(spark) == {}
    nothing = expected_sales(
        Forecasts.frame(spark), DailySales.frame(spark), ProductProfile.frame(spark), as_of=DAY, days=DAYS
    )
    assert demand_hints(nothing, BasketRules.frame(spark, [rule("pasta", "sauce")]), days=DAYS).count() == 0
