"""What each user bought of each product: the one grouping of all lines that tastes and buyers are made from."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProductDays
from promo_spark.contracts.schema import Col
from promo_spark.contracts.silver import OrderLines
from promo_spark.features.users.activity import UserActivity
from promo_spark.measures.exact_sums import whole_parts
from promo_spark.measures.kept_purchases import ProductOrder, product_orders
from promo_spark.measures.order_lines import lines_before, of_purchases

_MILLION = 1_000_000
_PAIR = [OrderLines.user_id, OrderLines.product_id]


class UserProduct(UserProductDays):
    """One row per user and product that the user has order lines of before the date."""

    weight = Col(
        T.LongType(),
        "amount paid for what was kept, fading back from the user's last order, in millionths",
        required=True,
    )


def user_products(lines: DataFrame, activity: DataFrame, *, as_of: datetime.date, half_life_days: int) -> DataFrame:
    """One row per user and product of the users' lines before `as_of`. OrderLines, UserActivity → UserProduct.

    What was taken back whole was not bought: it has no day and no weight. Of an order that was taken back in part, the
    share that was kept counts. A line counts 0.5^(days before the user's last order / `half_life_days`): counted from
    there and not from `as_of`, the shares of a user who bought nothing since are the same on every date, to the bit.
    """
    last_orders = activity.select(UserActivity.user_id, UserActivity.last_order_date)
    age = F.date_diff(UserActivity.last_order_date, OrderLines.order_date)
    faded = F.col(OrderLines.amount_paid).cast("double") * F.pow(F.lit(0.5), age / half_life_days)
    paid = F.sum(of_purchases(whole_parts(faded, _MILLION))).alias(UserProduct.weight)
    kept, bought = F.col(ProductOrder.kept), F.col(ProductOrder.bought)
    weight = F.when(kept == bought, F.col(UserProduct.weight)).otherwise(
        F.round(F.col(UserProduct.weight) * (kept.cast("double") / bought.cast("double"))).cast("long")
    )
    past = lines_before(lines, as_of).join(last_orders, UserActivity.user_id, "left")
    return (
        product_orders(past, paid)
        .groupBy(*_PAIR)
        .agg(_kept_days(), F.coalesce(F.sum(weight), F.lit(0)).cast("long").alias(UserProduct.weight))
    )


def user_product_days(lines: DataFrame) -> DataFrame:
    """One row per user and product. PastLine → UserProductDays."""
    return product_orders(lines).groupBy(*_PAIR).agg(_kept_days())


def _kept_days() -> Column:
    day_of_kept = F.when(F.col(ProductOrder.kept) > 0, F.col(ProductOrder.order_date))
    return F.sort_array(F.collect_list(day_of_kept)).alias(UserProductDays.days)
