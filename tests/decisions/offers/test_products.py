"""Products that may be in an offer."""

from __future__ import annotations

from pyspark.sql import SparkSession

from tests.decisions.scenarios.shop import item, products


def test_products_without_price_margin_or_permission_are_never_offered(spark: SparkSession) -> None:
    offerable = products(
        spark,
        item("ok"),
        item("hidden", promotable=False),
        item("unpriced", list_price=None),
        item("costless", unit_cost=None),
        item("tight", unit_cost="9.60"),  # 9.60 / 0.95 > 10
    )
    assert [p.product_id for p in offerable.collect()] == ["ok"]
