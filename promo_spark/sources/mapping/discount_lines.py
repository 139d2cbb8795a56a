"""Lines that are no sale but a discount on their order: taken off what was paid for its other lines."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.schema import MONEY
from promo_spark.contracts.silver import OrderLines

DISCOUNT_LINE = "_discount_line"  # whether the source says that a row is a discount
_OFF, _SALE, _TOTAL, _RUNNING = "_off", "_sale", "_total", "_running"


def without_discount_lines(rows: DataFrame) -> DataFrame:
    """Candidates of OrderLines with their discount lines taken in: those are blank, their amount is off other lines.

    A discount is off the order's sales of its own product, or off all sales of the order where it has no such sale. It
    is shared in proportion to what was paid, to the cent, and counts as discount_retail; the list amount stays. A
    discount of more than was paid stays as it is, and the checks judge it.
    """
    of_product = _taken_off(rows, [OrderLines.order_id, OrderLines.product_id])
    return _taken_off(of_product, [OrderLines.order_id]).drop(DISCOUNT_LINE)


def _taken_off(rows: DataFrame, group: Sequence[str]) -> DataFrame:
    """The rows with the discounts of each group off the group's sales, where these are as large."""
    judged = ~F.col(RawRow.blank) & ~F.col(RawRow.broken) & (F.size(IncomingRow.unparsed) == 0)
    of_group = judged & F.col(OrderLines.order_id).isNotNull()
    for column in group:
        of_group = of_group & F.col(column).isNotNull()
    paid, discount = F.col(OrderLines.amount_paid), of_group & F.col(DISCOUNT_LINE)
    sale = of_group & ~F.col(DISCOUNT_LINE) & (F.col(OrderLines.quantity) > 0) & (paid > 0)
    whole = Window.partitionBy(*group)
    in_order = whole.orderBy(
        OrderLines.line_no, OrderLines.product_id, OrderLines.amount_paid, RawRow.file, IncomingRow.unparsed
    )
    upto = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    sums = rows.withColumns(
        {
            _OFF: F.sum(F.when(discount, F.abs(paid))).over(whole),
            _TOTAL: F.sum(F.when(sale, paid)).over(whole),
            _RUNNING: F.sum(F.when(sale, paid).otherwise(0)).over(upto),
            _SALE: F.coalesce(sale, F.lit(False)),
        }
    )
    fits = F.coalesce(F.col(_OFF) <= F.col(_TOTAL), F.lit(False))
    # Shares of a running sum, each rounded: their differences are whole cents and add up to the discount.
    share = _share(F.col(_RUNNING)) - _share(F.col(_RUNNING) - paid)
    off = F.when(fits & F.col(_SALE), share.cast(MONEY)).otherwise(F.lit(0).cast(MONEY))
    used = fits & F.coalesce(discount, F.lit(False))
    return sums.withColumns(
        {
            OrderLines.amount_paid: (paid - off).cast(MONEY),
            OrderLines.discount_retail: (F.col(OrderLines.discount_retail) + off).cast(MONEY),
            RawRow.blank: F.col(RawRow.blank) | used,
        }
    ).drop(_OFF, _TOTAL, _RUNNING, _SALE)


def _share(running: Column) -> Column:
    exact = F.try_divide(
        F.col(_OFF).cast("decimal(18,2)") * running.cast("decimal(18,2)"), F.col(_TOTAL).cast("decimal(18,2)")
    )
    return F.round(exact, 2)
