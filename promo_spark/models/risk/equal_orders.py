"""Orders that hold the same and are placed by different accounts within the same hours, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.models.risk.chances import RULE_OF_THREE
from promo_spark.models.risk.frames import CheckedOrder, EqualOrders

_AN_HOUR = 3600
_RUN, _OF_CONTENT, _STARTS, _ORDERS, _SHARE, _FIRST, _LAST = "_run", "_all", "_starts", "_orders", "_share", "_a", "_b"
_TOLD = 0.01  # what is likelier by chance is nothing


def equal_orders(
    orders: DataFrame,
    *,
    within_hours: float,
    hour_shares: Sequence[float],
    days: int,
    total: int,
    rush: float,
    largest_ring: int,
) -> DataFrame:
    """One row per user and run of equal orders. CheckedOrder → EqualOrders.

    A run: orders with the same content, each within so many hours of the one before. How many to expect follows from
    how often the content is ordered outside the run and from how busy the hour is (`hour_shares`), `rush` times: for
    days of a promotion. Contents that are never ordered otherwise count as ordered three times (the rule of three).
    Runs of more accounts than make a ring are a crowd, and left out.
    """
    apart = round(within_hours * _AN_HOUR)
    content = Window.partitionBy(CheckedOrder.content)
    in_time = content.orderBy(CheckedOrder.second, CheckedOrder.user_id, CheckedOrder.order_id)
    gap = F.col(CheckedOrder.second) - F.lag(CheckedOrder.second).over(in_time)
    share = F.greatest(
        F.get(F.array(*[F.lit(s) for s in hour_shares]), F.col(CheckedOrder.hour)),
        F.lit(RULE_OF_THREE / max(total, 1)),
    )
    placed = (
        orders.select(
            CheckedOrder.content, CheckedOrder.second, CheckedOrder.user_id, CheckedOrder.order_id, CheckedOrder.hour
        )
        .withColumn(_OF_CONTENT, F.count("*").over(content))
        .filter(F.col(_OF_CONTENT) > 1)
        .withColumn(_STARTS, (F.coalesce(gap, F.lit(apart + 1)) > apart).cast("long"))
        .withColumn(_RUN, F.sum(_STARTS).over(in_time))
        .withColumn(_SHARE, share)
    )
    keys = [CheckedOrder.content, _RUN]
    of_users = placed.groupBy(*keys, CheckedOrder.user_id).agg(
        F.count("*").alias(_ORDERS),
        F.max(_OF_CONTENT).alias(_OF_CONTENT),
        F.max(_SHARE).alias(_SHARE),
        F.min(CheckedOrder.second).alias(_FIRST),
        F.max(CheckedOrder.second).alias(_LAST),
    )
    run = Window.partitionBy(*keys)
    accounts = F.count("*").over(run)
    elsewhere = F.max(_OF_CONTENT).over(run) - F.sum(_ORDERS).over(run)
    lasted = (F.max(_LAST).over(run) - F.min(_FIRST).over(run)) / _AN_HOUR + 1
    mean = (elsewhere + RULE_OF_THREE) / max(days, 1) * F.max(_SHARE).over(run) * lasted * rush
    judged = of_users.select(
        EqualOrders.user_id,
        F.xxhash64(*keys).alias(EqualOrders.run),
        accounts.alias(EqualOrders.accounts),
        mean.alias("_mean"),
    )
    chance = _poisson_tail(F.col(EqualOrders.accounts) - 1, F.col("_mean"))
    found = judged.filter(F.col(EqualOrders.accounts).between(2, largest_ring)).withColumn(EqualOrders.chance, chance)
    return EqualOrders.shaped(found.filter(F.col(EqualOrders.chance) <= _TOLD))


def _poisson_tail(count: Column, mean: Column) -> Column:
    """chances.poisson_tail of columns."""
    log_p = -mean + count * (1 + F.log(mean) - F.log(count))
    return F.when(count > mean, F.exp(log_p)).otherwise(1.0)
