"""How often, how recently and for how much each user orders."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.schema import MONEY
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.cadence import due_date, median_gap
from promo_spark.measures.order_lines import BOUGHT, DISCOUNT, lines_before, of_purchases, ratio, share

_MONTH = 30


def user_activity(lines: DataFrame, *, as_of: datetime.date, recent_days: int, activity_days: int) -> DataFrame:
    """One row per user with order lines before `as_of`. OrderLines → the order columns of UserProfile.

    An order is an order id with at least one line that is not a return. Rates per 30 days take a tenure of
    at least 30 days, so that a first order of yesterday is not blown up to a month of them.
    `spend_per_30d`, which is not in the contract, is what purchasing power is ranked by.
    """
    per_user = (
        _orders(lines_before(lines, as_of), as_of, recent_days)
        .groupBy(OrderLines.user_id)
        .agg(
            F.count("day").alias(UserProfile.orders),
            F.sum("lines").alias(UserProfile.lines),
            F.sum("spend").cast(MONEY).alias(UserProfile.spend),
            F.count_if(F.date_diff(F.lit(as_of), "day") <= recent_days).alias(UserProfile.orders_90d),
            F.sum("recent_spend").cast(MONEY).alias(UserProfile.spend_90d),
            F.sort_array(F.collect_set("day")).alias("days"),
            # ties go to the smaller id
            F.mode("store_id", deterministic=True).alias(UserProfile.main_store_id),
            F.mode("channel", deterministic=True).alias(UserProfile.main_channel),
            *[
                F.sum(c).alias(c)
                for c in ("bought_lines", "bought_amount", "list_amount", "discount", "discounted_lines")
            ],
        )
    )
    days, orders = F.col("days"), F.col(UserProfile.orders)
    last = F.array_max(days)
    tenure = F.date_diff(F.lit(as_of), F.array_min(days))
    months = F.greatest(tenure, F.lit(_MONTH)) / _MONTH
    active = F.filter(days, lambda day: F.date_diff(F.lit(as_of), day) <= activity_days)
    return per_user.select(
        *per_user.columns[:6],
        UserProfile.main_store_id,
        UserProfile.main_channel,
        F.size(active).cast("long").alias(UserProfile.active_days_30d),
        F.array_min(days).alias(UserProfile.first_order_date),
        last.alias(UserProfile.last_order_date),
        F.date_diff(F.lit(as_of), last).cast("long").alias(UserProfile.recency_days),
        tenure.cast("long").alias(UserProfile.tenure_days),
        (orders / months).alias(UserProfile.orders_per_30d),
        (F.col(UserProfile.spend).cast("double") / months).alias("spend_per_30d"),
        ratio(F.col("bought_amount"), orders).alias(UserProfile.basket_value),
        ratio(F.col("bought_lines"), orders).alias(UserProfile.basket_lines),
        share(F.col("discount"), F.col("list_amount")).alias(UserProfile.discount_share),
        share(F.col("discounted_lines"), F.col("bought_lines")).alias(UserProfile.discounted_lines_share),
        _of_buyers(1 - share(F.col("bought_lines"), F.col("lines"))).alias(UserProfile.return_lines_share),
        median_gap(days).alias(UserProfile.cadence_days),
        due_date(last, median_gap(days)).alias(UserProfile.due_date),
    )


def _of_buyers(value: Column) -> Column:
    return F.when(F.col(UserProfile.orders) > 0, value)


def _orders(past: DataFrame, as_of: datetime.date, recent_days: int) -> DataFrame:
    """One row per user and order id; `day`, store and channel are null where all its lines are returns."""
    recent = F.date_diff(F.lit(as_of), OrderLines.order_date) <= recent_days
    return (
        past.filter(F.col(OrderLines.user_id).isNotNull())
        .groupBy(OrderLines.user_id, OrderLines.order_id)
        .agg(
            F.min(of_purchases(OrderLines.order_date)).alias("day"),
            F.min(of_purchases(OrderLines.store_id)).alias("store_id"),
            F.min(of_purchases(OrderLines.channel)).alias("channel"),
            F.count("*").alias("lines"),
            F.sum(OrderLines.amount_paid).alias("spend"),
            F.sum(F.when(recent, F.col(OrderLines.amount_paid)).otherwise(0)).alias("recent_spend"),
            F.count_if(BOUGHT).alias("bought_lines"),
            F.sum(of_purchases(OrderLines.amount_paid)).alias("bought_amount"),
            F.sum(of_purchases(OrderLines.list_amount)).alias("list_amount"),
            F.sum(of_purchases(DISCOUNT)).alias("discount"),
            F.count_if(F.col(BOUGHT) & (F.col(DISCOUNT) > 0)).alias("discounted_lines"),
        )
    )
