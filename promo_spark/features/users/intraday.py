"""What users did on a day that is not over yet."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.intraday import IntradayActivity
from promo_spark.contracts.schema import MONEY
from promo_spark.contracts.silver import Events, Feedback, OrderLines

COUNTERS = {  # event type → its counter
    "view": IntradayActivity.views,
    "search": IntradayActivity.searches,
    "click": IntradayActivity.clicks,
    "cart": IntradayActivity.carts,
    "purchase": IntradayActivity.purchases,
    "review": IntradayActivity.reviews,
    "share": IntradayActivity.shares,
    "coupon_claim": IntradayActivity.coupon_claims,
    "try_on": IntradayActivity.try_ons,
}
_TYPE, _ORDER, _COUPON, _RETURN, _PAID, _SCORE, _AT = "type", "order", "coupon", "return", "paid", "score", "at"
_LINE, _ANSWER = "order_line", "answer"  # beside the types of events


def activity(events: DataFrame, order_lines: DataFrame, feedback: DataFrame) -> DataFrame:
    """One row per user. Events, OrderLines and Feedback of a day → IntradayActivity, without the stamps of a write.

    Rows of nobody in particular (user_id null) count for nobody.
    """
    returned = F.col(OrderLines.quantity) < 0
    used_coupon = F.col(OrderLines.coupon_id).isNotNull() | (F.col(OrderLines.discount_coupon) > 0)
    done = _things(events, Events.ts, {_TYPE: F.col(Events.event_type)})
    done = done.unionByName(
        _things(
            order_lines,
            OrderLines.ts,
            {
                _TYPE: F.lit(_LINE),
                _ORDER: F.col(OrderLines.order_id),
                _COUPON: used_coupon,
                _RETURN: returned,
                _PAID: F.col(OrderLines.amount_paid),
            },
        )
    )
    done = done.unionByName(_things(feedback, Feedback.ts, {_TYPE: F.lit(_ANSWER), _SCORE: F.col(Feedback.score)}))
    bought = (F.col(_TYPE) == _LINE) & ~F.col(_RETURN)
    counts = [F.count_if(F.col(_TYPE) == kind).alias(counter) for kind, counter in COUNTERS.items()]
    return done.groupBy(IntradayActivity.user_id).agg(
        *counts,
        F.count_distinct(F.when(bought, F.col(_ORDER))).alias(IntradayActivity.orders),
        F.count_if(bought).alias(IntradayActivity.lines),
        F.count_if((F.col(_TYPE) == _LINE) & F.col(_RETURN)).alias(IntradayActivity.returned_lines),
        F.coalesce(F.sum(_PAID), F.lit(0)).cast(MONEY).alias(IntradayActivity.paid),
        F.count_distinct(F.when(bought & F.col(_COUPON), F.col(_ORDER))).alias(IntradayActivity.coupon_orders),
        F.count_if(F.col(_TYPE) == _ANSWER).alias(IntradayActivity.answers),
        F.min(_SCORE).alias(IntradayActivity.lowest_score),
        F.min(_AT).alias(IntradayActivity.first_at),
        F.max(_AT).alias(IntradayActivity.last_at),
    )


def _things(rows: DataFrame, ts: str, values: Mapping[str, Column]) -> DataFrame:
    """The rows of known users in the columns that all kinds of rows share."""
    types: dict[str, str | T.DataType] = {
        _TYPE: "string",
        _ORDER: "string",
        _COUPON: "boolean",
        _RETURN: "boolean",
        _PAID: MONEY,
        _SCORE: "double",
    }
    columns = [values.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in types.items()]
    known = rows.filter(F.col(IntradayActivity.user_id).isNotNull())
    return known.select(IntradayActivity.user_id, F.col(ts).alias(_AT), *columns)
