"""Products that may be in an offer."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.decisions.offers.pricing import margin_floor


def priced_products(products: DataFrame, *, min_margin: float) -> DataFrame:
    """One row per product that may be offered: promotable, with price and cost, and room above its margin floor."""
    floor = margin_floor(F.col(ProductProfile.unit_cost), min_margin)
    return products.filter(
        F.col(ProductProfile.promotable)
        & (F.col(ProductProfile.list_price) > 0)
        & (F.col(ProductProfile.unit_cost) > 0)
        & (floor < F.col(ProductProfile.list_price))
    )
