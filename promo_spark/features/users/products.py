"""What each user bought of each product: the one grouping of all lines that tastes and buyers are made from."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.silver import OrderLines
from promo_spark.features.users.activity import UserActivity
from promo_spark.measures.exact_sums import whole_parts
from promo_spark.measures.kept_purchases import ProductOrder, product_orders, taken_back
from promo_spark.measures.order_lines import lines_before, of_purchases

_MILLION = 1_000_000
_PAIR = [OrderLines.user_id, OrderLines.product_id]


class KeptOrder(Frame):
    """One row per user, product and order with lines of it before the date."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(T.StringType(), "the product", required=True)
    order_date = Col(T.DateType(), "the day it was bought; null: it was taken back whole, or only taken back here")
    weight = Col(T.LongType(), "amount paid for what was kept, fading back from the user's last order, in millionths")


_ORDER = KeptOrder.columns()


class UserProduct(Frame):
    """One row per user and product that the user has order lines of before the date."""

    user_id = _ORDER[KeptOrder.user_id]
    product_id = _ORDER[KeptOrder.product_id]
    orders = Col(T.LongType(), "orders that bought the product and were not taken back whole", required=True)


class FadedUserProduct(UserProduct):
    """One row per user and product, with what was paid for it."""

    weight = Col(
        T.LongType(),
        "amount paid for what was kept, fading back from the user's last order, in millionths",
        required=True,
    )


def kept_orders(
    lines: DataFrame, taken: DataFrame, activity: DataFrame, *, as_of: datetime.date, half_life_days: int
) -> DataFrame:
    """One row per user, product and order of lines before `as_of`. OrderLines, TakenBack, UserActivity → KeptOrder.

    What was taken back whole was not bought: it has no day and no weight. Of an order that was taken back in part, the
    share that was kept counts. A line counts 0.5^(days before the user's last order / `half_life_days`): counted from
    there and not from `as_of`, the shares of a user who bought nothing since are the same on every date, to the bit.
    """
    last_orders = activity.select(UserActivity.user_id, UserActivity.last_order_date)
    age = F.date_diff(UserActivity.last_order_date, OrderLines.order_date)
    faded = F.col(OrderLines.amount_paid).cast("double") * F.pow(F.lit(0.5), age / half_life_days)
    paid = F.sum(of_purchases(whole_parts(faded, _MILLION))).alias(KeptOrder.weight)
    kept, bought = F.col(ProductOrder.kept), F.col(ProductOrder.bought)
    weight = F.when(kept == bought, F.col(KeptOrder.weight)).otherwise(
        F.round(F.col(KeptOrder.weight) * (kept.cast("double") / bought.cast("double"))).cast("long")
    )
    past = lines_before(lines, as_of).join(last_orders, UserActivity.user_id, "left")
    return _with_kept_day(product_orders(past, taken, paid)).select(
        *_PAIR, KeptOrder.order_date, weight.alias(KeptOrder.weight)
    )


def faded_user_products(orders: DataFrame) -> DataFrame:
    """One row per user and product. KeptOrder → FadedUserProduct."""
    weight = F.coalesce(F.sum(KeptOrder.weight), F.lit(0)).cast("long").alias(FadedUserProduct.weight)
    return orders.groupBy(*_PAIR).agg(F.count(KeptOrder.order_date).alias(UserProduct.orders), weight)


def user_products(lines: DataFrame) -> DataFrame:
    """One row per user and product. PastLine → UserProduct."""
    orders = _with_kept_day(product_orders(lines, taken_back(lines)))
    return orders.groupBy(*_PAIR).agg(F.count(KeptOrder.order_date).alias(UserProduct.orders))


def _with_kept_day(orders: DataFrame) -> DataFrame:
    """ProductOrder, with no day where nothing was kept."""
    day = F.when(F.col(ProductOrder.kept) > 0, F.col(ProductOrder.order_date))
    return orders.withColumn(ProductOrder.order_date, day)
