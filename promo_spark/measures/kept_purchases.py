"""What of a user's purchases was kept: a return takes back what the user bought last before it."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import QUANTITY, Col, Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.order_lines import of_purchases

_LINES = OrderLines.columns()
_PAIR = [OrderLines.user_id, OrderLines.product_id]
_NET_RETURNED, _LAST_DAY, _BALANCE = "net_returned", "last_day", "balance"


class ProductOrder(Frame):
    """One row per user, product and order that bought it or took it back."""

    user_id = _LINES[OrderLines.user_id]
    product_id = _LINES[OrderLines.product_id]
    order_id = _LINES[OrderLines.order_id]
    order_date = Col(T.DateType(), "the day of the first purchase in it; null: it only took back")
    bought = Col(QUANTITY, "units bought", unit="units")
    kept = Col(QUANTITY, "units bought that were not taken back on that day or later", unit="units", required=True)


def product_orders(lines: DataFrame, *more: Column) -> DataFrame:
    """One row per user, product and order. OrderLines → ProductOrder, and `more`, aggregates of the order's lines.

    A unit that is taken back is one of those that the user bought last before, or on the same day. What is taken back
    without a purchase before it takes nothing away. Lines of nobody in particular are left out.
    """
    # spread by the pair at once: the two groupings and the windows then need no other shuffle
    per_order = (
        lines.filter(F.col(OrderLines.user_id).isNotNull())
        .repartition(*_PAIR)
        .groupBy(*_PAIR, OrderLines.order_id)
        .agg(
            F.min(of_purchases(OrderLines.order_date)).alias(ProductOrder.order_date),
            F.sum(of_purchases(OrderLines.quantity)).alias(ProductOrder.bought),
            (-F.sum(OrderLines.quantity)).alias(_NET_RETURNED),
            F.max(OrderLines.order_date).alias(_LAST_DAY),
            *more,
        )
    )
    day = F.coalesce(ProductOrder.order_date, _LAST_DAY)
    backwards = Window.partitionBy(*_PAIR).orderBy(day.desc(), F.desc(_NET_RETURNED), OrderLines.order_id)
    # Going back in time, units taken back stand above zero until purchases use them up. Each new low of the balance
    # is made of units that were kept.
    balance = F.sum(_NET_RETURNED).over(backwards.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    low = F.min(_BALANCE).over(backwards.rowsBetween(Window.unboundedPreceding, -1))
    nothing = F.lit(Decimal(0))
    kept = F.greatest(F.least(F.coalesce(low, nothing), nothing) - F.col(_BALANCE), nothing).cast(QUANTITY)
    return (
        per_order.withColumn(_BALANCE, balance)
        .withColumn(ProductOrder.kept, kept)
        .drop(_NET_RETURNED, _LAST_DAY, _BALANCE)
    )
