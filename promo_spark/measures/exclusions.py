"""Products that the shop leaves out: of promotions, of baskets, of sales series."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.silver import Products
from promo_spark.settings.business import BusinessSettings


def is_excluded(business: BusinessSettings) -> Column:
    """Whether a row of a product's department and category is of an excluded one. Null is none of them."""
    return _is_one_of(Products.department, business.excluded_departments) | _is_one_of(
        Products.category, business.excluded_categories
    )


def without_excluded(rows: DataFrame, products: DataFrame, business: BusinessSettings) -> DataFrame:
    """The rows whose product_id is not of an excluded product. A product that Products does not name stays."""
    if not (business.excluded_departments or business.excluded_categories):
        return rows
    excluded = products.filter(is_excluded(business)).select(Products.product_id)
    return rows.join(F.broadcast(excluded), Products.product_id, "left_anti")


def _is_one_of(column: str, names: Sequence[str]) -> Column:
    return F.coalesce(F.col(column).isin(list(names)), F.lit(False))
