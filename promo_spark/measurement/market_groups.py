"""The market by region, age and income: who buys how much, in every group and in all groups above it."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.schema import MONEY, Col, Frame
from promo_spark.contracts.silver import Users

ATTRIBUTES: Final = (Users.region, Users.age_band, Users.income_band)


class MarketGroup(Frame):
    """One row per group of users by region, age band and income band, and per group above: the cube.

    Of a group with fewer users than are told of all figures are null, so that nobody can be made out, and so are what
    its buyers did where these are so few.
    """

    region = Col(T.StringType(), "the region; null: all of them; empty: unknown")
    age_band = Col(T.StringType(), "the age band; null, empty: the same")
    income_band = Col(T.StringType(), "the income band; null, empty: the same")
    users = Col(T.LongType(), "users; null: fewer than are told of")
    buyers = Col(T.LongType(), "those who ordered in the recent days of features.user_profile; null: too few of them")
    orders = Col(T.LongType(), "their orders in these days; null: the same")
    spend = Col(MONEY, "what they paid for them; null: the same", unit="currency")
    order_value = Col(T.DoubleType(), "spend per order; null: the same, or no orders", unit="currency")
    spend_index = Col(T.DoubleType(), "spend per user as a multiple of that of all users; null: the same")


def market_groups(users: DataFrame, profiles: DataFrame, *, least: int) -> DataFrame:
    """One row per group of the cube. Users, UserProfile of a date → MarketGroup.

    Users of whom no attribute is known count in the groups of the unknown.
    """
    attributes = [F.coalesce(F.col(name), F.lit("")).alias(name) for name in ATTRIBUTES]
    known = users.select(Users.user_id, *attributes)
    bought = profiles.select(UserProfile.user_id, UserProfile.orders_90d, UserProfile.spend_90d)
    everyone = bought.join(known, UserProfile.user_id, "left").fillna("", list(ATTRIBUTES))
    groups = everyone.cube(*ATTRIBUTES).agg(
        F.count(F.lit(1)).alias(MarketGroup.users),
        F.count_if(F.col(UserProfile.orders_90d) > 0).alias(MarketGroup.buyers),
        F.sum(UserProfile.orders_90d).alias(MarketGroup.orders),
        F.sum(UserProfile.spend_90d).cast(MONEY).alias(MarketGroup.spend),
    )
    total = everyone.agg(F.count(F.lit(1)).alias("_users"), F.sum(UserProfile.spend_90d).alias("_spend"))
    spend, of_all = F.col(MarketGroup.spend).cast("double"), F.col("_spend").cast("double") / F.col("_users")
    orders, per_user = F.col(MarketGroup.orders), spend / F.col(MarketGroup.users)
    told = groups.join(F.broadcast(total)).withColumns(
        {
            MarketGroup.order_value: F.when(orders > 0, spend / orders),
            MarketGroup.spend_index: F.when(of_all > 0, per_user / of_all),
        }
    )
    enough, buyers = F.col(MarketGroup.users) >= least, F.col(MarketGroup.buyers)
    of_buyers = [name for name in MarketGroup.columns() if name not in (*ATTRIBUTES, MarketGroup.users)]
    enough_buyers = enough & ((buyers == 0) | (buyers >= least))
    return told.select(
        *ATTRIBUTES,
        F.when(enough, F.col(MarketGroup.users)).alias(MarketGroup.users),
        *[F.when(enough_buyers, F.col(name)).alias(name) for name in of_buyers],
    )
