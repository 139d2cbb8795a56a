"""What an order line is: a purchase or a return, and what was discounted on it. Defined here and nowhere else."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.silver import OrderLines


def is_purchase() -> Column:
    """Whether an order line is a purchase: its quantity is positive. A return has a negative quantity.

    A return takes its amount off the spend, but it is neither an order nor a purchase.
    """
    return F.col(OrderLines.quantity) > 0


def is_sale() -> Column:
    """Whether an order line is a purchase of a known user."""
    return F.col(OrderLines.user_id).isNotNull() & is_purchase()


def of_purchases(column: str | Column) -> Column:
    """The column on lines that are purchases, null on returns."""
    value = F.col(column) if isinstance(column, str) else column
    return F.when(is_purchase(), value)


def total_discount() -> Column:
    """Every discount of the line, whoever bears it."""
    return (
        F.col(OrderLines.discount_retail) + F.col(OrderLines.discount_coupon) + F.col(OrderLines.discount_coupon_match)
    )


def lines_before(lines: DataFrame, as_of: datetime.date) -> DataFrame:
    """The order lines of the days before `as_of`. Any frame with order_date → the same columns."""
    return lines.filter(F.col(OrderLines.order_date) < F.lit(as_of))
