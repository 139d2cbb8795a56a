"""What an offer is expected to bring and to cost.

Expected margin = conversion × margin of the purchase after the offer. Expected cost = conversion × what the
offer takes off, rounded up to the minor unit: this is what a budget reserves. Both are expectations: if more users
respond than expected, the shop gives more than it reserved. Neither is an effect: a purchase that would have
happened anyway counts in full, until uplift models say otherwise.
"""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import RATE, Col
from promo_spark.decisions.offers.candidates import OfferCandidate
from promo_spark.decisions.response import PurchaseHistory, ResponseRate
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.money import minor_per_unit

MICRO = 1_000_000


class ValuedCandidate(OfferCandidate):
    """One row per user and offer that could be made, with what it is expected to bring and to cost."""

    segment_id = Col(T.IntegerType(), "the user's segment", required=True)
    promotion_id = Col(T.StringType(), "see `promotion_id`", required=True)
    expected_conversion = Col(RATE, "expected share of such users who use it", unit="share", required=True)
    margin_micro = Col(T.LongType(), "expected margin, rounded down", unit="millionths of currency", required=True)
    cost_micro = Col(T.LongType(), "expected cost, rounded up", unit="millionths of currency", required=True)
    cost_minor = Col(T.LongType(), "expected cost, rounded up: what budgets reserve", unit="minor units", required=True)


def valued_candidates(
    candidates: DataFrame,
    *,
    users: DataFrame,
    rates: DataFrame,
    purchases: DataFrame,
    date: datetime.date,
    digits: int,
) -> DataFrame:
    """One row per candidate. OfferCandidate, DailyUser, ResponseRate, PurchaseHistory → ValuedCandidate.

    Candidates of other users, and those that cannot be expected to bring a margin, are dropped. The kind of the
    observed response joins the reasons.
    """
    orders = F.col(PurchaseHistory.orders)
    of_anchor = purchases.select(
        PurchaseHistory.user_id, F.col(PurchaseHistory.product_id).alias(OfferCandidate.anchor), orders
    )
    kind = (
        F.when(F.col(OfferCandidate.mechanic) == "coupon", "coupon")
        .when(orders >= 2, "repeat_item")
        .when(orders == 1, "known_item")
        .otherwise("new_item")
    )
    conversion = F.round(F.col(ResponseRate.rate) * F.col(OfferCandidate.response_factor), 6).cast(RATE)
    reason = F.concat(F.col(ResponseRate.basis), F.lit(":"), F.col(ResponseRate.kind))
    margin_micro = F.floor(conversion * F.col(OfferCandidate.margin_if_used) * MICRO).cast("long")
    cost_micro = F.ceil(conversion * F.col(OfferCandidate.saving) * MICRO).cast("long")
    cost_minor = F.ceil(F.col(ValuedCandidate.cost_micro) * minor_per_unit(digits) / MICRO).cast("long")
    rates = rates.select(ResponseRate.kind, ResponseRate.segment_id, ResponseRate.rate, ResponseRate.basis)
    valued = (
        candidates.join(users.select(DailyUser.user_id, DailyUser.segment_id), DailyUser.user_id, "inner")
        .join(of_anchor, [OfferCandidate.user_id, OfferCandidate.anchor], "left")
        .withColumn(ResponseRate.kind, kind)
        .join(F.broadcast(rates), [ResponseRate.kind, ResponseRate.segment_id], "left")
        .withColumn(ValuedCandidate.expected_conversion, conversion)
        .withColumn(ValuedCandidate.reason_codes, F.concat(OfferCandidate.reason_codes, F.array(reason)))
        .withColumn(ValuedCandidate.margin_micro, margin_micro)
        .withColumn(ValuedCandidate.cost_micro, cost_micro)
        .withColumn(ValuedCandidate.cost_minor, cost_minor)
        .withColumn(ValuedCandidate.promotion_id, promotion_id(date))
    )
    worth_it = (F.col(ValuedCandidate.margin_micro) > 0) & (F.col(ValuedCandidate.cost_minor) > 0)
    return ValuedCandidate.shaped(valued.filter(worth_it))


def promotion_id(date: datetime.date) -> Column:
    """The same id for the same date, user, scenario and products; also a fair tie-break, as it is a digest."""
    key = F.to_json(
        F.struct(
            F.lit(date.isoformat()).alias("d"),
            F.col(OfferCandidate.user_id).alias("u"),
            F.col(OfferCandidate.scenario).alias("s"),
            F.col(OfferCandidate.product_ids).alias("p"),
        )
    )
    return F.substring(F.sha2(key, 256), 1, 32)
