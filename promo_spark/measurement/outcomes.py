"""What users did: by user and day, and of each user in some days. Nobody is left out for doing nothing."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.silver import Feedback, OrderLines
from promo_spark.measurement.uses import ChannelCost, OfferUse
from promo_spark.measures.order_lines import of_purchases

_LONG = T.LongType()
PARTS = 100_000  # of one unit: a cost in cents times a quantity in thousandths is a whole number of them


class DayOutcome(Frame):
    """One row per user and day with an order, a return, a used offer or a score.

    Amounts and scores are in whole parts: a long sums exactly too, and in a fraction of the time of a long decimal.
    """

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    day = Col(T.DateType(), "the day", required=True)
    orders = Col(_LONG, "orders with a purchase", required=True)
    paid = Col(_LONG, "amount paid, returns taken off", unit="PARTS of currency", required=True)
    margin = Col(
        _LONG,
        "the same after the cost of goods, of what is given later, and of channels",
        "PARTS of currency",
        required=True,
    )
    given = Col(_LONG, "what was given for offers", unit="PARTS of currency", required=True)
    cost = Col(_LONG, "what their channels cost beside it", unit="PARTS of currency", required=True)
    used = Col(_LONG, "1: an offer was used; 0: none", required=True)
    score = Col(_LONG, "scores given, added up", unit="PARTS", required=True)
    scores = Col(_LONG, "how many", required=True)


FIGURES = (
    DayOutcome.orders,
    DayOutcome.paid,
    DayOutcome.margin,
    DayOutcome.given,
    DayOutcome.cost,
    DayOutcome.used,
    DayOutcome.score,
    DayOutcome.scores,
)
KNOWN_BEFORE = (DayOutcome.orders, DayOutcome.paid, DayOutcome.margin)  # of days before those that are compared
_IN_PARTS = (DayOutcome.paid, DayOutcome.margin, DayOutcome.given, DayOutcome.cost, DayOutcome.score)


def day_outcomes(
    lines: DataFrame, products: DataFrame, uses: DataFrame, costs: DataFrame, feedback: DataFrame, *, timezone: str
) -> DataFrame:
    """One row per user and day. OrderLines, ProductProfile, OfferUse, ChannelCost, Feedback → DayOutcome.

    A product whose cost nobody knows adds no margin. What comes out lies together by user: whatever is made of users
    next needs no shuffle of it.
    """
    cents, thousandths = _whole(F.col(ProductProfile.unit_cost), 100), _whole(F.col(OrderLines.quantity), 1_000)
    unit_costs = products.select(OrderLines.product_id, cents.alias(_COST))
    paid = _whole(F.col(OrderLines.amount_paid), 100) * (PARTS // 100)
    of_orders = (
        lines.filter(F.col(OrderLines.user_id).isNotNull())
        .join(unit_costs, OrderLines.product_id, "left")
        .groupBy(OrderLines.user_id, F.col(OrderLines.order_date).alias(DayOutcome.day), OrderLines.order_id)
        .agg(
            F.coalesce(F.max(of_purchases(F.lit(1))), F.lit(0)).alias(DayOutcome.orders),
            F.sum(paid).alias(DayOutcome.paid),
            F.sum(F.coalesce(paid - F.col(_COST) * thousandths, F.lit(0))).alias(DayOutcome.margin),
        )
    )
    of_uses = uses.groupBy(OfferUse.user_id, OfferUse.day).agg(
        (-F.sum(_whole(F.col(OfferUse.later), PARTS))).alias(DayOutcome.margin),
        F.sum(_whole(F.col(OfferUse.given), PARTS)).alias(DayOutcome.given),
        F.lit(1).alias(DayOutcome.used),
    )
    of_channel = _whole(F.col(ChannelCost.cost), PARTS)
    of_channels = costs.select(
        ChannelCost.user_id,
        F.col(ChannelCost.day).alias(DayOutcome.day),
        of_channel.alias(DayOutcome.cost),
        (-of_channel).alias(DayOutcome.margin),
    )
    day = F.to_date(F.from_utc_timestamp(Feedback.ts, timezone))
    of_feedback = feedback.filter(F.col(Feedback.user_id).isNotNull() & F.col(Feedback.score).isNotNull()).select(
        Feedback.user_id,
        day.alias(DayOutcome.day),
        _whole(F.col(Feedback.score).cast("decimal(18,5)"), PARTS).alias(DayOutcome.score),
        F.lit(1).alias(DayOutcome.scores),
    )
    parts = [_filled(part) for part in (of_orders, of_uses, of_channels, of_feedback)]
    every = reduce(DataFrame.unionByName, parts)
    added = [F.sum(name).alias(name) for name in FIGURES]
    by_user = every.repartition(DayOutcome.user_id)
    return DayOutcome.shaped(by_user.groupBy(DayOutcome.user_id, DayOutcome.day).agg(*added))


_COST = "cost_in_cents"


def _whole(amount: Column, parts: int) -> Column:
    """A decimal in whole parts of a unit, as a long."""
    return (amount * parts).cast("long")


def _filled(rows: DataFrame) -> DataFrame:
    """The rows with 0 for figures that they lack, shaped so that they can be put together."""
    there = {name: F.col(name) if name in rows.columns else F.lit(0) for name in FIGURES}
    told = [value.cast(DayOutcome.type_of(name)).alias(name) for name, value in there.items()]
    return rows.select(DayOutcome.user_id, DayOutcome.day, *told)


def in_days(name: str, first: datetime.date, last: datetime.date) -> Column:
    """Aggregate of DayOutcome: a figure of the days from the first to the last, 0 where there were none."""
    within = F.col(DayOutcome.day).between(F.lit(first), F.lit(last))
    return F.coalesce(F.sum(F.when(within, F.col(name))), F.lit(0))


def outcomes_of_users(
    outcomes: DataFrame,
    spans: Mapping[str, tuple[datetime.date, datetime.date]],
    before: Mapping[str, tuple[datetime.date, datetime.date]],
) -> DataFrame:
    """One row per user with any outcome. DayOutcome → the user, and figures of each span, as `span_figure`.

    All figures of `spans`; of those before only what explains what is done later.
    """
    told = [
        in_days(name, first, last).alias(f"{span}_{name}")
        for every, names in ((spans, FIGURES), (before, KNOWN_BEFORE))
        for span, (first, last) in every.items()
        for name in names
    ]
    return outcomes.groupBy(DayOutcome.user_id).agg(*told)


def figure(span: str, name: str) -> Column:
    """A figure of a span, see `outcomes_of_users`, in units: amounts in currency."""
    value = F.col(f"{span}_{name}")
    return value / PARTS if name in _IN_PARTS else value
