"""How often the stock is sold, and what holding it costs."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import Inventory, OrderLines
from promo_spark.measurement.kpis.rows import days_before
from promo_spark.measurement.kpis.stock import stock_figures
from tests.measurement.kpis.shop import DATE, Rows, days_ago, line, told


def test_turnover_and_holding_cost(spark: SparkSession) -> None:
    """K10: apples cost 2, of which 40 lie there on average; milk costs 1, of which 20. 100 in all.

    Sold in the month: 55 − 5 apples, and 50 of milk, which cost 100 + 50 = 150: stock was sold one and a half times.
    Holding it costs a fifth of its value a year: 100 × 0.2 × 30 / 365 = 1.643836.
    """
    products: Rows = [
        {"product_id": "apple", "category": "fruit", "unit_cost": 2},
        {"product_id": "milk", "category": "dairy", "unit_cost": 1},
        {"product_id": "soap", "category": "care", "unit_cost": 3},  # sold, and nobody counts its stock
        {"product_id": "wax", "category": "care", "unit_cost": None},  # in stock, and nobody knows its cost
    ]
    inventory: Rows = [
        *(
            {"product_id": "apple", "store_id": "s", "day": days_ago(ago), "on_hand": n}
            for ago, n in ((30, 10), (1, 20))
        ),
        {"product_id": "apple", "store_id": "t", "day": days_ago(7), "on_hand": 25},  # counted once: 15 + 25 = 40
        {"product_id": "milk", "store_id": "s", "day": days_ago(3), "on_hand": 20},
        {"product_id": "wax", "store_id": "s", "day": days_ago(3), "on_hand": 900},
        {"product_id": "milk", "store_id": "s", "day": days_ago(31), "on_hand": 900},
        {"product_id": "milk", "store_id": "s", "day": days_ago(0), "on_hand": 900},
    ]
    lines = [
        line("ann", "a1", 30, product_id="apple", quantity=55),
        line(None, "n1", 1, -9.0, product_id="apple", quantity=-5),
        line("ann", "a2", 2, product_id="milk", quantity=50),
        line("ann", "a2", 2, product_id="soap", quantity=900),
        line("ann", "a3", 31, product_id="milk", quantity=900),
    ]
    found = stock_figures(
        OrderLines.frame(spark, lines),
        Inventory.frame(spark, inventory),
        ProductProfile.frame(spark, products),
        month=days_before(DATE, 30),
        holding_cost_rate=0.2,
    )
    assert told(found, "stock_turnover") == {
        "all": (1.5, 2),
        "category:fruit": (1.25, 1),  # 100 / 80
        "category:dairy": (2.5, 1),  # 50 / 20
    }
    assert told(found, "stock_value")["all"] == (100.0, 2)
    assert told(found, "holding_cost")["all"][0] == pytest.approx(1.643836)


def test_nothing_in_stock_is_not_turned_over(spark: SparkSession) -> None:
    """K10: of products of which only stock-outs are told there is no mean stock to divide by."""
    found = stock_figures(
        OrderLines.frame(spark, [line("ann", "a1", 3)]),
        Inventory.frame(spark, [{"product_id": "p", "store_id": "s", "day": days_ago(3), "on_hand": 0}]),
        ProductProfile.frame(spark, [{"product_id": "p", "unit_cost": 2}]),
        month=days_before(DATE, 30),
        holding_cost_rate=0.2,
    )
    assert told(found, "stock_turnover") == {"all": (None, 1)} and told(found, "stock_value") == {"all": (0.0, 1)}
