"""The steps of profile that put several tables together."""

from __future__ import annotations

from pyspark.sql import DataFrame

from promo_spark.contracts.silver import Campaigns, Contacts, Redemptions, Users
from promo_spark.features.users.profile import user_profile
from promo_spark.runtime.job import Context
from promo_spark.settings.profile import ProfileSettings


def user_profiles(ctx: Context[ProfileSettings], activity: DataFrame, tastes: DataFrame) -> DataFrame:
    """One row per user known before the date. UserActivity, UserTastes, master data → UserProfile."""
    return user_profile(
        activity,
        tastes,
        users=ctx.read_optional(Users),
        campaigns=ctx.read_optional(Campaigns),
        contacts=ctx.read_optional(Contacts),
        redemptions=ctx.read_optional(Redemptions),
        as_of=ctx.date,
        timezone=ctx.business.timezone,
        settings=ctx.settings,
    )
