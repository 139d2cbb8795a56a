"""Profile users and products, and make the sales series: silver.* → features.*, as of the date.

Nothing that happened on or after the date is used. Users who may not be profiled have no row in
features.user_profile, and their purchases count only in sums over all users. Which windows, thresholds and
series: [profile] of the settings. Without users, campaigns, contacts, redemptions, a promo calendar or
inventory the columns made from them stay 0 or null.
"""

from __future__ import annotations

from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.silver import (
    Campaigns,
    Contacts,
    Inventory,
    OrderLines,
    Products,
    PromoCalendar,
    Redemptions,
    Users,
)
from promo_spark.errors import MissingDataError
from promo_spark.features.past_lines import past_lines
from promo_spark.features.series.daily_sales import daily_sales
from promo_spark.features.series.wanted import wanted_series
from promo_spark.features.users.activity import user_activity
from promo_spark.features.users.products import user_products
from promo_spark.features.users.tastes import user_tastes
from promo_spark.flows.profile import note_unknown_exclusions, product_profiles, user_profiles, write_user_profiles
from promo_spark.runtime.job import Context, Everyone, job, main
from promo_spark.settings.profile import ProfileSettings


@job(
    reads=[
        OrderLines,
        Everyone(OrderLines, why="sales series and figures of products are sums over all users"),
        Products,
    ],
    optional=[Users, Campaigns, Contacts, Redemptions, PromoCalendar, Inventory],
    writes=[UserProfile, ProductProfile, DailySales],
    settings=ProfileSettings,
)
def run(ctx: Context[ProfileSettings]) -> None:
    settings, as_of = ctx.settings, ctx.date
    products = ctx.keep(ctx.read(Products))
    lines = ctx.keep(past_lines(ctx.read_everyone(OrderLines), as_of))
    if lines.isEmpty():
        raise MissingDataError(f"silver.order_lines has no day before {as_of}: choose a later --date")

    ctx.say("profiling users")
    user_lines = past_lines(ctx.read(OrderLines), as_of)
    bought = ctx.keep(user_products(user_lines, as_of=as_of, half_life_days=settings.interest_half_life_days))
    activity = ctx.keep(user_activity(user_lines, as_of=as_of, settings=settings))
    write_user_profiles(ctx, user_profiles(ctx, activity, user_tastes(bought, products, settings=settings)))

    ctx.say("profiling products")
    note_unknown_exclusions(ctx, products)
    calendar = ctx.read_optional(PromoCalendar)
    ctx.write(ProductProfile, product_profiles(ctx, lines, bought, products, calendar))

    ctx.say("making sales series")
    wanted = ctx.keep(wanted_series(lines, products, as_of=as_of, settings=settings))
    levels = settings.series_levels
    sales = daily_sales(lines, products=products, calendar=calendar, wanted=wanted, as_of=as_of, levels=levels)
    ctx.write(DailySales, sales)


if __name__ == "__main__":
    main(run)
