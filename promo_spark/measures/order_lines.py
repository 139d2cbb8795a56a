"""What is counted on an order line, said once: what is a purchase, a discount, a share, a fifth."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.silver import OrderLines

BOUGHT = "bought"
DISCOUNT = "discount"


def is_sale() -> Column:
    """Whether an order line is a purchase of a known user, and no return."""
    return F.col(OrderLines.user_id).isNotNull() & (F.col(OrderLines.quantity) > 0)


def lines_before(lines: DataFrame, as_of: datetime.date) -> DataFrame:
    """The order lines of the days before `as_of`, with two columns more.

    `bought` is false for a return (negative quantity): a return takes its amount off the spend, but it is
    neither an order nor a purchase. `discount` is every discount of the line, whoever bears it.
    """
    return lines.filter(F.col(OrderLines.order_date) < F.lit(as_of)).withColumns(
        {
            BOUGHT: F.col(OrderLines.quantity) > 0,
            DISCOUNT: F.col(OrderLines.discount_retail)
            + F.col(OrderLines.discount_coupon)
            + F.col(OrderLines.discount_coupon_match),
        }
    )


def of_purchases(column: str | Column) -> Column:
    """The column on lines that are purchases, null on returns."""
    value = F.col(column) if isinstance(column, str) else column
    return F.when(F.col(BOUGHT), value)


def ratio(part: Column, whole: Column) -> Column:
    """part / whole as a double; null where the whole is not positive."""
    return F.when(whole > 0, part.cast("double") / whole.cast("double"))


def share(part: Column, whole: Column) -> Column:
    """The ratio kept within 0 and 1; null where the whole is not positive."""
    found = ratio(part, whole)
    return F.when(found.isNotNull(), F.least(F.greatest(found, F.lit(0.0)), F.lit(1.0)))


def fifths(value: Column) -> Column:
    """Aggregate: the four exact cuts between the fifths of the values; nulls do not count."""
    return F.percentile(value, [0.2, 0.4, 0.6, 0.8])


def fifth(value: Column, cuts: Column) -> Column:
    """Which fifth a value lies in, 1 to 5: one more than the cuts below it; null stays null.

    Equal values always share a fifth, and a value that rises never falls into a lower one.
    """
    below = F.filter(cuts, lambda cut: cut < value)
    return F.when(value.isNotNull(), F.size(below) + 1).cast("int")
