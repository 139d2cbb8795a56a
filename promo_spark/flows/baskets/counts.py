"""In how many baskets of the window sets of items are: counted, or carried on from an earlier date."""

from __future__ import annotations

import datetime
from collections.abc import Collection

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.models import ItemsetCounts
from promo_spark.contracts.silver import OrderLines, Products, Users
from promo_spark.measures.consent import permission_changes, profiled
from promo_spark.models.baskets.baskets import BASKET, basket_items, lines_in_window, moved_items, product_items
from promo_spark.models.baskets.counts import FittedItemsets, SetCounts, counted, stored_counts
from promo_spark.runtime.earlier_runs import EarlierRun
from promo_spark.runtime.job import Context
from promo_spark.settings.baskets import BasketsSettings
from promo_spark.storage.jvm import SparkFailure


def set_counts_of_date(ctx: Context[BasketsSettings], fitted: FittedItemsets, products: DataFrame) -> SetCounts:
    """In how many baskets of the date's window the fitted sets are, the same whether it goes on or counts all."""
    since = ctx.earlier_run(ctx.settings.follow_days, [ItemsetCounts])
    before = stored_counts(ctx.own_rows(ItemsetCounts, since), fitted) if since else None
    if since and before:
        try:
            went_on = _carried(ctx, since, before, fitted, products)
        except SparkFailure as error:
            went_on = None  # an older version is gone, most likely; else counting all fails too and says why
            ctx.note(f"cannot go on from {since.date} ({type(error).__name__})")
        if went_on:
            return went_on
    ctx.say("counting the baskets of all days")
    lines = lines_in_window(ctx.read(OrderLines), ctx.date, ctx.settings.history_days)
    return counted(basket_items(lines, product_items(products, fitted.level, ctx.business)), fitted)


def _carried(
    ctx: Context[BasketsSettings], since: EarlierRun, before: SetCounts, fitted: FittedItemsets, products: DataFrame
) -> SetCounts | None:
    """The counts of an earlier date, less the baskets that left or changed, and with those that came or changed.

    None: too much has changed to save anything by it.
    """
    changed = ctx.days_changed(OrderLines, since)
    if changed is None:
        return None
    level = fitted.level
    then, now = (_window(date, ctx.settings.history_days) for date in (since.date, ctx.date))
    items_then = product_items(ctx.read_then(Products, since), level, ctx.business)
    items_now = product_items(products, level, ctx.business)
    in_both = then & now
    if not ctx.unchanged(Products, since):
        changed = changed + _days_with(ctx, moved_items(items_then, items_now), in_both)
    if len(in_both.intersection(changed)) * 2 > len(in_both):
        return None
    same = in_both.difference(changed)
    lines_then = _of_days(ctx.read_then(OrderLines, since), then - same)
    lines_now = _of_days(ctx.read_everyone(OrderLines), now - same)
    users_then, users_now = ctx.read_then(Users, since), ctx.read_everyone(Users)
    unknown = ctx.business.privacy.unknown_profiling_consent
    if not ctx.unchanged(Users, since):
        users = ctx.keep(permission_changes(users_then, users_now, unknown_consent=unknown))
        if not users.isEmpty():
            theirs = _baskets_with(_of_days(ctx.read_everyone(OrderLines), same), users)
            lines_then, lines_now = lines_then.unionByName(theirs), lines_now.unionByName(theirs)
    gone = counted(basket_items(profiled(lines_then, users_then, unknown_consent=unknown), items_then), fitted)
    came = counted(basket_items(profiled(lines_now, users_now, unknown_consent=unknown), items_now), fitted)
    ctx.note(
        f"goes on from {since.date}: {gone.baskets:,} baskets left or changed, {came.baskets:,} came or changed, "
        f"of {before.baskets:,}"
    )
    return before - gone + came


def _window(date: datetime.date, days: int) -> set[datetime.date]:
    """The days whose baskets count as of a date."""
    return {date - datetime.timedelta(n) for n in range(1, days + 1)}


def _days_with(
    ctx: Context[BasketsSettings], products: DataFrame, days: Collection[datetime.date]
) -> list[datetime.date]:
    """Those of the days on which a product was bought. product_id →"""
    lines = _of_days(ctx.read_everyone(OrderLines), days).join(
        F.broadcast(products), OrderLines.product_id, "left_semi"
    )
    return [row[0] for row in lines.select(OrderLines.order_date).distinct().collect()]


def _of_days(lines: DataFrame, days: Collection[datetime.date]) -> DataFrame:
    return lines.filter(F.col(OrderLines.order_date).isin(sorted(days)))


def _baskets_with(lines: DataFrame, users: DataFrame) -> DataFrame:
    """The lines of baskets that hold a line of one of the users. OrderLines, user_id → OrderLines."""
    baskets = lines.join(F.broadcast(users), OrderLines.user_id, "left_semi").select(*BASKET).distinct()
    return lines.join(F.broadcast(baskets), list(BASKET), "left_semi")
