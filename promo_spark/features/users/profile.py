"""The user profile: what decisions need to know of a user, in one row."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Campaigns, Contacts, Redemptions, Users
from promo_spark.features.users.activity import UserActivity
from promo_spark.features.users.lifecycle import lifecycle
from promo_spark.measures.fifths import fifth, fifths
from promo_spark.settings.profile import ProfileSettings

_COUNTS = (
    UserProfile.orders,
    UserProfile.lines,
    UserProfile.orders_90d,
    UserProfile.active_days_30d,
    UserProfile.products,
    UserProfile.categories,
    UserProfile.campaigns_received,
    UserProfile.coupons_redeemed,
)
_ATTRIBUTES = (Users.region, Users.member_tier, Users.consent_marketing)


class SpendLimits(Frame):
    """One row: where purchasing power and high value begin, among users with an order."""

    power_cuts = Col(T.ArrayType(T.DoubleType()), "the four cuts between fifths of spend per 30 days")
    high_value_from = Col(T.DoubleType(), "recent spend from which a user is of high value; null: nobody spent")


def user_profile(
    activity: DataFrame,
    tastes: DataFrame,
    *,
    users: DataFrame,
    campaigns: DataFrame,
    contacts: DataFrame,
    redemptions: DataFrame,
    as_of: datetime.date,
    timezone: str,
    settings: ProfileSettings,
) -> DataFrame:
    """One row per user known before `as_of`. UserActivity, UserTastes, master data → UserProfile.

    A user is known who, before `as_of`, has an order line, registered (a day in `timezone`), or was contacted by
    a campaign that had started. Where nothing happened, counts and sums are 0 and lists empty; means, shares and
    days stay null (inventory row B03). `activity` is read twice: keep it.
    """
    received = _campaigns_received(contacts, campaigns, as_of)
    redeemed = (
        redemptions.filter(F.col(Redemptions.redeemed_on) < F.lit(as_of))
        .groupBy(Redemptions.user_id)
        .agg(F.count("*").alias(UserProfile.coupons_redeemed))
    )
    registered_on = F.to_date(F.from_utc_timestamp(Users.registered_at, timezone))
    registered = users.filter(registered_on < F.lit(as_of)).select(Users.user_id)
    contacted = received.select(Contacts.user_id)
    rows = activity.select(UserProfile.user_id).union(registered).union(contacted).distinct()
    for part in (activity, tastes, received, redeemed, users.select(Users.user_id, *_ATTRIBUTES)):
        rows = rows.join(part, UserProfile.user_id, "left")
    rows = rows.fillna(0, subset=[*_COUNTS, UserProfile.spend, UserProfile.spend_90d]).withColumns(
        {c: F.coalesce(c, F.array()) for c in _LISTS}
    )
    spend_rate = F.when(F.col(UserProfile.orders) > 0, F.col(UserActivity.spend_per_30d))
    limits = F.broadcast(_spend_limits(activity, settings.high_value_quantile))
    return rows.crossJoin(limits).withColumns(
        {
            UserProfile.power_band: fifth(spend_rate, F.col(SpendLimits.power_cuts)),
            UserProfile.lifecycle: lifecycle(
                recent_spend=F.col(UserProfile.spend_90d),
                high_value_from=F.col(SpendLimits.high_value_from),
                settings=settings,
            ),
        }
    )


_LISTS = (UserProfile.interests, UserProfile.repurchases, UserProfile.orders_by_channel)


def _spend_limits(activity: DataFrame, high_value_quantile: float) -> DataFrame:
    """One row. UserActivity → SpendLimits."""
    recent_spend = F.col(UserActivity.spend_90d)
    return activity.filter(F.col(UserActivity.orders) > 0).agg(
        fifths(F.col(UserActivity.spend_per_30d)).alias(SpendLimits.power_cuts),
        F.percentile(F.when(recent_spend > 0, recent_spend), high_value_quantile).alias(SpendLimits.high_value_from),
    )


def _campaigns_received(contacts: DataFrame, campaigns: DataFrame, as_of: datetime.date) -> DataFrame:
    """One row per user: campaigns that had started, and whose message had gone out, before the date."""
    started = campaigns.filter(F.col(Campaigns.start_date) < F.lit(as_of)).select(
        Campaigns.campaign_id, Campaigns.start_date
    )
    sent_on = F.coalesce(Contacts.contacted_on, Campaigns.start_date)
    return (
        contacts.join(F.broadcast(started), Contacts.campaign_id, "inner")
        .filter(sent_on < F.lit(as_of))
        .groupBy(Contacts.user_id)
        .agg(F.count("*").alias(UserProfile.campaigns_received))
    )
