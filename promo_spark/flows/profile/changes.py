"""What changed since the date that profile goes on from."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import OrderLines, Products, Users
from promo_spark.features.line_changes import LineChange, line_changes
from promo_spark.features.past_lines import past_lines
from promo_spark.features.products.carried import moved_products
from promo_spark.measures.consent import PermissionChange, permission_changes
from promo_spark.runtime.earlier_runs import EarlierRun
from promo_spark.runtime.job import Context
from promo_spark.settings.profile import ProfileSettings
from promo_spark.storage.jvm import SparkFailure


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
    """What changed since the newest date that can be gone on from; None: all is to be made anew."""
    since = ctx.earlier_run(ctx.settings.follow_days)
    days = ctx.days_changed(OrderLines, since) if since else None
    if since is None or days is None:
        return None
    try:
        found = _changes(ctx, since, [day for day in days if day < since.date], products)
    except SparkFailure:
        return None  # an older version is gone: all is made anew, or that fails too and says why
    return found


def settled(df: DataFrame) -> DataFrame:
    """The frame, computed now and cut off from how it came about: what is made of it is planned from here."""
    return df.localCheckpoint(eager=True)


def _changes(
    ctx: Context[ProfileSettings], since: EarlierRun, days: Sequence[datetime.date], products: DataFrame
) -> Changes:
    day, past = F.col(OrderLines.order_date), past_lines(ctx.read_everyone(OrderLines), ctx.date)
    then = past_lines(ctx.read_everyone_then(OrderLines, since), since.date).filter(day.isin(list(days)))
    now = past.filter(day.isin(list(days)) | (day >= F.lit(since.date)))
    lines = settled(line_changes(then, now))
    first_day = lines.agg(F.min(LineChange.order_date)).collect()[0][0]
    moved = settled(moved_products(ctx.own_rows(ProductProfile, since), products))
    pairs = past.filter(day < F.lit(since.date)).join(F.broadcast(moved), Products.product_id, "left_semi")
    moved_pairs = settled(pairs.select(OrderLines.user_id, OrderLines.product_id).distinct())
    permissions = settled(
        permission_changes(
            ctx.read_everyone_then(Users, since),
            ctx.read_everyone(Users),
            unknown_consent=ctx.business.privacy.unknown_profiling_consent,
        )
    )
    permitted = permissions.filter(F.col(PermissionChange.may))
    of_lines = lines.select(OrderLines.user_id).union(moved_pairs.select(OrderLines.user_id))
    users = of_lines.filter(F.col(OrderLines.user_id).isNotNull()).union(permitted.select(Users.user_id))
    users = settled(users.distinct())
    ctx.note(f"goes on from {since.date}: {len(days)} earlier days changed, {users.count()} users are profiled anew")
    return Changes(since, days, min(first_day or since.date, since.date), then, lines, moved_pairs, permissions, users)
