"""Whether there is something to sell."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile


def not_sold_out() -> Column:
    """Whether a product is in stock, or its stock is not known. Of ProductProfile rows."""
    return F.coalesce(ProductProfile.in_stock, F.lit(True))
