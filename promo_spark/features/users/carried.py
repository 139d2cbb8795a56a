"""Users who did nothing since an earlier date: what their profile of then says, as of the date.

Of such a user only windows and what is counted from the date move. Everything else stands in the earlier profile.
"""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.schema import Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.features.users.activity import UserActivity, UserOrder, with_dated
from promo_spark.features.users.tastes import UserTastes
from promo_spark.measures.order_lines import is_purchase
from promo_spark.settings.profile import ProfileSettings

_ACTIVITY = UserActivity.columns()


class LeftWindows(Frame):
    """One row per user with order lines that were in a window as of an earlier date and no longer are."""

    user_id = _ACTIVITY[UserActivity.user_id]
    orders_90d = _ACTIVITY[UserActivity.orders_90d]
    spend_90d = _ACTIVITY[UserActivity.spend_90d]
    active_days_30d = _ACTIVITY[UserActivity.active_days_30d]


def with_purchases(profiles: DataFrame) -> DataFrame:
    """The profiles of users with order lines: others are known by registration or contact only. UserProfile → same."""
    return profiles.filter(F.col(UserProfile.lines) > 0)


def carried_tastes(profiles: DataFrame) -> DataFrame:
    """One row per user. UserProfile of an earlier date → UserTastes."""
    return UserTastes.shaped(profiles)


def carried_activity(profiles: DataFrame, left: DataFrame, *, as_of: datetime.date) -> DataFrame:
    """One row per user. UserProfile of an earlier date, LeftWindows since then → UserActivity."""
    windows = [c for c in LeftWindows.columns() if c != LeftWindows.user_id]
    gone = left.withColumnsRenamed({c: _gone(c) for c in windows})
    rest = {c: F.col(c) - F.coalesce(_gone(c), F.lit(0)) for c in windows}
    return with_dated(profiles.join(gone, UserProfile.user_id, "left").withColumns(rest), as_of)


def left_windows(
    lines: DataFrame, *, since: datetime.date, as_of: datetime.date, settings: ProfileSettings
) -> DataFrame:
    """One row per user. PastLine → LeftWindows, between the dates `since` and `as_of`.

    An order counts on the day of the first purchase in it. So of orders with a purchase on a day that left, older lines
    are looked for: they are rare, but such an order left the window before.
    """
    left_recent = _left(OrderLines.order_date, since, as_of, settings.recent_days)
    left_active = _left(OrderLines.order_date, since, as_of, settings.activity_days)
    named = lines.filter(F.col(OrderLines.user_id).isNotNull())
    spend = named.filter(left_recent).groupBy(OrderLines.user_id)
    order = [OrderLines.user_id, OrderLines.order_id]
    bought = named.filter(is_purchase())
    candidates = bought.filter(left_recent | left_active).select(*order).distinct()
    last_left = as_of - datetime.timedelta(min(settings.recent_days, settings.activity_days) + 1)
    active_day = F.when(_left(UserOrder.day, since, as_of, settings.activity_days), F.col(UserOrder.day))
    days = (
        bought.filter(F.col(OrderLines.order_date) <= F.lit(last_left))
        .select(*order, OrderLines.order_date)
        .join(F.broadcast(candidates), order, "left_semi")
        .groupBy(*order)
        .agg(F.min(OrderLines.order_date).alias(UserOrder.day))
        .groupBy(OrderLines.user_id)
        .agg(
            F.count_if(_left(UserOrder.day, since, as_of, settings.recent_days)).alias(LeftWindows.orders_90d),
            F.count_distinct(active_day).alias(LeftWindows.active_days_30d),
        )
    )
    return LeftWindows.shaped(
        spend.agg(F.sum(OrderLines.amount_paid).alias(LeftWindows.spend_90d)).join(days, OrderLines.user_id, "outer")
    )


def _left(day: str, since: datetime.date, as_of: datetime.date, window: int) -> Column:
    """Whether a day of before `since` was in a window of so many days then, and no longer is."""
    first, last = since - datetime.timedelta(window), min(since, as_of - datetime.timedelta(window))
    return (F.col(day) >= F.lit(first)) & (F.col(day) < F.lit(last))


def _gone(column: str) -> str:
    return f"{column}_gone"
