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

_MONEY = T.DecimalType(18, 4)
_LONG = T.LongType()


class DayOutcome(Frame):
    """One row per user and day with an order, a return, a used offer or a score."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    day = Col(T.DateType(), "the day", required=True)
    orders = Col(_LONG, "orders with a purchase", required=True)
    paid = Col(_MONEY, "amount paid, returns taken off", unit="currency", required=True)
    margin = Col(
        _MONEY,
        "the same after the cost of goods, of what is given later, and of channels",
        "currency",
        required=True,
    )
    given = Col(_MONEY, "what was given for offers", unit="currency", required=True)
    cost = Col(_MONEY, "what their channels cost beside it", unit="currency", required=True)
    used = Col(_LONG, "1: an offer was used; 0: none", required=True)
    score = Col(_MONEY, "scores given, added up", required=True)
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


def day_outcomes(
    lines: DataFrame, products: DataFrame, uses: DataFrame, costs: DataFrame, feedback: DataFrame, *, timezone: str
) -> DataFrame:
    """One row per user and day. OrderLines, ProductProfile, OfferUse, ChannelCost, Feedback → DayOutcome.

    A product whose cost nobody knows adds no margin.
    """
    unit_costs = products.select(OrderLines.product_id, ProductProfile.unit_cost)
    cost = F.col(ProductProfile.unit_cost) * F.col(OrderLines.quantity)
    paid = F.col(OrderLines.amount_paid)
    of_lines = (
        lines.filter(F.col(OrderLines.user_id).isNotNull())
        .join(unit_costs, OrderLines.product_id, "left")
        .groupBy(OrderLines.user_id, F.col(OrderLines.order_date).alias(DayOutcome.day))
        .agg(
            F.count_distinct(of_purchases(OrderLines.order_id)).alias(DayOutcome.orders),
            F.sum(paid).alias(DayOutcome.paid),
            F.sum(F.coalesce(paid - cost, F.lit(0))).alias(DayOutcome.margin),
        )
    )
    of_uses = uses.groupBy(OfferUse.user_id, OfferUse.day).agg(
        (-F.sum(OfferUse.later)).alias(DayOutcome.margin),
        F.sum(OfferUse.given).alias(DayOutcome.given),
        F.lit(1).alias(DayOutcome.used),
    )
    of_channels = costs.select(
        ChannelCost.user_id,
        F.col(ChannelCost.day).alias(DayOutcome.day),
        F.col(ChannelCost.cost).alias(DayOutcome.cost),
        (-F.col(ChannelCost.cost)).alias(DayOutcome.margin),
    )
    day = F.to_date(F.from_utc_timestamp(Feedback.ts, timezone))
    of_feedback = (
        feedback.filter(F.col(Feedback.user_id).isNotNull() & F.col(Feedback.score).isNotNull())
        .groupBy(Feedback.user_id, day.alias(DayOutcome.day))
        .agg(F.sum(F.col(Feedback.score).cast(_MONEY)).alias(DayOutcome.score), F.count("*").alias(DayOutcome.scores))
    )
    parts = [_filled(part) for part in (of_lines, of_uses, of_channels, of_feedback)]
    every = reduce(DataFrame.unionByName, parts)
    keys = (DayOutcome.user_id, DayOutcome.day)
    return DayOutcome.shaped(every.groupBy(*keys).agg(*[F.sum(name).alias(name) for name in FIGURES]))


def _filled(rows: DataFrame) -> DataFrame:
    """The rows with 0 for figures that they lack, shaped so that they can be put together."""
    there = {name: F.col(name) if name in rows.columns else F.lit(0) for name in FIGURES}
    told = [value.cast(DayOutcome.type_of(name)).alias(name) for name, value in there.items()]
    return rows.select(DayOutcome.user_id, DayOutcome.day, *told)


def in_days(name: str, first: datetime.date, last: datetime.date) -> Column:
    """Aggregate of DayOutcome: a figure of the days from the first to the last, 0 where there were none."""
    within = F.col(DayOutcome.day).between(F.lit(first), F.lit(last))
    return F.coalesce(F.sum(F.when(within, F.col(name))), F.lit(0))


def outcomes_of_users(outcomes: DataFrame, spans: Mapping[str, tuple[datetime.date, datetime.date]]) -> DataFrame:
    """One row per user with any outcome. DayOutcome → the user, and each figure of each span, as `span_figure`."""
    told = [
        in_days(figure, first, last).alias(f"{span}_{figure}")
        for span, (first, last) in spans.items()
        for figure in FIGURES
    ]
    return outcomes.groupBy(DayOutcome.user_id).agg(*told)
