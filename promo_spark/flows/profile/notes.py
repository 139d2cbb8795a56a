"""What profile says of what it found: no user to profile, names that nothing has."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.silver import OrderLines, Products, Users
from promo_spark.measures.exclusions import is_excluded
from promo_spark.runtime.job import Context
from promo_spark.settings.profile import ProfileSettings


def write_user_profiles(ctx: Context[ProfileSettings], profiles: DataFrame) -> None:
    """Writes the profiles; where there are none, says why, and what goes on without them. → UserProfile."""
    if ctx.write(UserProfile, profiles).rows:
        return
    named = ctx.read_everyone(OrderLines).filter(F.col(OrderLines.user_id).isNotNull())
    if named.isEmpty() and ctx.read_optional(Users).isEmpty():
        why = "silver.order_lines and silver.users name none: map user_id, if the shop knows who buys"
    else:
        why = "none of them may be profiled (consent_profiling, business.privacy.unknown_profiling_consent)"
    ctx.note(f"no user has a profile, as {why}. Forecasts and product profiles need none; offers do")


def note_unknown_exclusions(ctx: Context[ProfileSettings], products: DataFrame) -> None:
    """Says which departments and categories that the settings exclude no product has: a typing error promotes them."""
    excluded = {
        "excluded_departments": (Products.department, ctx.business.excluded_departments),
        "excluded_categories": (Products.category, ctx.business.excluded_categories),
    }
    if not any(names for _, names in excluded.values()):
        return
    there = (
        products.filter(is_excluded(ctx.business)).select(Products.department, Products.category).distinct().collect()
    )
    for setting, (column, names) in excluded.items():
        missing = sorted(set(names) - {row[column] for row in there})
        if missing:
            ctx.note(
                f"no product of silver.products has a {column} of business.{setting}: {', '.join(missing)}. Nothing is "
                "left out by it; names must be written as the products have them"
            )
