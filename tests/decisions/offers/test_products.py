"""Products that may be in an offer."""

from __future__ import annotations

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.supply import InventoryPlan
from promo_spark.decisions.offers.products import OfferableProduct, lasting_products
from tests.decisions.scenarios.shop import item, products


def test_products_without_price_margin_or_permission_are_never_offered(spark: SparkSession) -> None:
    offerable = products(
        spark,
        item("ok"),
        item("sold out", in_stock=False),
        item("hidden", promotable=False),
        item("unpriced", list_price=None),
        item("uncharged", charged_price=None),
        item("reduced", charged_price="5.20"),  # 5 / 0.95 = 5.27: no room below what is charged now
        item("costless", unit_cost=None),
        item("tight", unit_cost="9.60"),  # 9.60 / 0.95 > 10
    )
    expected = {"product_id": "ok", "list_price": 10, "unit_cost": 5}
    assert_df_equality(
        offerable.select(*expected),
        OfferableProduct.frame(spark, [expected]).select(*expected),
        ignore_nullable=True,
        ignore_metadata=True,
    )


def test_what_runs_out_before_more_can_come_is_not_offered(spark: SparkSession) -> None:
    """F12 (part): a product at risk of a stock-out in all stores together is in no offer."""
    risks = {"soon out": ("all", 0.9), "lasts": ("all", 0.5), "out in one store": ("s1", 0.9), "unknown": ("all", None)}
    plan = [{"product_id": p, "store_id": s, "stock_out_risk": risk} for p, (s, risk) in risks.items()]
    rows = [item(product) for product in (*risks, "not planned")]
    found = lasting_products(ProductProfile.frame(spark, rows), InventoryPlan.frame(spark, plan), most_risk=0.5)
    assert {row.product_id for row in found.collect()} == {"lasts", "out in one store", "unknown", "not planned"}
