"""Market share, with a market table and without."""

from __future__ import annotations

from pyspark.sql import SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import Market, OrderLines
from promo_spark.measurement.kpis.market import market_share
from tests.measurement.kpis.shop import Rows, days_ago, line, told

PRODUCTS: Rows = [
    {"product_id": "apple", "category": "fruit"},
    {"product_id": "milk", "category": "dairy"},
    {"product_id": "soap", "category": "care"},
    {"product_id": "odd", "category": None},
]


def test_own_sales_as_a_share_of_the_market(spark: SparkSession) -> None:
    """A10, K05: of fruit 20 of 100, of dairy 30 of 300; of both 50 of 400. Nobody knows the market of soap."""
    lines = [
        line("ann", "a1", 1, 25.0, product_id="apple"),
        line(None, "n1", 1, -5.0, product_id="apple", quantity=-1),  # came back
        line("bob", "b1", 1, 30.0, product_id="milk"),
        line("bob", "b1", 1, 500.0, product_id="soap", line_no=2),
        line("bob", "b1", 1, 500.0, product_id="odd", line_no=3),
        line("cid", "c1", 2, 500.0, product_id="apple"),  # of another day
    ]
    market = [
        {"day": days_ago(1), "category": "fruit", "market_sales": 100},
        {"day": days_ago(1), "category": "dairy", "market_sales": 300},
        {"day": days_ago(1), "category": "care", "market_sales": None, "competitor_price": 2},  # prices only
        {"day": days_ago(2), "category": "care", "market_sales": 900},
        {"day": days_ago(0), "category": "fruit", "market_sales": 900},
    ]
    found = market_share(
        OrderLines.frame(spark, lines),
        ProductProfile.frame(spark, PRODUCTS),
        Market.frame(spark, market),
        day=days_ago(1),
    )
    assert told(found, "market_share") == {
        "all": (0.125, 3),
        "category:fruit": (0.2, 2),
        "category:dairy": (0.1, 1),
    }


def test_what_is_not_sold_is_no_share_and_an_empty_market_has_none(spark: SparkSession) -> None:
    market = [
        {"day": days_ago(1), "category": "fruit", "market_sales": 100},
        {"day": days_ago(1), "category": "dairy", "market_sales": 0},
    ]
    frames = OrderLines.frame(spark), ProductProfile.frame(spark, PRODUCTS)
    found = told(market_share(*frames, Market.frame(spark, market), day=days_ago(1)), "market_share")
    assert found == {"all": (0.0, 0), "category:fruit": (0.0, 0), "category:dairy": (None, 0)}
