"""What is known of the stock of a date, and whether there is something to sell."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import Inventory


def not_sold_out() -> Column:
    """Whether a product is in stock, or its stock is not known. Of ProductProfile rows."""
    return F.coalesce(ProductProfile.in_stock, F.lit(True))


def newest_counts(inventory: DataFrame, *, as_of: datetime.date, stock_days: int) -> DataFrame:
    """One row per product and store: its newest count of the last `stock_days` before the date. Inventory → Inventory.

    A store without a row in these days is not known.
    """
    first, last = (as_of - datetime.timedelta(days=ago) for ago in (stock_days, 1))
    counted = (Inventory.on_hand, Inventory.on_order, Inventory.lead_time_days)
    return (
        inventory.filter(F.col(Inventory.day).between(F.lit(first), F.lit(last)))
        .groupBy(Inventory.product_id, Inventory.store_id)
        .agg(F.max(F.struct(Inventory.day, *counted)).alias(_NEWEST))
        .select(Inventory.product_id, Inventory.store_id, f"{_NEWEST}.*")
    )


_NEWEST = "newest"
