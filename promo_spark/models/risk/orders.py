"""What users ordered and what became of it, order by order; then counts by user."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.order_lines import is_purchase
from promo_spark.models.risk.frames import AccountFigures, CheckedOrder

_PAIR = (OrderLines.user_id, OrderLines.product_id)
_LINE = (OrderLines.user_id, OrderLines.order_id, OrderLines.line_no)
_SIZE, _AT, _AT_ONCE, _BACK, _AGAIN = "size", "at", "at_once", "back", "again"
_DAY_OF_EPOCH = "1970-01-01"
_A_DAY = 86_400


def checked_orders(lines: DataFrame, *, returned_within_days: int) -> DataFrame:
    """One row per order of a known user that bought something. OrderLines → CheckedOrder."""
    known = lines.filter(F.col(OrderLines.user_id).isNotNull())
    of_orders = _fates(known, returned_within_days).groupBy(OrderLines.user_id, OrderLines.order_id)
    fates = of_orders.agg(*[F.sum(F.col(c).cast("long")).alias(c) for c in (_AT_ONCE, _BACK, _AGAIN)])
    bought = known.filter(is_purchase())
    second = F.min(F.unix_seconds(OrderLines.ts))
    content = F.bit_xor(F.xxhash64(OrderLines.product_id, OrderLines.quantity))
    with_coupon = F.col(OrderLines.coupon_id).isNotNull() | (
        F.col(OrderLines.discount_coupon) + F.col(OrderLines.discount_coupon_match) > 0
    )
    orders = bought.groupBy(OrderLines.user_id, OrderLines.order_id).agg(
        F.min(F.date_diff(OrderLines.order_date, F.lit(_DAY_OF_EPOCH))).alias(CheckedOrder.day),
        second.alias(CheckedOrder.second),
        F.count("*").alias(CheckedOrder.lines),
        F.sum(F.round(F.col(OrderLines.amount_paid) * 100).cast("long")).alias(CheckedOrder.cents),
        F.max(with_coupon).alias(CheckedOrder.coupon),
        content.alias(CheckedOrder.content),
    )
    keys = [OrderLines.user_id, OrderLines.order_id]
    joined = orders.join(fates.hint("shuffle_hash"), keys, "left").na.fill(0, [_AT_ONCE, _BACK, _AGAIN])
    all_at_once = F.col(_AT_ONCE) >= F.col(CheckedOrder.lines)
    hour = F.floor(F.pmod(F.col(CheckedOrder.second), F.lit(_A_DAY)) / 3600)
    return CheckedOrder.shaped(
        joined.withColumns(
            {
                CheckedOrder.hour: hour,
                # two equal lines cancel one another in the hash, so how many there are counts too
                CheckedOrder.content: F.xxhash64(CheckedOrder.content, CheckedOrder.lines),
                CheckedOrder.returned_lines: F.least(_BACK, CheckedOrder.lines),
                CheckedOrder.returned_at_once: all_at_once,
                CheckedOrder.again_lines: F.least(_AGAIN, CheckedOrder.lines),
            }
        )
    )


def _fates(known: DataFrame, returned_within_days: int) -> DataFrame:
    """One row per line that bought what the user returned at some time, before or after: what became of it.

    A line came back if the user's next line of the product, in as many pieces, is a return. Products that were never
    returned are not looked at, which are nearly all.
    """
    returned = known.filter(~is_purchase()).select(*_PAIR).distinct()
    of_pairs = known.join(returned.hint("shuffle_hash"), [*_PAIR], "left_semi").select(
        *_LINE,
        OrderLines.product_id,
        OrderLines.quantity,
        F.abs(OrderLines.quantity).alias(_SIZE),
        F.unix_seconds(OrderLines.ts).alias(_AT),
    )
    in_time = Window.partitionBy(*_PAIR, _SIZE).orderBy(_AT, OrderLines.order_id, OrderLines.line_no)
    before = in_time.rowsBetween(Window.unboundedPreceding, -1)
    is_return = F.col(OrderLines.quantity) < 0
    back = F.lead(is_return, 1, False).over(in_time)
    soon = F.lead(_AT).over(in_time) - F.col(_AT) <= returned_within_days * _A_DAY
    again = back & F.coalesce(F.max(is_return).over(before), F.lit(False))
    of_lines = of_pairs.withColumns({_BACK: back, _AT_ONCE: back & soon, _AGAIN: again})
    return of_lines.filter(is_purchase()).drop(_AT, _SIZE)


def account_figures(orders: DataFrame, *, quiet_hours: Sequence[int]) -> DataFrame:
    """One row per user. CheckedOrder → AccountFigures."""
    coupon = F.col(CheckedOrder.coupon).cast("long")
    of_days = orders.groupBy(CheckedOrder.user_id, CheckedOrder.day).agg(
        F.count("*").alias(AccountFigures.orders),
        F.sum(CheckedOrder.lines).alias(AccountFigures.lines),
        F.sum(CheckedOrder.cents).alias(AccountFigures.cents),
        F.sum(coupon).alias(AccountFigures.coupon_orders),
        F.min_by(coupon, F.struct(CheckedOrder.second, CheckedOrder.order_id)).alias(AccountFigures.first_with_coupon),
        F.sum(F.col(CheckedOrder.returned_at_once).cast("long")).alias(AccountFigures.at_once_orders),
        F.sum(CheckedOrder.returned_lines).alias(AccountFigures.returned_lines),
        F.sum(CheckedOrder.again_lines).alias(AccountFigures.again_lines),
        F.sum(_among(CheckedOrder.hour, quiet_hours).cast("long")).alias(AccountFigures.quiet_orders),
    )
    sums = (
        AccountFigures.orders,
        AccountFigures.lines,
        AccountFigures.cents,
        AccountFigures.coupon_orders,
        AccountFigures.at_once_orders,
        AccountFigures.returned_lines,
        AccountFigures.again_lines,
        AccountFigures.quiet_orders,
    )
    return AccountFigures.shaped(
        of_days.groupBy(CheckedOrder.user_id).agg(
            *[F.sum(name).alias(name) for name in sums],
            F.min(CheckedOrder.day).alias(AccountFigures.first_day),
            F.max(CheckedOrder.day).alias(AccountFigures.last_day),
            F.min_by(AccountFigures.first_with_coupon, CheckedOrder.day).alias(AccountFigures.first_with_coupon),
            F.max(AccountFigures.orders).alias(AccountFigures.most_orders),
            F.max(AccountFigures.coupon_orders).alias(AccountFigures.most_coupons),
        )
    )


def _among(column: str, values: Sequence[int]) -> Column:
    return F.col(column).isin(list(values)) if values else F.lit(False)
