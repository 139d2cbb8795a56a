"""User profiles, of all users or of those whose lines changed."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions, Users
from promo_spark.features.past_lines import past_lines
from promo_spark.features.users.activity import user_activity
from promo_spark.features.users.carried import carried_activity, carried_tastes, left_windows, with_purchases
from promo_spark.features.users.expectations import order_expectations
from promo_spark.features.users.products import faded_user_products, kept_orders
from promo_spark.features.users.profile import user_profile
from promo_spark.features.users.tastes import user_tastes
from promo_spark.flows.profile.changes import Changes
from promo_spark.measures.computed import computed
from promo_spark.measures.kept_purchases import repeated_days, taken_back
from promo_spark.runtime.job import Context
from promo_spark.settings.profile import ProfileSettings


@dataclass(frozen=True)
class UserFacts:
    """What order lines say of users, and what of products the users bought whose lines were read."""

    activity: DataFrame  # UserActivity
    tastes: DataFrame  # UserTastes
    bought: DataFrame  # FadedUserProduct


def user_facts(ctx: Context[ProfileSettings], products: DataFrame, changes: Changes | None) -> UserFacts:
    """One row per user with order lines. OrderLines, and UserProfile of an earlier date → UserFacts."""
    settings, as_of = ctx.settings, ctx.date
    lines = past_lines(ctx.read(OrderLines), as_of)
    read = ctx.keep(lines.join(F.broadcast(changes.users), OrderLines.user_id, "left_semi")) if changes else lines
    taken = ctx.keep(taken_back(read))
    activity = ctx.keep(user_activity(read, taken, as_of=as_of, settings=settings))
    activity.count()  # now its size is known, so that it is joined to the lines without sorting them
    half_life_days = settings.interest_half_life_days
    orders = ctx.keep(kept_orders(read, taken, activity, as_of=as_of, half_life_days=half_life_days))
    bought = faded_user_products(orders)
    tastes = user_tastes(bought, repeated_days(orders), products, settings=settings)
    if changes is None:
        return UserFacts(activity, tastes, bought)
    carried = with_purchases(ctx.own_rows(UserProfile, changes.since)).join(
        changes.users, UserProfile.user_id, "left_anti"
    )
    left = left_windows(lines, since=changes.since.date, as_of=as_of, settings=settings)
    return UserFacts(
        computed(activity.unionByName(carried_activity(carried, left, as_of=as_of))),
        tastes.unionByName(carried_tastes(carried)),
        bought,
    )


def user_profiles(ctx: Context[ProfileSettings], facts: UserFacts) -> DataFrame:
    """One row per user known before the date. UserFacts, master data → UserProfile."""
    return user_profile(
        facts.activity,
        facts.tastes,
        users=ctx.read_optional(Users),
        campaigns=ctx.read_optional(Campaigns),
        contacts=ctx.read_optional(Contacts),
        redemptions=ctx.read_optional(Redemptions),
        expectations=order_expectations(facts.activity, least_users=ctx.settings.expectation_least_users),
        as_of=ctx.date,
        timezone=ctx.business.timezone,
        settings=ctx.settings,
    )
