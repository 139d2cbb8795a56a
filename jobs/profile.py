"""Profile users and products, and make the sales series: silver.* → features.*, as of the date.

Nothing that happened on or after the date is used. Users who may not be profiled have no row in
features.user_profile, and their purchases count only in sums over all users. Which windows, thresholds and
series: [profile] of the settings. Without users, campaigns, contacts, redemptions, a promo calendar or
inventory the columns made from them stay 0 or null.

It goes on from a date shortly before that is profiled already (profile.follow_days): only what changed since is
read again, with the same result as from all history.
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
from promo_spark.features.sold_days import product_days
from promo_spark.flows.profile.changes import changes
from promo_spark.flows.profile.notes import note_unknown_exclusions, write_user_profiles
from promo_spark.flows.profile.products import product_facts, product_profiles
from promo_spark.flows.profile.series import sales_series
from promo_spark.flows.profile.users import user_facts, user_profiles
from promo_spark.runtime.job import Context, Everyone, job, main
from promo_spark.settings.profile import ProfileSettings


@job(
    reads=[
        OrderLines,
        Everyone(OrderLines, why="sales series and figures of products are sums over all users"),
        Products,
    ],
    optional=[
        Users,
        Everyone(Users, why="whose consent changed since the date that it goes on from"),
        Campaigns,
        Contacts,
        Redemptions,
        PromoCalendar,
        Inventory,
    ],
    writes=[UserProfile, ProductProfile, DailySales],
    settings=ProfileSettings,
    follows=True,
)
def run(ctx: Context[ProfileSettings]) -> None:
    products = ctx.keep(ctx.read(Products))
    lines = past_lines(ctx.read_everyone(OrderLines), ctx.date)
    if lines.isEmpty():
        raise MissingDataError(f"silver.order_lines has no day before {ctx.date}: choose a later --date")
    since = changes(ctx, products)
    by_product = product_days(lines)
    if since is None:
        by_product = ctx.keep(by_product)

    ctx.say("profiling users")
    facts = user_facts(ctx, products, since)
    write_user_profiles(ctx, user_profiles(ctx, facts))

    ctx.say("profiling products")
    note_unknown_exclusions(ctx, products)
    of_products = product_facts(ctx, lines, by_product, facts.bought, since)
    ctx.write(ProductProfile, product_profiles(ctx, products, of_products))

    ctx.say("making sales series")
    ctx.write(DailySales, sales_series(ctx, lines, by_product, products, since))


if __name__ == "__main__":
    main(run)
