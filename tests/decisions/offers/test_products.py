"""Products that may be in an offer."""

from __future__ import annotations

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.decisions.offers.products import OfferableProduct
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
