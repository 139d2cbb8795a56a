"""What each user bought of each product: the one grouping of all lines that tastes and buyers are made from."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.order_lines import lines_before, of_purchases

DAYS = "days"
WEIGHT = "weight"

_PAIR = [OrderLines.user_id, OrderLines.product_id]


def user_products(lines: DataFrame, *, as_of: datetime.date, half_life_days: int) -> DataFrame:
    """One row per user and product of their lines before `as_of`. OrderLines → user_id, product_id, days, weight.

    `days` holds the day of each order that bought the product, sorted. `weight` is the amount paid, less
    returns, each line times 0.5^(age in days / `half_life_days`), in whole millionths: a sum of integers
    does not depend on the order of the rows.
    """
    age = F.date_diff(F.lit(as_of), OrderLines.order_date)
    faded = F.col(OrderLines.amount_paid).cast("double") * F.pow(F.lit(0.5), age / half_life_days)
    known = lines_before(lines, as_of).filter(F.col(OrderLines.user_id).isNotNull())
    # spread by the pair at once: both groupings then need no other shuffle
    per_order = (
        known.repartition(*_PAIR)
        .groupBy(*_PAIR, OrderLines.order_id)
        .agg(
            F.min(of_purchases(OrderLines.order_date)).alias("day"),
            F.sum(F.round(faded * 1_000_000).cast("long")).alias(WEIGHT),
        )
    )
    return per_order.groupBy(*_PAIR).agg(F.sort_array(F.collect_list("day")).alias(DAYS), F.sum(WEIGHT).alias(WEIGHT))
