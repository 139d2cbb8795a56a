"""The order lines that features are made from."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame

from promo_spark.contracts.schema import Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.order_lines import lines_before

_LINES = OrderLines.columns()


class PastLine(Frame):
    """One row per order line of a day before the date, with the columns of OrderLines that features need."""

    order_id = _LINES[OrderLines.order_id]
    user_id = _LINES[OrderLines.user_id]
    product_id = _LINES[OrderLines.product_id]
    store_id = _LINES[OrderLines.store_id]
    channel = _LINES[OrderLines.channel]
    quantity = _LINES[OrderLines.quantity]
    list_amount = _LINES[OrderLines.list_amount]
    discount_retail = _LINES[OrderLines.discount_retail]
    discount_coupon = _LINES[OrderLines.discount_coupon]
    discount_coupon_match = _LINES[OrderLines.discount_coupon_match]
    amount_paid = _LINES[OrderLines.amount_paid]
    order_date = _LINES[OrderLines.order_date]


def past_lines(lines: DataFrame, as_of: datetime.date) -> DataFrame:
    """One row per order line of the days before `as_of`. OrderLines → PastLine."""
    return PastLine.shaped(lines_before(lines, as_of))
