"""What of a user's purchases was kept.

A return names no purchase. It takes back the user's last purchase of the product before it in the same quantity; where
there is none, the last units that were bought before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProductDays
from promo_spark.contracts.schema import QUANTITY, Col, Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.order_lines import of_purchases

_LINES = OrderLines.columns()
_PAIR = [OrderLines.user_id, OrderLines.product_id]
_NET_RETURNED, _SIZE, _FIRST, _LAST_DAY = "net_returned", "size", "first_day", "last_day"
_WHOLE = "whole"
_BALANCE, _LOW_LATER, _LOW_EARLIER = "balance", "low_later", "low_earlier"


class ProductOrder(Frame):
    """One row per user, product and order that bought it or took it back."""

    user_id = _LINES[OrderLines.user_id]
    product_id = _LINES[OrderLines.product_id]
    order_id = _LINES[OrderLines.order_id]
    order_date = Col(T.DateType(), "the day of the first purchase in it; null: it only took back")
    bought = Col(QUANTITY, "units bought", unit="units")
    kept = Col(QUANTITY, "units bought that were not taken back on that day or later", unit="units", required=True)


class TakenBack(Frame):
    """One row per user, product and order that bought it and of which something was taken back, then or later."""

    user_id = _LINES[OrderLines.user_id]
    product_id = _LINES[OrderLines.product_id]
    order_id = _LINES[OrderLines.order_id]
    taken_back_units = Col(QUANTITY, "units bought in it that were taken back", unit="units", required=True)


def product_orders(lines: DataFrame, taken: DataFrame, *more: Column) -> DataFrame:
    """One row per user, product and order. OrderLines, TakenBack of them → ProductOrder, and `more`.

    `more` are aggregates of the order's lines. Lines of nobody in particular are left out.
    """
    units = F.map_from_entries(F.collect_list(F.struct(OrderLines.order_id, TakenBack.taken_back_units)))
    of_pairs = taken.groupBy(*_PAIR).agg(units.alias(TakenBack.taken_back_units))  # few: what is joined is not sorted
    taken_back_units = F.coalesce(F.col(TakenBack.taken_back_units)[F.col(OrderLines.order_id)], F.lit(0))
    kept = F.coalesce(ProductOrder.bought, F.lit(0)) - taken_back_units
    return (
        _per_order(_spread(lines), *more)
        .drop(_NET_RETURNED, _LAST_DAY)
        .join(of_pairs.hint("shuffle_hash"), _PAIR, "left")
        .withColumn(ProductOrder.kept, kept.cast(QUANTITY))
        .drop(TakenBack.taken_back_units)
    )


def taken_back(lines: DataFrame) -> DataFrame:
    """One row per user, product and order of which something was taken back. OrderLines → TakenBack.

    What is taken back without a purchase before it takes nothing away. Only products that the user returned at some
    time are looked at, which are few.
    """
    return TakenBack.shaped(_of_returned_products(lines)).filter(F.col(TakenBack.taken_back_units) > 0)


def taken_back_whole(lines: DataFrame) -> DataFrame:
    """One row per user and product of which all that was bought was taken back. OrderLines → user_id, product_id."""
    of_pairs = _of_returned_products(lines).groupBy(*_PAIR)
    bought, gone = F.sum(ProductOrder.bought), F.sum(TakenBack.taken_back_units)
    return of_pairs.agg((bought <= gone).alias(_WHOLE)).filter(_WHOLE).select(*_PAIR)


def _of_returned_products(lines: DataFrame) -> DataFrame:
    """One row per user, product and order, of products that the user returned at some time. OrderLines → TakenBack.

    Of orders that only took back, units are null; of those of which nothing was taken back, 0.
    """
    returned = _known(lines.filter(F.col(OrderLines.quantity) < 0)).select(*_PAIR).distinct()
    # Few: looked up, where sorting all lines for them would take most of the time. No semi join: that would go before
    # the lines are spread, so that they would be spread a second time for product_orders.
    per_order = _per_order(_spread(lines).join(returned.hint("shuffle_hash"), _PAIR))
    net, size = F.col(_NET_RETURNED), F.abs(_NET_RETURNED)
    equal_sizes = _backwards(per_order.withColumn(_SIZE, size), F.signum(net).cast(QUANTITY), [*_PAIR, _SIZE])
    is_kept = (net < 0) & (F.col(_BALANCE) < F.col(_LOW_LATER))
    is_open = (net > 0) & ~(F.col(_LOW_EARLIER) < F.col(_BALANCE))
    unmatched = equal_sizes.withColumn(_NET_RETURNED, F.when(is_kept | is_open, net).otherwise(0).cast(QUANTITY))
    units = _backwards(unmatched, F.col(_NET_RETURNED), _PAIR)
    kept = F.greatest(F.col(_LOW_LATER) - F.col(_BALANCE), F.lit(Decimal(0)))
    gone = (F.col(ProductOrder.bought) - kept).cast(QUANTITY)
    return units.withColumn(TakenBack.taken_back_units, gone)


def repeated_days(orders: DataFrame) -> DataFrame:
    """One row per user and product bought on two days or more. Rows of a user, a product and a day → UserProductDays.

    Rows without a day count for nothing. Most pairs are bought once: days are listed of the others only.
    """
    day = F.col(ProductOrder.order_date)
    first, last = F.min(day).alias(_FIRST), F.max(day).alias(_LAST_DAY)
    repeated = orders.groupBy(*_PAIR).agg(first, last).filter(F.col(_FIRST) < F.col(_LAST_DAY)).select(*_PAIR)
    days = F.sort_array(F.collect_list(day)).alias(UserProductDays.days)
    return orders.join(repeated.hint("shuffle_hash"), _PAIR, "left_semi").groupBy(*_PAIR).agg(days)


def _spread(lines: DataFrame) -> DataFrame:
    """The lines of known users, spread by user and product at once: what is made of pairs needs no other shuffle."""
    return _known(lines).repartition(*_PAIR)


def _known(lines: DataFrame) -> DataFrame:
    return lines.filter(F.col(OrderLines.user_id).isNotNull() & F.col(OrderLines.product_id).isNotNull())


def _per_order(lines: DataFrame, *more: Column) -> DataFrame:
    """One row per user, product and order: ProductOrder without what was kept, and what was returned in it."""
    return lines.groupBy(*_PAIR, OrderLines.order_id).agg(
        F.min(of_purchases(OrderLines.order_date)).alias(ProductOrder.order_date),
        F.sum(of_purchases(OrderLines.quantity)).alias(ProductOrder.bought),
        (-F.sum(OrderLines.quantity)).alias(_NET_RETURNED),
        F.max(OrderLines.order_date).alias(_LAST_DAY),
        *more,
    )


def _backwards(orders: DataFrame, taken_back: Column, of: Sequence[str]) -> DataFrame:
    """The orders of each group with a balance, going back in time, and its lowest, 0 or less, later and earlier.

    What is taken back stands above zero in the balance until purchases before it use it up. Each new low is made of
    what was kept; a return above which the balance stays was matched by no purchase.
    """
    day = F.coalesce(ProductOrder.order_date, _LAST_DAY)
    order = Window.partitionBy(*of).orderBy(day.desc(), F.desc(_NET_RETURNED), OrderLines.order_id)
    later, earlier = order.rowsBetween(Window.unboundedPreceding, -1), order.rowsBetween(1, Window.unboundedFollowing)
    balance = F.sum(taken_back).over(order.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    nothing = F.lit(Decimal(0))
    return orders.withColumn(_BALANCE, balance).withColumns(
        {
            _LOW_LATER: F.least(F.coalesce(F.min(_BALANCE).over(later), nothing), nothing),
            _LOW_EARLIER: F.coalesce(F.min(_BALANCE).over(earlier), F.col(_BALANCE)),
        }
    )
