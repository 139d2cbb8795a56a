"""What each user bought of each product: the one grouping of all lines that tastes and buyers are made from."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProductDays
from promo_spark.contracts.schema import Col
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.exact_sums import whole_parts
from promo_spark.measures.order_lines import lines_before, of_purchases

_MILLION = 1_000_000
_PAIR = [OrderLines.user_id, OrderLines.product_id]


class UserProduct(UserProductDays):
    """One row per user and product that the user has order lines of before the date."""

    weight = Col(T.LongType(), "amount paid, less returns, fading with time, in millionths", required=True)


def user_products(lines: DataFrame, *, as_of: datetime.date, half_life_days: int) -> DataFrame:
    """One row per user and product of the users' lines before `as_of`. OrderLines → UserProduct.

    The weight is the amount paid, less returns: each line counts 0.5^(age in days / `half_life_days`).
    """
    age = F.date_diff(F.lit(as_of), OrderLines.order_date)
    faded = F.col(OrderLines.amount_paid).cast("double") * F.pow(F.lit(0.5), age / half_life_days)
    of_users = lines_before(lines, as_of).filter(F.col(OrderLines.user_id).isNotNull())
    # spread by the pair at once: both groupings then need no other shuffle
    per_order = (
        of_users.repartition(*_PAIR)
        .groupBy(*_PAIR, OrderLines.order_id)
        .agg(
            F.min(of_purchases(OrderLines.order_date)).alias(OrderLines.order_date),
            F.sum(whole_parts(faded, _MILLION)).alias(UserProduct.weight),
        )
    )
    return per_order.groupBy(*_PAIR).agg(
        F.sort_array(F.collect_list(OrderLines.order_date)).alias(UserProduct.days),
        F.sum(UserProduct.weight).alias(UserProduct.weight),
    )
