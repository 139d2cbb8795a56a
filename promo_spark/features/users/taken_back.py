"""Which orders were taken back: cancelled, or returned piece by piece."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import QUANTITY, Col, Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.kept_purchases import ProductOrder, product_orders

_LINES = OrderLines.columns()


class TakenBack(Frame):
    """One row per user and order of which something was taken back."""

    user_id = _LINES[OrderLines.user_id]
    order_id = _LINES[OrderLines.order_id]
    taken_back_units = Col(
        QUANTITY, "units bought in it that were taken back, then or later", unit="units", required=True
    )


def taken_back(past: DataFrame) -> DataFrame:
    """One row per user and order of which something was taken back. PastLine → TakenBack.

    Which purchase a return takes back: see measures/kept_purchases. Only products that the user returned at some time
    are looked at, which are few.
    """
    pair = [OrderLines.user_id, OrderLines.product_id]
    returned = past.filter(F.col(OrderLines.quantity) < 0).select(*pair).distinct()
    gone = F.col(ProductOrder.bought) - F.col(ProductOrder.kept)
    return TakenBack.shaped(
        product_orders(past.join(returned, pair, "left_semi"))
        .groupBy(TakenBack.user_id, TakenBack.order_id)
        .agg(F.coalesce(F.sum(gone), F.lit(0)).alias(TakenBack.taken_back_units))
        .filter(F.col(TakenBack.taken_back_units) > 0)
    )
