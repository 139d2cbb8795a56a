"""What the users of each segment did on each day: how many came, how often, and what they paid."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import Segments
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.order_lines import is_purchase

_SEGMENTS = Segments.columns()


class SegmentDay(Frame):
    """One row per segment and day with order lines of its users."""

    segment_id = _SEGMENTS[Segments.segment_id]
    segment_name = _SEGMENTS[Segments.segment_name]
    day = Col(T.DateType(), "the business day", required=True)
    users = Col(T.LongType(), "users who ordered", required=True)
    orders = Col(T.LongType(), "their orders", required=True)
    revenue = Col(T.DoubleType(), "amount paid, less returns", unit="currency", required=True)


def segment_days(lines: DataFrame, segments: DataFrame, *, as_of: datetime.date, days: int) -> DataFrame:
    """One row per segment and day with order lines, of the `days` before a date. OrderLines, Segments → SegmentDay.

    The segments are those in which users are as of the date, whichever they were in on the day. Who has none counts
    nowhere.
    """
    since = as_of - datetime.timedelta(days)
    inside = (F.col(OrderLines.order_date) >= F.lit(since)) & (F.col(OrderLines.order_date) < F.lit(as_of))
    per_order = (
        lines.filter(inside)
        .groupBy(OrderLines.user_id, OrderLines.order_date, OrderLines.order_id)
        .agg(F.sum(OrderLines.amount_paid).alias(SegmentDay.revenue), F.max(is_purchase()).alias(_BOUGHT))
    )
    per_user = per_order.groupBy(OrderLines.user_id, OrderLines.order_date).agg(
        F.sum(SegmentDay.revenue).alias(SegmentDay.revenue), F.count_if(F.col(_BOUGHT)).alias(SegmentDay.orders)
    )
    of = (SegmentDay.segment_id, SegmentDay.segment_name)
    of_segment = per_user.join(segments.select(Segments.user_id, *of), OrderLines.user_id)
    return of_segment.groupBy(*of, F.col(OrderLines.order_date).alias(SegmentDay.day)).agg(
        F.count_if(F.col(SegmentDay.orders) > 0).alias(SegmentDay.users),
        F.sum(SegmentDay.orders).alias(SegmentDay.orders),
        F.sum(SegmentDay.revenue).cast("double").alias(SegmentDay.revenue),
    )


_BOUGHT = "bought"
