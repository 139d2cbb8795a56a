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
from promo_spark.measures.kept_purchases import ProductOrder, product_orders
from promo_spark.measures.order_lines import lines_before, of_purchases

_MILLION = 1_000_000
_PAIR = [OrderLines.user_id, OrderLines.product_id]


class UserProduct(UserProductDays):
    """One row per user and product that the user has order lines of before the date."""

    weight = Col(T.LongType(), "amount paid for what was kept, fading with time, in millionths", required=True)


def user_products(lines: DataFrame, *, as_of: datetime.date, half_life_days: int) -> DataFrame:
    """One row per user and product of the users' lines before `as_of`. OrderLines → UserProduct.

    What was taken back whole was not bought: it has no day and no weight. Of an order that was taken back in part, the
    share that was kept counts. Each line counts 0.5^(age in days / `half_life_days`).
    """
    age = F.date_diff(F.lit(as_of), OrderLines.order_date)
    faded = F.col(OrderLines.amount_paid).cast("double") * F.pow(F.lit(0.5), age / half_life_days)
    paid = F.sum(of_purchases(whole_parts(faded, _MILLION))).alias(UserProduct.weight)
    kept, bought = F.col(ProductOrder.kept), F.col(ProductOrder.bought)
    weight = F.when(kept == bought, F.col(UserProduct.weight)).otherwise(
        F.round(F.col(UserProduct.weight) * (kept.cast("double") / bought.cast("double"))).cast("long")
    )
    return (
        product_orders(lines_before(lines, as_of), paid)
        .groupBy(*_PAIR)
        .agg(
            F.sort_array(F.collect_list(F.when(kept > 0, F.col(ProductOrder.order_date)))).alias(UserProduct.days),
            F.coalesce(F.sum(weight), F.lit(0)).cast("long").alias(UserProduct.weight),
        )
    )
