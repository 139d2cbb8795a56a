"""The users of a day: those with a profile, and those who may not be profiled, of whom only consent is known."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import INTEREST, REPURCHASE, UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.silver import Users

_TEXT = T.StringType()


class DailyUser(Frame):
    """One row per user of the day. Of a user who may not be profiled only consent is known."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    profiled = Col(T.BooleanType(), "whether there is a profile to decide by", required=True)
    segment_id = Col(T.IntegerType(), "the user's segment; 0: not in any", required=True)
    segment_name = Col(_TEXT, "the segment's name", required=True)
    behaviour_id = Col(T.IntegerType(), "the user's segment by behaviour; null: users are not grouped by it")
    risk_tier = Col(_TEXT, "low, medium, high or blocked; null: not scored")
    ring = Col(T.LongType(), "which accounts it acts together with; null: none known")
    consent_marketing = Col(T.BooleanType(), "may be sent offers; null: the shop does not say")
    main_channel = Col(_TEXT, "channel with most orders; null: none")
    region = Col(_TEXT, "region of the user; null: unknown", personal=Personal.ATTRIBUTE)
    channel = Col(_TEXT, "channel to send offers by; null: none that is known")
    refused_channels = Col(T.ArrayType(_TEXT), "channels by which the user may not be sent offers", required=True)
    lifecycle = Col(_TEXT, "as in the profile; null: no profile")
    member_tier = Col(_TEXT, "tier of the loyalty programme; null: no member, or not known")
    orders = Col(T.LongType(), "orders ever; null: no profile")
    recency_days = Col(
        T.LongType(), "days since the last order, 0: a new user's first, on the date; null: no order", unit="days"
    )
    basket_value = Col(T.DoubleType(), "mean amount paid per order that was kept; null: none", unit="currency")
    basket_median = Col(T.DoubleType(), "median amount paid per order that was kept; null: none", unit="currency")
    discounted_lines_share = Col(T.DoubleType(), "share of lines bought at a discount; null: no order", unit="share")
    interests = Col(T.ArrayType(INTEREST), "categories by share of spend; null: no profile")
    repurchases = Col(T.ArrayType(REPURCHASE), "products bought in several orders; null: no profile")


class Repurchase(Frame):
    """One row per user and product that the user buys regularly."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(_TEXT, "the product", required=True)
    orders = Col(T.LongType(), "orders with the product", required=True)
    due_date = Col(T.DateType(), "day on which the next purchase is due", required=True)


class Interest(Frame):
    """One row per user and category that the user spends on."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    category = Col(_TEXT, "the category", required=True)


def daily_users(
    *,
    profiles: DataFrame,
    segments: DataFrame,
    risk: DataFrame,
    unprofiled: DataFrame,
    date: datetime.date,
    timezone: str,
) -> DataFrame:
    """One row per user. UserProfile, Segments, Risk, Users who may not be profiled → DailyUser.

    A user without profile who registered on the date (a day in `timezone`) or later is left out.
    """
    with_profile = profiled_users(profiles, segments, risk)
    without_profile = users_without_profile(unprofiled, date=date, timezone=timezone).join(
        with_profile, DailyUser.user_id, "left_anti"
    )
    return DailyUser.shaped(with_profile.unionByName(without_profile, allowMissingColumns=True))


def profiled_users(profiles: DataFrame, segments: DataFrame, risk: DataFrame) -> DataFrame:
    """One row per user with a profile. UserProfile, Segments, Risk → DailyUser.

    A user without a segment counts as segment 0, that of users without orders.
    """
    named = segments.select(Segments.user_id, Segments.segment_id, Segments.segment_name, Segments.behaviour_id)
    scored = risk.select(
        Risk.user_id, F.col(Risk.tier).alias(DailyUser.risk_tier), F.col(Risk.ring).alias(DailyUser.ring)
    )
    return DailyUser.shaped(
        profiles.join(named, UserProfile.user_id, "left")
        .join(scored, UserProfile.user_id, "left")
        .withColumns(
            {
                DailyUser.profiled: F.lit(True),
                DailyUser.channel: F.col(DailyUser.main_channel),  # see channels.py
                DailyUser.refused_channels: F.array().cast("array<string>"),
                DailyUser.segment_id: F.coalesce(Segments.segment_id, F.lit(0)),
                DailyUser.segment_name: F.coalesce(Segments.segment_name, F.lit("unknown")),
            }
        )
    )


