"""How often, how recently and for how much each user orders."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ChannelOrders, UserProfile
from promo_spark.contracts.schema import MONEY, QUANTITY, Col, Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.cadence import between_neighbours, due_date, median, median_gap
from promo_spark.measures.kept_purchases import TakenBack
from promo_spark.measures.order_lines import is_purchase, lines_before, of_purchases, total_discount
from promo_spark.measures.ratios import ratio, share
from promo_spark.settings.profile import ProfileSettings

_MONTH = 30
_ORDER_DAYS, _IN_CHANNELS = "order_days", "orders_in_channels"
_PROFILE, _LINES = UserProfile.columns(), OrderLines.columns()


class UserOrder(Frame):
    """One row per user and order of the past; day, store and channel are null where all its lines are returns."""

    user_id = _LINES[OrderLines.user_id]
    order_id = _LINES[OrderLines.order_id]
    day = Col(T.DateType(), "the day of the first purchase in it")
    store_id = _LINES[OrderLines.store_id]
    channel = _LINES[OrderLines.channel]
    lines = Col(T.LongType(), "its lines, returns too", required=True)
    spend = Col(MONEY, "amount paid, less returns", required=True)
    recent_spend = Col(MONEY, "the same, of the recent days", required=True)
    bought_lines = Col(T.LongType(), "its lines that are purchases", required=True)
    bought_units = Col(QUANTITY, "units bought in it", unit="units")
    bought_amount = Col(MONEY, "amount paid for purchases")
    list_amount = Col(MONEY, "list amount of purchases")
    discount = Col(MONEY, "all discounts of purchases")
    discounted_lines = Col(T.LongType(), "purchases with a discount", required=True)
    basket_amount = Col(MONEY, "amount paid for purchases; null where all of them were taken back")
    basket_lines = Col(T.LongType(), "its lines that are purchases; null where all of them were taken back")


class UserActivity(Frame):
    """One row per user with order lines before the date: the order columns of UserProfile, and spend_per_30d."""

    user_id = _PROFILE[UserProfile.user_id]
    orders = _PROFILE[UserProfile.orders]
    lines = _PROFILE[UserProfile.lines]
    spend = _PROFILE[UserProfile.spend]
    orders_90d = _PROFILE[UserProfile.orders_90d]
    spend_90d = _PROFILE[UserProfile.spend_90d]
    active_days_30d = _PROFILE[UserProfile.active_days_30d]
    first_order_date = _PROFILE[UserProfile.first_order_date]
    last_order_date = _PROFILE[UserProfile.last_order_date]
    recency_days = _PROFILE[UserProfile.recency_days]
    tenure_days = _PROFILE[UserProfile.tenure_days]
    orders_per_30d = _PROFILE[UserProfile.orders_per_30d]
    spend_per_30d = Col(T.DoubleType(), "spend per 30 days of tenure: what purchasing power is ranked by")
    basket_value = _PROFILE[UserProfile.basket_value]
    basket_median = _PROFILE[UserProfile.basket_median]
    basket_lines = _PROFILE[UserProfile.basket_lines]
    discount_share = _PROFILE[UserProfile.discount_share]
    discounted_lines_share = _PROFILE[UserProfile.discounted_lines_share]
    return_lines_share = _PROFILE[UserProfile.return_lines_share]
    cadence_days = _PROFILE[UserProfile.cadence_days]
    due_date = _PROFILE[UserProfile.due_date]
    main_store_id = _PROFILE[UserProfile.main_store_id]
    main_channel = _PROFILE[UserProfile.main_channel]
    orders_by_channel = _PROFILE[UserProfile.orders_by_channel]
    channel_change_days = _PROFILE[UserProfile.channel_change_days]


_SUMMED = (
    UserOrder.bought_lines,
    UserOrder.bought_amount,
    UserOrder.list_amount,
    UserOrder.discount,
    UserOrder.discounted_lines,
)


def user_activity(lines: DataFrame, taken: DataFrame, *, as_of: datetime.date, settings: ProfileSettings) -> DataFrame:
    """One row per user with order lines before `as_of`. OrderLines, TakenBack of those before `as_of` → UserActivity.

    An order is an order id with at least one purchase; one that was taken back whole is no basket. Rates per 30 days
    take a tenure of at least 30 days, so that a first order of yesterday is not blown up to a month of them.
    """
    recent_days = settings.recent_days
    orders = _user_orders(lines_before(lines, as_of), taken, as_of, recent_days)
    per_user = _per_user(orders, as_of, recent_days)
    days, bought_lines = F.col(_ORDER_DAYS), F.col(UserOrder.bought_lines)
    last = F.array_max(days)
    in_channels = F.col(_IN_CHANNELS)
    active_days = F.filter(days, lambda day: F.date_diff(F.lit(as_of), day) <= settings.activity_days)
    return with_dated(
        per_user.withColumns(
            {
                UserActivity.active_days_30d: F.size(active_days),
                UserActivity.first_order_date: F.array_min(days),
                UserActivity.last_order_date: last,
                UserActivity.discount_share: share(F.col(UserOrder.discount), F.col(UserOrder.list_amount)),
                UserActivity.discounted_lines_share: share(F.col(UserOrder.discounted_lines), bought_lines),
                UserActivity.return_lines_share: _of_buyers(1 - share(bought_lines, F.col(UserActivity.lines))),
                UserActivity.cadence_days: median_gap(days),
                UserActivity.due_date: due_date(last, median_gap(days)),
                UserActivity.orders_by_channel: _orders_by_channel(in_channels),
                UserActivity.channel_change_days: _channel_change_days(in_channels),
            }
        ),
        as_of,
    )


def with_dated(rows: DataFrame, as_of: datetime.date) -> DataFrame:
    """Rows with the other columns of UserActivity → UserActivity, with what follows from them and the date."""
    tenure = F.date_diff(F.lit(as_of), UserActivity.first_order_date)
    months = F.greatest(tenure, F.lit(_MONTH)) / _MONTH
    return UserActivity.shaped(
        rows.withColumns(
            {
                UserActivity.recency_days: F.date_diff(F.lit(as_of), UserActivity.last_order_date),
                UserActivity.tenure_days: tenure,
                UserActivity.orders_per_30d: F.col(UserActivity.orders) / months,
                UserActivity.spend_per_30d: F.col(UserActivity.spend).cast("double") / months,
            }
        )
    )


def _per_user(orders: DataFrame, as_of: datetime.date, recent_days: int) -> DataFrame:
    """One row per user: sums over the orders, and the days with an order, sorted."""
    return orders.groupBy(UserOrder.user_id).agg(
        F.count(UserOrder.day).alias(UserActivity.orders),
        F.sum(UserOrder.lines).alias(UserActivity.lines),
        F.sum(UserOrder.spend).cast(MONEY).alias(UserActivity.spend),
        F.count_if(F.date_diff(F.lit(as_of), UserOrder.day) <= recent_days).alias(UserActivity.orders_90d),
        F.sum(UserOrder.recent_spend).cast(MONEY).alias(UserActivity.spend_90d),
        F.sort_array(F.collect_set(UserOrder.day)).alias(_ORDER_DAYS),
        ratio(F.sum(UserOrder.basket_amount), F.count(UserOrder.basket_amount)).alias(UserActivity.basket_value),
        F.percentile(F.col(UserOrder.basket_amount).cast("double"), 0.5).alias(UserActivity.basket_median),
        ratio(F.sum(UserOrder.basket_lines), F.count(UserOrder.basket_lines)).alias(UserActivity.basket_lines),
        # ties go to the smaller id
        F.mode(UserOrder.store_id, deterministic=True).alias(UserActivity.main_store_id),
        F.mode(UserOrder.channel, deterministic=True).alias(UserActivity.main_channel),
        F.sort_array(F.collect_list(F.when(F.col(UserOrder.channel).isNotNull(), F.struct(*_IN_CHANNEL)))).alias(
            _IN_CHANNELS
        ),
        *[F.sum(c).alias(c) for c in _SUMMED],
    )


_IN_CHANNEL = (UserOrder.day, UserOrder.order_id, UserOrder.channel)


def _orders_by_channel(in_channels: Column) -> Column:
    """Entries of UserProfile.orders_by_channel, most orders first, then by name. Of _IN_CHANNEL, sorted."""
    channels = F.transform(in_channels, lambda order: order[UserOrder.channel])

    def counted(channel: Column) -> Column:
        count = F.size(F.filter(channels, lambda other: other == channel)).cast("bigint")
        return F.struct(
            (-count).alias(_FEWEST), channel.alias(ChannelOrders.channel), count.alias(ChannelOrders.orders)
        )

    entries = F.sort_array(F.transform(F.array_distinct(channels), counted))
    return F.transform(entries, lambda e: F.struct(e[ChannelOrders.channel], e[ChannelOrders.orders])).cast(
        UserProfile.type_of(UserProfile.orders_by_channel)
    )


_FEWEST = "fewest"


def _channel_change_days(in_channels: Column) -> Column:
    """The median days from an order to the next, of those in another channel. Of _IN_CHANNEL, sorted by day."""

    def days_between(now: Column, before: Column) -> Column:
        days = F.date_diff(now[UserOrder.day], before[UserOrder.day])
        return F.when(now[UserOrder.channel] != before[UserOrder.channel], days)

    return median(F.array_compact(between_neighbours(in_channels, days_between)))


def _of_buyers(value: Column) -> Column:
    return F.when(F.col(UserActivity.orders) > 0, value)


def _user_orders(past: DataFrame, taken: DataFrame, as_of: datetime.date, recent_days: int) -> DataFrame:
    """One row per user and order id. OrderLines, TakenBack → UserOrder."""
    taken_back_units = F.sum(TakenBack.taken_back_units).alias(TakenBack.taken_back_units)
    of_orders = taken.groupBy(UserOrder.user_id, UserOrder.order_id).agg(taken_back_units)
    recent = F.date_diff(F.lit(as_of), OrderLines.order_date) <= recent_days
    is_basket = F.col(UserOrder.bought_units) > F.coalesce(TakenBack.taken_back_units, F.lit(0))
    return (
        past.filter(F.col(OrderLines.user_id).isNotNull())
        .groupBy(OrderLines.user_id, OrderLines.order_id)
        .agg(
            F.min(of_purchases(OrderLines.order_date)).alias(UserOrder.day),
            F.min(of_purchases(OrderLines.store_id)).alias(UserOrder.store_id),
            F.min(of_purchases(OrderLines.channel)).alias(UserOrder.channel),
            F.count("*").alias(UserOrder.lines),
            F.sum(OrderLines.amount_paid).alias(UserOrder.spend),
            F.sum(F.when(recent, F.col(OrderLines.amount_paid)).otherwise(0)).alias(UserOrder.recent_spend),
            F.count_if(is_purchase()).alias(UserOrder.bought_lines),
            F.sum(of_purchases(OrderLines.quantity)).alias(UserOrder.bought_units),
            F.sum(of_purchases(OrderLines.amount_paid)).alias(UserOrder.bought_amount),
            F.sum(of_purchases(OrderLines.list_amount)).alias(UserOrder.list_amount),
            F.sum(of_purchases(total_discount())).alias(UserOrder.discount),
            F.count_if(is_purchase() & (total_discount() > 0)).alias(UserOrder.discounted_lines),
        )
        .join(of_orders, [UserOrder.user_id, UserOrder.order_id], "left")
        .withColumns(
            {
                UserOrder.basket_amount: F.when(is_basket, F.col(UserOrder.bought_amount)),
                UserOrder.basket_lines: F.when(is_basket, F.col(UserOrder.bought_lines)),
            }
        )
    )
