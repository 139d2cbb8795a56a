"""The user profile: everything that decisions need to know of a user, in one row."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.silver import Campaigns, Contacts, Redemptions, Users
from promo_spark.features.users.lifecycle import lifecycle
from promo_spark.measures.order_lines import fifth, fifths

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


def user_profile(
    activity: DataFrame,
    tastes: DataFrame,
    users: DataFrame,
    campaigns: DataFrame,
    contacts: DataFrame,
    redemptions: DataFrame,
    *,
    as_of: datetime.date,
    timezone: str,
    first_time_days: int,
    loyal_orders_90d: int,
    high_value_quantile: float,
    lapsing_cadences: float,
    lapsing_min_days: int,
    lost_days: int,
) -> DataFrame:
    """One row per user known before `as_of`. user_activity, user_tastes, master data → UserProfile.

    Known is who has an order line, registered (a day in `timezone`), or was contacted by a campaign that
    had started, each before `as_of`. Where nothing happened counts and sums are 0 and lists empty; means,
    shares and days stay null (inventory row B03). `activity` is read twice: keep it.
    """
    received = _received(contacts, campaigns, as_of)
    redeemed = (
        redemptions.filter(F.col(Redemptions.redeemed_on) < F.lit(as_of))
        .groupBy(Redemptions.user_id)
        .agg(F.count("*").alias(UserProfile.coupons_redeemed))
    )
    registered_on = F.to_date(F.from_utc_timestamp(Users.registered_at, timezone))
    registered = users.filter(registered_on < F.lit(as_of)).select(Users.user_id)
    known = activity.select(UserProfile.user_id).union(registered).union(received.select(Contacts.user_id)).distinct()
    cuts = activity.filter(F.col(UserProfile.orders) > 0).agg(
        fifths(F.col("spend_per_30d")).alias("power_cuts"),
        F.percentile(F.when(F.col(UserProfile.spend_90d) > 0, F.col(UserProfile.spend_90d)), high_value_quantile).alias(
            "high_value_from"
        ),
    )
    rows = known
    for part in (activity, tastes, received, redeemed, users.select(Users.user_id, *_ATTRIBUTES)):
        rows = rows.join(part, UserProfile.user_id, "left")
    rows = rows.fillna(0, subset=[*_COUNTS, UserProfile.spend, UserProfile.spend_90d]).withColumns(
        {c: F.coalesce(c, F.array()) for c in (UserProfile.interests, UserProfile.repurchases)}
    )
    rated = F.when(F.col(UserProfile.orders) > 0, F.col("spend_per_30d"))
    return rows.crossJoin(F.broadcast(cuts)).withColumns(
        {
            UserProfile.as_of: F.lit(as_of),
            UserProfile.power_band: fifth(rated, F.col("power_cuts")),
            UserProfile.lifecycle: lifecycle(
                recent_spend=F.col(UserProfile.spend_90d),
                high_value_from=F.col("high_value_from"),
                first_time_days=first_time_days,
                loyal_orders_90d=loyal_orders_90d,
                lapsing_cadences=lapsing_cadences,
                lapsing_min_days=lapsing_min_days,
                lost_days=lost_days,
            ),
        }
    )


def _received(contacts: DataFrame, campaigns: DataFrame, as_of: datetime.date) -> DataFrame:
    """Campaigns received per user: those that had started, and whose message had gone out, before the date."""
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
