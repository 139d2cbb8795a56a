"""What is on hand of each product."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import QUANTITY, Col, Frame
from promo_spark.contracts.silver import Inventory
from promo_spark.measures.stock import newest_counts


class StockOnHand(Frame):
    """One row per product whose stock is known."""

    product_id = Col(T.StringType(), "the product", required=True)
    on_hand = Col(QUANTITY, "units on hand in all stores together", unit="units", required=True)
    in_stock = Col(T.BooleanType(), "whether there are any", required=True)


def stock_on_hand(inventory: DataFrame, *, as_of: datetime.date, stock_days: int) -> DataFrame:
    """One row per product with stock of the last `stock_days` before the date. Inventory → StockOnHand.

    Of each store the newest day counts. A store without a row in these days is not known, and adds nothing.
    """
    on_hand = F.sum(Inventory.on_hand).cast(QUANTITY).alias(StockOnHand.on_hand)
    return (
        newest_counts(inventory, as_of=as_of, stock_days=stock_days)
        .groupBy(Inventory.product_id)
        .agg(on_hand)
        .withColumn(StockOnHand.in_stock, F.col(StockOnHand.on_hand) > 0)
    )
