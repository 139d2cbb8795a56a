"""Which purchases were taken back: cancelled, or returned.

A return names no purchase. The same user's last purchase of the product before it, in the same quantity, is the one
that came back, whatever its order id; returns that fit none so take back the last purchases before them, unit by unit,
where they cover them whole.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import QUANTITY, Col, Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.order_lines import is_purchase

_LINES = OrderLines.columns()
_NET, _LEAST_AFTER, _LEAST_BEFORE, _PIECES = "net", "least_after", "least_before", "pieces"


class TakenBack(Frame):
    """One row per user and order of which a purchase was taken back."""

    user_id = _LINES[OrderLines.user_id]
    order_id = _LINES[OrderLines.order_id]
    taken_back_lines = Col(T.LongType(), "its purchases that were taken back", required=True)


class Movement(Frame):
    """One row per order line of a user and product that was returned at some time."""

    user_id = _LINES[OrderLines.user_id]
    order_id = _LINES[OrderLines.order_id]
    product_id = _LINES[OrderLines.product_id]
    quantity = Col(QUANTITY, "pieces or weight; negative for a return", unit="units", required=True)
    order_date = _LINES[OrderLines.order_date]
    ts = _LINES[OrderLines.ts]


def taken_back(past: DataFrame) -> DataFrame:
    """One row per user and order of which a purchase was taken back. PastLine → TakenBack."""
    of_users = past.filter(F.col(OrderLines.user_id).isNotNull())
    key = [Movement.user_id, Movement.product_id]
    returned = of_users.filter(F.col(OrderLines.quantity) < 0).select(*key).distinct()
    movements = Movement.shaped(of_users.join(returned, key, "left_semi"))
    quantity = F.col(Movement.quantity)
    by_quantity = _balanced(movements.withColumn(_PIECES, F.abs(quantity)), F.signum(quantity), [*key, _PIECES])
    of_equal = F.when(is_purchase(), F.coalesce(F.col(_LEAST_AFTER) < F.col(_NET), F.lit(False))).otherwise(
        F.col(_NET) >= F.least(F.lit(0), F.col(_LEAST_BEFORE))
    )
    rest = _balanced(Movement.shaped(by_quantity.filter(~of_equal)), quantity, key)
    by_units = rest.filter(is_purchase() & (F.col(_LEAST_AFTER) <= F.col(_NET) - quantity))
    both = Movement.shaped(by_quantity.filter(of_equal & is_purchase())).unionByName(Movement.shaped(by_units))
    return TakenBack.shaped(
        both.groupBy(TakenBack.user_id, TakenBack.order_id).agg(F.count("*").alias(TakenBack.taken_back_lines))
    )


def _balanced(movements: DataFrame, amount: Column, of: list[str]) -> DataFrame:
    """The rows of each group in time with the running sum of an amount, and its least value before and after.

    What a purchase adds to the sum has come back when the sum falls below what it was with it.
    """
    in_time = Window.partitionBy(*of).orderBy(
        Movement.order_date, Movement.ts, F.desc(Movement.quantity), Movement.order_id
    )
    so_far = in_time.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    before = in_time.rowsBetween(Window.unboundedPreceding, -1)
    after = in_time.rowsBetween(1, Window.unboundedFollowing)
    return movements.withColumn(_NET, F.sum(amount).over(so_far)).withColumns(
        {_LEAST_BEFORE: F.min(_NET).over(before), _LEAST_AFTER: F.min(_NET).over(after)}
    )
