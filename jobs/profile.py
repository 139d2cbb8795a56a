"""Profile users and products, and make the sales series: silver.* → features.*, as of the date.

Nothing that happened on or after the date is used. Users who may not be profiled have no row in
features.user_profile, and their purchases count only in sums over all users. Which windows, thresholds and
series: [profile] of the settings. Without users, campaigns, contacts, redemptions or a promo calendar the
columns made from them stay 0 or null.
"""

from __future__ import annotations

from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Products, PromoCalendar, Redemptions, Users
from promo_spark.errors import MissingDataError
from promo_spark.features.past_lines import past_lines
from promo_spark.features.products.profile import product_profile
from promo_spark.features.series.daily_sales import daily_sales
from promo_spark.features.series.wanted import wanted_series
from promo_spark.features.users.activity import user_activity
from promo_spark.features.users.products import user_products
from promo_spark.features.users.profile import user_profile
from promo_spark.features.users.tastes import user_tastes
from promo_spark.measures.consent import profiled
from promo_spark.runtime.job import Context, job
from promo_spark.settings import ProfileSettings


@job(
    reads=[OrderLines, Products],
    optional=[Users, Campaigns, Contacts, Redemptions, PromoCalendar],
    writes=[UserProfile, ProductProfile, DailySales],
    settings=ProfileSettings,
)
def run(ctx: Context[ProfileSettings]) -> None:
    settings, as_of = ctx.settings, ctx.date
    unknown = ctx.business.privacy.unknown_profiling_consent
    users = ctx.read_optional(Users)
    products = ctx.keep(ctx.read(Products))
    lines = ctx.keep(past_lines(ctx.read(OrderLines), as_of))
    if lines.isEmpty():
        raise MissingDataError(f"silver.order_lines has no day before {as_of}: choose a later --date")

    ctx.say("profiling users")
    profiled_lines = profiled(lines, users, unknown_consent=unknown)
    bought = ctx.keep(user_products(profiled_lines, as_of=as_of, half_life_days=settings.interest_half_life_days))
    profiles = user_profile(
        ctx.keep(user_activity(profiled_lines, as_of=as_of, settings=settings)),
        user_tastes(bought, products, settings=settings),
        users=profiled(users, users, unknown_consent=unknown),
        campaigns=ctx.read_optional(Campaigns),
        contacts=profiled(ctx.read_optional(Contacts), users, unknown_consent=unknown),
        redemptions=profiled(ctx.read_optional(Redemptions), users, unknown_consent=unknown),
        as_of=as_of,
        timezone=ctx.business.timezone,
        settings=settings,
    )
    ctx.write(UserProfile, profiles)

    ctx.say("profiling products")
    ctx.write(
        ProductProfile,
        product_profile(lines, bought, products, as_of=as_of, recent_days=settings.recent_days, business=ctx.business),
    )

    ctx.say("making sales series")
    wanted = ctx.keep(wanted_series(lines, products, as_of=as_of, settings=settings))
    calendar, levels = ctx.read_optional(PromoCalendar), settings.series_levels
    sales = daily_sales(lines, products=products, calendar=calendar, wanted=wanted, as_of=as_of, levels=levels)
    ctx.write(DailySales, sales)