def users_without_profile(unprofiled: DataFrame, *, date: datetime.date, timezone: str) -> DataFrame:
    """One row per user registered before the date. Users → columns of DailyUser that do not need a profile."""
    registered_on = F.to_date(F.from_utc_timestamp(Users.registered_at, timezone))
    return unprofiled.filter(F.coalesce(registered_on < F.lit(date), F.lit(True))).select(
        Users.user_id,
        Users.consent_marketing,
        F.lit(0).alias(DailyUser.segment_id),
        F.lit("not profiled").alias(DailyUser.segment_name),
        F.lit(False).alias(DailyUser.profiled),
        F.array().cast("array<string>").alias(DailyUser.refused_channels),
    )


def new_users(
    seen: DataFrame, known: DataFrame, users: DataFrame, risk: DataFrame, *, date: datetime.date, timezone: str
) -> DataFrame:
    """One row per user of whom nothing was known before the date. → DailyUser, of users without an order before it.

    `seen`: who did something on the date and may be profiled, with `main_channel` and whether there was an `ordered`.
    DailyUser of who is known, Users, user_id and tier of the date. Whoever registered before the date (a day in
    `timezone`), or nobody says when, is not new.
    """
    registered_on = F.to_date(F.from_utc_timestamp(Users.registered_at, timezone))
    before = users.filter(F.coalesce(registered_on < F.lit(date), F.lit(True)))
    new = seen.join(known, DailyUser.user_id, "left_anti").join(before, DailyUser.user_id, "left_anti")
    told = users.select(Users.user_id, Users.consent_marketing, Users.region, Users.member_tier)
    tiers = risk.select(DailyUser.user_id, F.col(Risk.tier).alias(DailyUser.risk_tier))
    nothing = {name: F.array().cast(DailyUser.type_of(name)) for name in (DailyUser.interests, DailyUser.repurchases)}
    lacking = (
        DailyUser.behaviour_id,
        DailyUser.ring,
        DailyUser.basket_value,
        DailyUser.basket_median,
        DailyUser.discounted_lines_share,
    )
    return DailyUser.shaped(
        new.join(told, DailyUser.user_id, "left")
        .join(tiers, DailyUser.user_id, "left")
        .withColumns(
            {
                DailyUser.profiled: F.lit(True),
                DailyUser.segment_id: F.lit(0),
                DailyUser.segment_name: F.lit("unknown"),
                DailyUser.channel: F.col(DailyUser.main_channel),  # see channels.py
                DailyUser.refused_channels: F.array().cast("array<string>"),
                DailyUser.lifecycle: F.lit("new"),
                DailyUser.orders: F.lit(0).cast("long"),
                DailyUser.recency_days: F.when(F.col(ORDERED), F.lit(0).cast("long")),
                **nothing,
                **{name: F.lit(None).cast(DailyUser.type_of(name)) for name in lacking},
            }
        )
    )


ORDERED = "ordered"  # on the date


def with_profile(users: DataFrame) -> DataFrame:
    """The users with a profile. DailyUser → DailyUser."""
    return users.filter(DailyUser.profiled)


def repurchases(users: DataFrame) -> DataFrame:
    """One row per user and product bought regularly. DailyUser → Repurchase."""
    products = F.inline(F.col(DailyUser.repurchases))
    return Repurchase.shaped(users.select(DailyUser.user_id, products))


def interests(users: DataFrame) -> DataFrame:
    """One row per user and category of interest. DailyUser → Interest."""
    return Interest.shaped(users.select(DailyUser.user_id, F.inline(F.col(DailyUser.interests))))
