"""What each user did before a date and which offers came, in one row: gathered by Spark once, then read by arrays."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.responses import DAY, MESSAGE, DayEntry, MessageEntry, ResponseHistory
from promo_spark.contracts.silver import Assignments, Campaigns, Contacts, Coupons, Exposures, OrderLines, Redemptions
from promo_spark.measures.order_lines import is_sale, total_discount
from promo_spark.models.uplift.explored_draws import draw_messages
from promo_spark.models.uplift.told import Message, Told, day_number, whole_cents, with_weight
from promo_spark.settings.uplift import UpliftSettings

_TOLD = "told"
_PAIR = [Contacts.campaign_id, Contacts.user_id]


@dataclass(frozen=True)
class Offered:
    """What a shop has told of its offers."""

    campaigns: DataFrame
    contacts: DataFrame
    coupons: DataFrame
    assignments: DataFrame  # of sound experiments
    exposures: DataFrame
    redemptions: DataFrame
    draws: DataFrame | None = None  # ExploredDraw; None: nobody was explored


def response_histories(
    lines: DataFrame, offered: Offered, *, as_of: datetime.date, settings: UpliftSettings
) -> DataFrame:
    """One row per user who bought in the days before `as_of`. OrderLines and what was offered → ResponseHistory."""
    since = as_of - datetime.timedelta(settings.history_days)
    sales = lines.filter(
        is_sale() & (F.col(OrderLines.order_date) >= F.lit(since)) & (F.col(OrderLines.order_date) < F.lit(as_of))
    )
    days = _days(sales)
    told = told_users(offered, since=since, as_of=as_of, settings=settings)
    messages = campaign_messages(sales, told, offered)
    if offered.draws is not None:
        messages = messages.unionByName(draw_messages(sales, offered.draws))
    messages = _lists(messages, offered.exposures)
    rows = days.join(messages, ResponseHistory.user_id, "left")
    none = F.array().cast(T.ArrayType(MESSAGE))
    return ResponseHistory.conform(
        rows.withColumn(ResponseHistory.messages, F.coalesce(ResponseHistory.messages, none))
    )


def told_users(offered: Offered, *, since: datetime.date, as_of: datetime.date, settings: UpliftSettings) -> DataFrame:
    """One row per campaign and user, of campaigns that began between the days. Contacts, Assignments → Told."""
    campaigns = offered.campaigns.select(Campaigns.campaign_id, Campaigns.start_date, Campaigns.end_date)
    contacts = offered.contacts.select(*_PAIR, Contacts.contacted_on)
    arm = [Assignments.campaign_id, Assignments.arm]
    of_arm = with_weight(offered.assignments, arm=arm, propensity=Assignments.propensity).select(
        *_PAIR, Assignments.arm, Assignments.mechanic, Assignments.depth, Assignments.assigned_on, Told.weight
    )
    joined = contacts.join(of_arm, _PAIR, "full").join(F.broadcast(campaigns), Contacts.campaign_id)
    begins = F.coalesce(Assignments.assigned_on, Contacts.contacted_on, Campaigns.start_date)
    start = day_number(begins)
    ends = F.least(day_number(Campaigns.end_date) + 1, start + settings.most_days)
    in_experiment = F.col(Assignments.arm).isNotNull()
    treated = in_experiment & (F.col(Assignments.depth) > 0)
    saving = F.when(treated, F.col(Assignments.depth).cast("double")).when(in_experiment, F.lit(0.0))
    mechanic = F.when(treated, F.coalesce(Assignments.mechanic, F.lit("coupon"))).when(in_experiment, F.lit(""))
    told = joined.withColumns(
        {
            Told.start: start,
            Told.end: F.greatest(ends, start + 1),
            Told.saving: F.coalesce(saving, F.lit(settings.unknown_saving)),
            Told.mechanic: mechanic,
        }
    )
    return Told.shaped(told.filter((begins >= F.lit(since)) & (begins < F.lit(as_of))))


def _days(sales: DataFrame) -> DataFrame:
    """One row per user. OrderLines → user_id, days."""
    day = day_number(OrderLines.order_date).alias(DayEntry.day)
    of_day = sales.groupBy(OrderLines.user_id, day).agg(
        whole_cents(F.sum(OrderLines.amount_paid)).alias(DayEntry.cents),
        whole_cents(F.sum(total_discount())).alias(DayEntry.off_cents),
        F.count("*").cast("int").alias(DayEntry.lines),
    )
    entry = F.struct(*(field.name for field in DAY))
    return of_day.groupBy(OrderLines.user_id).agg(F.array_sort(F.collect_list(entry)).alias(ResponseHistory.days))


def campaign_messages(sales: DataFrame, told: DataFrame, offered: Offered) -> DataFrame:
    """One row per campaign and user. OrderLines, Told → Message."""
    scopes = offered.coupons.select(Coupons.campaign_id, Coupons.product_id).distinct()
    rows = (
        told.join(_scoped(sales, told, scopes), _PAIR, "left")
        .join(_used(told, offered.redemptions), _PAIR, "left")
        .join(F.broadcast(_usual(sales, offered.campaigns, scopes)), Contacts.campaign_id, "left")
    )
    nothing = F.lit(0).cast("long")
    none = F.lit(None).cast("long")
    return Message.shaped(
        rows.withColumns(
            {
                Message.used: F.coalesce(F.col(Message.used), F.lit(False)),
                Message.whole_shop: F.col(Message.usual_share).isNull(),
                **{name: F.coalesce(F.col(name), nothing) for name in _SUMS},
                Message.usual_share: F.coalesce(F.col(Message.usual_share), F.lit(1.0)),
                Message.usual_lines: F.coalesce(F.col(Message.usual_lines), F.lit(0.0)),
                Message.least_cents: none,
                Message.reached_before: none,
                Message.explored: F.lit(False),
            }
        )
    )


_SUMS = (Message.cents_before, Message.lines_before, Message.lines_held)


def _lists(messages: DataFrame, exposures: DataFrame) -> DataFrame:
    """One row per user. Message, Exposures → user_id, messages."""
    rows = messages.join(_opened(exposures), _PAIR, "left").join(
        F.broadcast(_tracked(exposures)), Contacts.campaign_id, "left"
    )
    nobody_says = F.col(_TRACKED).isNull()
    opened = F.coalesce(F.col(MessageEntry.opened), nobody_says).alias(MessageEntry.opened)
    entry = F.struct(*(opened if field.name == MessageEntry.opened else F.col(field.name) for field in MESSAGE))
    of_user = rows.select(Told.user_id, entry.alias(_TOLD)).groupBy(Told.user_id)
    return of_user.agg(F.array_sort(F.collect_list(_TOLD)).alias(ResponseHistory.messages))


_TRACKED = "tracked"


def _scoped(sales: DataFrame, told: DataFrame, scopes: DataFrame) -> DataFrame:
    """One row per campaign and user who bought what it is good for. OrderLines, Told → their sums."""
    own = told.select(*_PAIR, Told.start, Told.end)
    day = day_number(OrderLines.order_date)
    before, held = day < F.col(Told.start), day.between(F.col(Told.start), F.col(Told.end) - 1)
    return (
        sales.join(F.broadcast(scopes), Coupons.product_id)
        .join(own, _PAIR)
        .groupBy(*_PAIR)
        .agg(
            whole_cents(F.sum(F.when(before, F.col(OrderLines.amount_paid)))).alias(MessageEntry.cents_before),
            F.count_if(before).alias(MessageEntry.lines_before),
            F.count_if(held).alias(MessageEntry.lines_held),
        )
    )


def _usual(sales: DataFrame, campaigns: DataFrame, scopes: DataFrame) -> DataFrame:
    """One row per campaign that is good for some products only: what all users bought of them before it."""
    begin = F.broadcast(campaigns.select(Campaigns.campaign_id, Campaigns.start_date))
    before = F.col(OrderLines.order_date) < F.col(Campaigns.start_date)
    scoped = (
        sales.join(F.broadcast(scopes), Coupons.product_id)
        .join(begin, Campaigns.campaign_id)
        .groupBy(Campaigns.campaign_id)
        .agg(
            F.sum(F.when(before, F.col(OrderLines.amount_paid))).cast("double").alias(MessageEntry.usual_share),
            F.count_if(before).alias(MessageEntry.usual_lines),
        )
    )
    of_day = sales.groupBy(OrderLines.order_date).agg(
        F.sum(OrderLines.amount_paid).alias(OrderLines.amount_paid),
        F.count_distinct(OrderLines.user_id).alias(_TOLD),
    )
    whole = (
        begin.join(F.broadcast(of_day), before)
        .groupBy(Campaigns.campaign_id)
        .agg(F.sum(OrderLines.amount_paid).cast("double").alias(OrderLines.amount_paid), F.sum(_TOLD).alias(_TOLD))
    )
    some = scopes.select(Coupons.campaign_id).distinct()
    share = F.coalesce(F.col(MessageEntry.usual_share) / F.nullif(OrderLines.amount_paid, F.lit(0.0)), F.lit(0.0))
    lines = F.coalesce(F.col(MessageEntry.usual_lines) / F.nullif(_TOLD, F.lit(0)), F.lit(0.0))
    return (
        some.join(scoped, Campaigns.campaign_id, "left")
        .join(whole, Campaigns.campaign_id, "left")
        .select(
            Campaigns.campaign_id,
            share.alias(MessageEntry.usual_share),
            lines.cast("double").alias(MessageEntry.usual_lines),
        )
    )


def _used(told: DataFrame, redemptions: DataFrame) -> DataFrame:
    """One row per campaign and user who redeemed it while it held."""
    day = day_number(Redemptions.redeemed_on)
    own = told.select(*_PAIR, Told.start, Told.end)
    return (
        redemptions.select(*_PAIR, Redemptions.redeemed_on)
        .join(own, _PAIR)
        .filter(day.between(F.col(Told.start), F.col(Told.end) - 1))
        .select(*_PAIR, F.lit(True).alias(MessageEntry.used))
        .distinct()
    )


def _opened(exposures: DataFrame) -> DataFrame:
    """One row per campaign and user it went out to: whether it was opened by any channel."""
    opened = F.max(F.col(Exposures.opened_at).isNotNull())
    campaign = F.col(Exposures.promotion_id).alias(Contacts.campaign_id)
    return exposures.groupBy(campaign, Exposures.user_id).agg(opened.alias(MessageEntry.opened))


def _tracked(exposures: DataFrame) -> DataFrame:
    """One row per campaign of which somebody says who opened it."""
    told = exposures.filter(F.col(Exposures.opened_at).isNotNull())
    return told.select(
        F.col(Exposures.promotion_id).alias(Contacts.campaign_id), F.lit(True).alias(_TRACKED)
    ).distinct()
