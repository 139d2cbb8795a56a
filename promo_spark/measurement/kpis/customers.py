"""What customers do: who comes back, how often and for how much, who leaves, and how much is ordered by cheats."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.schema import MONEY, Col, Frame, Personal
from promo_spark.contracts.silver import Events, OrderLines
from promo_spark.measurement.kpis.groups import PARTS, UserGroup
from promo_spark.measurement.kpis.rows import MONTH_DAYS, Days, days_before, kpi_rows_of, kpi_struct, sliced_sums
from promo_spark.measures.order_lines import is_purchase
from promo_spark.measures.ratios import ratio

FLAGGED = ("high", "blocked")  # tiers of accounts that a person has to look at, or that are stopped
REGULAR_DAYS = 2  # order days from which on it can be said that a buyer stays away
_LONG = T.LongType()
_BOOLEAN = T.BooleanType()


class UserDay(Frame):
    """One row per user and day with an order or an event; and of each day's sales of nobody in particular."""

    user_id = Col(T.StringType(), "the user; null: nobody in particular", personal=Personal.IDENTIFIER)
    day = Col(T.DateType(), "the day", required=True)
    orders = Col(_LONG, "orders with a purchase; 0: seen, but nothing ordered", required=True)
    paid = Col(MONEY, "amount paid for purchases", unit="currency", required=True)


class UserActivity(Frame):
    """One row per user who was seen in the days that are read, and one of nobody in particular."""

    user_id = UserDay.columns()[UserDay.user_id]
    orders = Col(_LONG, "orders of the month", required=True)
    paid = Col(MONEY, "amount paid for purchases of the month", unit="currency", required=True)
    visit_days = Col(_LONG, "days of the month on which the user was seen", required=True)
    seen_last_day = Col(_BOOLEAN, "seen on the last day", required=True)
    days_before_month = Col(_LONG, "days with an order in the churn_days before the month", required=True)
    ordered_lately = Col(_BOOLEAN, "ordered in the last churn_days", required=True)
    ordered_earlier = Col(_BOOLEAN, "ordered before these, in the days that are read", required=True)
    first_order_date = Col(T.DateType(), "the day of the first order of all; null: not known")
    next_order_date = Col(T.DateType(), "the next day with an order, of those that are read; null: none")


@dataclass(frozen=True)
class CustomerDays:
    """Which days count on a date: retention and churn look back so many days from the month, the rest at the month."""

    date: datetime.date
    retention_days: Sequence[int]
    churn_days: int

    @property
    def month(self) -> Days:
        """The last 30 days."""
        return days_before(self.date, MONTH_DAYS)

    @property
    def read(self) -> Days:
        """All days of which orders are read."""
        return days_before(self.date, MONTH_DAYS + max(*self.retention_days, self.churn_days))

    def cohort(self, days: int) -> Days:
        """The days of first orders that were followed by so many days before the date: 30 of them."""
        return days_before(self.date - datetime.timedelta(days), MONTH_DAYS)


def customer_figures(
    lines: DataFrame, events: DataFrame, *, groups: DataFrame, profiles: DataFrame, risk: DataFrame, days: CustomerDays
) -> DataFrame:
    """One row per figure and slice. OrderLines, Events, UserGroup, UserProfile, Risk → KpiRow.

    Lines are read once. First orders are those of features.user_profile: no history is read for them.
    """
    flagged = F.max_by(F.col(Risk.tier).isin(*FLAGGED), Risk.as_of).alias(_FLAGGED)
    users = (
        user_activity(user_days(lines, events, days), profiles, days)
        .join(groups, UserGroup.user_id, "left")
        .join(risk.groupBy(Risk.user_id).agg(flagged), Risk.user_id, "left")
    )
    sums = sliced_sums(users, PARTS, _sums(days))
    return kpi_rows_of(sums, _figures(days.retention_days))


def user_days(lines: DataFrame, events: DataFrame, days: CustomerDays) -> DataFrame:
    """One row per user and day. OrderLines, Events → UserDay.

    An order counts on its first day, whatever came back of it, and once: it is the user's whom any of its lines names.
    """
    orders = (
        lines.filter(is_purchase() & days.read.hold(OrderLines.order_date))
        .groupBy(OrderLines.order_id)
        .agg(
            F.max(OrderLines.user_id).alias(UserDay.user_id),
            F.min(OrderLines.order_date).alias(UserDay.day),
            F.sum(OrderLines.amount_paid).alias(UserDay.paid),
        )
        .withColumn(UserDay.orders, F.lit(1))
    )
    seen = events.filter(F.col(Events.user_id).isNotNull() & days.month.hold(Events.event_date))
    visits = seen.select(
        Events.user_id,
        F.col(Events.event_date).alias(UserDay.day),
        F.lit(0).alias(UserDay.orders),
        F.lit(0).alias(UserDay.paid),
    )
    both = UserDay.shaped(orders).unionByName(UserDay.shaped(visits))
    added = [F.sum(name).alias(name) for name in (UserDay.orders, UserDay.paid)]
    return UserDay.shaped(both.groupBy(UserDay.user_id, UserDay.day).agg(*added))


