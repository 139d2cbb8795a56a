"""What was sold on each day, of each product or in each store: what products' figures and sales series are summed from.

Lines are added up once; there are as many such rows as products and days, however many users buy.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import MONEY, QUANTITY, Col, Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.order_lines import is_purchase, of_purchases, total_discount

_LINES = OrderLines.columns()


class SoldDay(Frame):
    """One row per day with order lines: of a product or of a store, by its id beside these columns."""

    order_date = _LINES[OrderLines.order_date]
    units = Col(QUANTITY, "units bought, less those returned", unit="units", required=True)
    revenue = Col(MONEY, "amount paid, less returns", unit="currency", required=True)
    purchases = Col(T.LongType(), "lines that are purchases", required=True)
    discounted_purchases = Col(T.LongType(), "of those, lines with a discount", required=True)
    bought_units = Col(QUANTITY, "units bought; null: only returns", unit="units")
    bought_amount = Col(MONEY, "amount paid for purchases; null: only returns", unit="currency")
    list_amount = Col(MONEY, "list amount of purchases; null: only returns", unit="currency")
    discount = Col(MONEY, "all discounts of purchases; null: only returns", unit="currency")


def product_days(lines: DataFrame) -> DataFrame:
    """One row per product and day with order lines. PastLine → product_id and SoldDay."""
    return _days_of(lines, OrderLines.product_id)


def store_days(lines: DataFrame) -> DataFrame:
    """One row per store and day with order lines of it. PastLine → store_id and SoldDay."""
    return _days_of(lines.filter(F.col(OrderLines.store_id).isNotNull()), OrderLines.store_id)


def _days_of(lines: DataFrame, item: str) -> DataFrame:
    return lines.groupBy(item, OrderLines.order_date).agg(
        F.sum(OrderLines.quantity).cast(QUANTITY).alias(SoldDay.units),
        F.sum(OrderLines.amount_paid).cast(MONEY).alias(SoldDay.revenue),
        F.count_if(is_purchase()).alias(SoldDay.purchases),
        F.count_if(is_purchase() & (total_discount() > 0)).alias(SoldDay.discounted_purchases),
        F.sum(of_purchases(OrderLines.quantity)).cast(QUANTITY).alias(SoldDay.bought_units),
        F.sum(of_purchases(OrderLines.amount_paid)).cast(MONEY).alias(SoldDay.bought_amount),
        F.sum(of_purchases(OrderLines.list_amount)).cast(MONEY).alias(SoldDay.list_amount),
        F.sum(of_purchases(total_discount())).cast(MONEY).alias(SoldDay.discount),
    )
