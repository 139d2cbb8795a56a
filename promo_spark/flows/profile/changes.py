"""What changed since the date that profile goes on from."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.silver import OrderLines, Products, Users
from promo_spark.features.line_changes import LineChange, line_changes
from promo_spark.features.past_lines import PastLine, past_lines
from promo_spark.features.products.carried import moved_products
from promo_spark.features.users.carried import with_purchases
from promo_spark.measures.computed import computed
from promo_spark.measures.consent import PermissionChange, permission_changes
from promo_spark.runtime.earlier_runs import EarlierRun
from promo_spark.runtime.job import Context
from promo_spark.settings.profile import ProfileSettings
from promo_spark.storage.jvm import SparkFailure

_FEW_USERS = 10_000


@dataclass(frozen=True)
class Changes:
    """What is not as it was when an earlier date was profiled.

    `days` are the days before that date whose lines may have been corrected, `then` their lines as they were.
    `moved` has one row per user and product with lines, of products that are new in the catalogue or stand in another
    category. `users` are those whose profile must be made anew, if they may be profiled.
    """

    since: EarlierRun
    days: Sequence[datetime.date]
    first_day: datetime.date  # the first day with a line that came or went; without any before it, the earlier date
    then: DataFrame  # PastLine
    lines: DataFrame  # LineChange
    moved: DataFrame  # user_id, product_id
    permissions: DataFrame  # PermissionChange
    users: DataFrame  # user_id


def changes(ctx: Context[ProfileSettings], products: DataFrame) -> Changes | None:
    """What changed since the newest date that can be gone on from; None: all is to be made anew.

    So it is, too, where most users changed: then nothing is saved.
    """
    since = ctx.earlier_run(ctx.settings.follow_days)
    days = ctx.days_changed(OrderLines, since) if since else None
    if since is None or days is None:
        return None
    days = [day for day in days if day < since.date]
    try:
        found = _changes(ctx, since, days, products)
        users = found.users.count()
        if users > _FEW_USERS and 2 * users > with_purchases(ctx.own_rows(UserProfile, since)).count():
            return None
    except SparkFailure as error:
        ctx.note(f"cannot go on from {since.date} ({type(error).__name__}): all is made anew")
        return None  # an older version is gone, most likely; else making all fails too and says why
    ctx.note(f"goes on from {since.date}: {len(days)} earlier days changed, {users} users are profiled anew")
    return found


def _changes(
    ctx: Context[ProfileSettings], since: EarlierRun, days: Sequence[datetime.date], products: DataFrame
) -> Changes:
    day, past = F.col(OrderLines.order_date), past_lines(ctx.read_everyone(OrderLines), ctx.date)
    then = PastLine.frame(ctx.spark)
    if days:
        then = past_lines(ctx.read_then(OrderLines, since), since.date).filter(day.isin(list(days)))
    now = past.filter(day.isin(list(days)) | (day >= F.lit(since.date)))
    lines = computed(line_changes(then, now))
    first_day = lines.agg(F.min(LineChange.order_date)).collect()[0][0]
    moved = _moved(ctx, since, products, past.filter(day < F.lit(since.date)))
    permissions = _permissions(ctx, since)
    permitted = permissions.filter(F.col(PermissionChange.may)).select(Users.user_id)
    users = lines.select(OrderLines.user_id).union(moved.select(OrderLines.user_id)).union(permitted)
    users = computed(users.filter(F.col(OrderLines.user_id).isNotNull()).distinct())
    return Changes(since, days, min(first_day or since.date, since.date), then, lines, moved, permissions, users)


def _moved(ctx: Context[ProfileSettings], since: EarlierRun, products: DataFrame, past: DataFrame) -> DataFrame:
    """One row per user and product with lines, of products that moved in the catalogue: user_id, product_id."""
    pairs = past.select(OrderLines.user_id, OrderLines.product_id)
    if ctx.unchanged(Products, since):
        return pairs.limit(0)
    moved = computed(moved_products(ctx.own_rows(ProductProfile, since), products, ctx.business))
    return computed(pairs.join(F.broadcast(moved), Products.product_id, "left_semi").distinct())


def _permissions(ctx: Context[ProfileSettings], since: EarlierRun) -> DataFrame:
    """One row per user who may be profiled now and could not be then, or the other way round. → PermissionChange."""
    if ctx.unchanged(Users, since):
        return PermissionChange.frame(ctx.spark)
    unknown = ctx.business.privacy.unknown_profiling_consent
    then, now = ctx.read_then(Users, since), ctx.read_everyone(Users)
    return computed(permission_changes(then, now, unknown_consent=unknown))