def user_activity(user_days: DataFrame, profiles: DataFrame, days: CustomerDays) -> DataFrame:
    """One row per user. UserDay, UserProfile → UserActivity."""
    day, ordered, in_month = F.col(UserDay.day), F.col(UserDay.orders) > 0, days.month.hold(UserDay.day)
    before_month, lately = days.month.before(days.churn_days), days_before(days.date, days.churn_days)
    first = F.col(UserProfile.first_order_date)
    firsts = profiles.select(UserProfile.user_id, UserProfile.first_order_date).hint("shuffle_hash")
    return UserActivity.shaped(
        user_days.join(firsts, UserProfile.user_id, "left")
        .groupBy(UserDay.user_id)
        .agg(
            F.sum(F.when(in_month, F.col(UserDay.orders)).otherwise(0)).alias(UserActivity.orders),
            F.sum(F.when(in_month, F.col(UserDay.paid)).otherwise(0)).alias(UserActivity.paid),
            F.count_if(in_month).alias(UserActivity.visit_days),
            F.bool_or(day == F.lit(days.month.last)).alias(UserActivity.seen_last_day),
            F.count_if(ordered & before_month.hold(day)).alias(UserActivity.days_before_month),
            F.bool_or(ordered & lately.hold(day)).alias(UserActivity.ordered_lately),
            F.bool_or(ordered & (day < F.lit(lately.first))).alias(UserActivity.ordered_earlier),
            F.max(first).alias(UserActivity.first_order_date),
            F.min(F.when(ordered & (day > first), day)).alias(UserActivity.next_order_date),
        )
    )


_FLAGGED = "flagged"
_BUYERS, _REPEAT_BUYERS, _ORDERS_OF_BUYERS = "buyers", "repeat_buyers", "orders_of_buyers"
_BASE, _OF_OLD, _CHURNED = "base", "of_old", "churned"
_DAILY, _MONTHLY, _VISITS = "daily", "monthly", "visits"
_SCORED_ORDERS, _FLAGGED_ORDERS = "scored_orders", "flagged_orders"


def _sums(days: CustomerDays) -> dict[str, Column]:
    """What is added up over users, of each of them."""
    known = F.col(UserActivity.user_id).isNotNull()
    orders, scored = F.col(UserActivity.orders), F.col(_FLAGGED).isNotNull()
    was_regular = F.col(UserActivity.days_before_month) >= REGULAR_DAYS
    sums = {
        UserActivity.orders: orders,
        UserActivity.paid: F.col(UserActivity.paid),
        _BUYERS: _one(known & (orders > 0)),
        _REPEAT_BUYERS: _one(known & (orders > 1)),
        _ORDERS_OF_BUYERS: F.when(known, orders),
        _BASE: _one(known & was_regular),
        _OF_OLD: _one(known & was_regular & F.col(UserActivity.ordered_earlier)),
        _CHURNED: _one(known & was_regular & ~F.col(UserActivity.ordered_lately)),
        _DAILY: _one(known & F.col(UserActivity.seen_last_day)),
        _MONTHLY: _one(known & (F.col(UserActivity.visit_days) > 0)),
        _VISITS: F.when(known, F.col(UserActivity.visit_days)),
        _SCORED_ORDERS: F.when(scored, orders),
        _FLAGGED_ORDERS: F.when(F.col(_FLAGGED), orders),
    }
    first, following = F.col(UserActivity.first_order_date), F.col(UserActivity.next_order_date)
    for n in days.retention_days:
        came = days.cohort(n).hold(first)
        again = following <= F.date_add(first, n)
        sums |= {f"cohort_{n}": _one(came), f"retained_{n}": _one(came & again)}
    return sums


def _figures(retention_days: Sequence[int]) -> list[Column]:
    """The figures of a slice, from its sums."""
    buyers, monthly = F.col(_BUYERS), F.col(_MONTHLY)
    orders, scored = F.col(UserActivity.orders), F.col(_SCORED_ORDERS)

    def figure(kpi: str, value: Column, n: Column) -> Column:
        return kpi_struct(kpi, of="slice", value=value, n=n)

    return [
        *(
            figure(f"retention_{n}d", ratio(F.col(f"retained_{n}"), F.col(f"cohort_{n}")), F.col(f"cohort_{n}"))
            for n in retention_days
        ),
        figure("repurchase_rate", ratio(F.col(_REPEAT_BUYERS), buyers), buyers),
        figure("conversion_rate", F.when(monthly > buyers, ratio(buyers, monthly)), monthly),
        figure("orders_per_user", ratio(F.col(_ORDERS_OF_BUYERS), buyers), buyers),
        figure("order_value", ratio(F.col(UserActivity.paid), orders), orders),
        # Of a history shorter than churn_days nobody can have left: that is not known, and not 0.
        figure("churn_rate", F.when(F.col(_OF_OLD) > 0, ratio(F.col(_CHURNED), F.col(_BASE))), F.col(_BASE)),
        figure("fraud_rate", ratio(F.col(_FLAGGED_ORDERS), scored), scored),
        figure("daily_users", F.col(_DAILY), F.col(_DAILY)),
        figure("monthly_users", monthly, monthly),
        figure("stickiness", ratio(F.col(_DAILY), monthly), monthly),
        figure("visit_frequency", ratio(F.col(_VISITS), monthly), monthly),
    ]


def _one(condition: Column) -> Column:
    return F.when(condition, F.lit(1).cast("long"))
