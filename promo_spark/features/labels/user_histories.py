"""What each user did before a date, in one row: gathered by Spark once, read by arrays for any day before the date."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.predictions import BOUGHT, BoughtEntry, UserHistory
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions, Users
from promo_spark.measures.kept_purchases import taken_back_whole
from promo_spark.measures.order_lines import is_sale, total_discount

_FIRST = datetime.date(1970, 1, 1)
_LISTS = {
    UserHistory.bought: f"array<{BOUGHT.simpleString()}>",
    UserHistory.returned: "array<string>",
    UserHistory.contacts: "array<int>",
    UserHistory.redemptions: "array<int>",
    UserHistory.recommended: "array<string>",
}


def user_histories(
    lines: DataFrame,
    *,
    users: DataFrame,
    campaigns: DataFrame,
    contacts: DataFrame,
    redemptions: DataFrame,
    as_of: datetime.date,
    days: int,
    timezone: str,
) -> DataFrame:
    """One row per user who bought in the `days` before `as_of`, or had registered by then. OrderLines → UserHistory.

    What happened on `as_of` or later, or before the days, is not in it. A contact without a day is of its campaign's
    first day. Nothing is recommended yet.
    """
    since = as_of - datetime.timedelta(days)
    past = lines.filter((F.col(OrderLines.order_date) >= F.lit(since)) & (F.col(OrderLines.order_date) < F.lit(as_of)))
    registered_on = F.to_date(F.from_utc_timestamp(Users.registered_at, timezone))
    registered = users.filter(registered_on < F.lit(as_of)).select(
        Users.user_id, F.date_diff(registered_on, F.lit(_FIRST)).alias(UserHistory.registered)
    )
    rows = _bought(past).join(registered, UserHistory.user_id, "full")
    for part in (
        _returned(past),
        _days(_sent(contacts, campaigns), Contacts.contacted_on, UserHistory.contacts, since, as_of),
        _days(redemptions, Redemptions.redeemed_on, UserHistory.redemptions, since, as_of),
    ):
        rows = rows.join(part, UserHistory.user_id, "left")
    rows = rows.withColumn(UserHistory.recommended, F.lit(None).cast(_LISTS[UserHistory.recommended]))
    empty = {name: F.coalesce(name, F.array().cast(kind)) for name, kind in _LISTS.items()}
    return UserHistory.conform(rows.withColumns(empty))


def _bought(past: DataFrame) -> DataFrame:
    """One row per user: purchases by day and product, in order. OrderLines → user_id, bought."""
    day = F.date_diff(OrderLines.order_date, F.lit(_FIRST)).alias(BoughtEntry.day)
    of_day = (
        past.filter(is_sale() & F.col(OrderLines.user_id).isNotNull())
        .repartition(OrderLines.user_id)  # once for both sums
        .groupBy(OrderLines.user_id, day, F.col(OrderLines.product_id).alias(BoughtEntry.product_id))
        .agg(
            (F.sum(OrderLines.quantity) * 1000).cast("long").alias(BoughtEntry.units),
            (F.sum(OrderLines.amount_paid) * 100).cast("long").alias(BoughtEntry.cents),
            F.count("*").cast("int").alias(BoughtEntry.lines),
            F.count_if(total_discount() > 0).cast("int").alias(BoughtEntry.discounted),
        )
    )
    entry = F.struct(*BoughtEntry.columns())
    return of_day.groupBy(OrderLines.user_id).agg(F.array_sort(F.collect_list(entry)).alias(UserHistory.bought))


def _returned(past: DataFrame) -> DataFrame:
    """One row per user who took products back whole. OrderLines → user_id, returned."""
    products = F.array_sort(F.collect_set(OrderLines.product_id)).alias(UserHistory.returned)
    return taken_back_whole(past).groupBy(OrderLines.user_id).agg(products)


def _sent(contacts: DataFrame, campaigns: DataFrame) -> DataFrame:
    """Contacts with a day. Contacts, Campaigns → user_id, contacted_on."""
    start = campaigns.select(Campaigns.campaign_id, Campaigns.start_date)
    sent_on = F.coalesce(Contacts.contacted_on, Campaigns.start_date)
    joined = contacts.join(F.broadcast(start), Contacts.campaign_id, "left")
    return joined.select(Contacts.user_id, sent_on.alias(Contacts.contacted_on))


def _days(rows: DataFrame, day: str, name: str, since: datetime.date, as_of: datetime.date) -> DataFrame:
    """One row per user: the days from `since` on and before `as_of`, sorted, each once."""
    inside = rows.filter((F.col(day) >= F.lit(since)) & (F.col(day) < F.lit(as_of)))
    numbers = F.collect_set(F.date_diff(day, F.lit(_FIRST)))
    return inside.groupBy(UserHistory.user_id).agg(F.array_sort(numbers).alias(name))
