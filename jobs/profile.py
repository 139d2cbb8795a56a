"""Profile users and products, and make the sales series: silver.* → features.*, as of the date.

Nothing that happened on or after the date is used. Users who may not be profiled have no row in
features.user_profile, and their purchases count only in sums over all users. Which windows, thresholds and
series: [profile] of the settings. Without users, campaigns, contacts, redemptions or a promo calendar the
columns made from them stay 0 or null.
"""

from __future__ import annotations

from pyspark.sql import functions as F

from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Products, PromoCalendar, Redemptions, Users
from promo_spark.errors import MissingDataError
from promo_spark.features.products.profile import product_profile
from promo_spark.features.series.daily_sales import daily_sales
from promo_spark.features.series.wanted import wanted_series
from promo_spark.features.users.activity import user_activity
from promo_spark.features.users.products import user_products
from promo_spark.features.users.profile import user_profile
from promo_spark.features.users.tastes import user_tastes
from promo_spark.runtime.job import Context, Everyone, job
from promo_spark.settings import ProfileSettings

_UNUSED = (OrderLines.line_no, OrderLines.coupon_id, OrderLines.ts, OrderLines.flags, "source_file", "run_id")


@job(
    reads=[
        OrderLines,
        Everyone(OrderLines, why="sales series and figures of products are sums over all users"),
        Products,
    ],
    optional=[Users, Campaigns, Contacts, Redemptions, PromoCalendar],
    writes=[UserProfile, ProductProfile, DailySales],
    settings=ProfileSettings,
)
def run(ctx: Context[ProfileSettings]) -> None:
    s, business, as_of = ctx.settings, ctx.business, ctx.date
    products = ctx.keep(ctx.read(Products))
    lines = ctx.keep(ctx.read_everyone(OrderLines).filter(F.col(OrderLines.order_date) < F.lit(as_of)).drop(*_UNUSED))
    if lines.isEmpty():
        raise MissingDataError(f"silver.order_lines has no day before {as_of}: choose a later --date")

    ctx.say("profiling users")
    users = ctx.read_optional(Users)
    theirs = ctx.read(OrderLines)
    activity = ctx.keep(user_activity(theirs, as_of=as_of, recent_days=s.recent_days, activity_days=s.activity_days))
    bought = ctx.keep(user_products(theirs, as_of=as_of, half_life_days=s.interest_half_life_days))
    tastes = user_tastes(bought, products, interests_kept=s.interests_kept, repurchases_kept=s.repurchases_kept)
    ctx.write(
        UserProfile,
        user_profile(
            activity,
            tastes,
            users,
            ctx.read_optional(Campaigns),
            ctx.read_optional(Contacts),
            ctx.read_optional(Redemptions),
            as_of=as_of,
            timezone=business.timezone,
            first_time_days=s.first_time_days,
            loyal_orders_90d=s.loyal_orders_90d,
            high_value_quantile=s.high_value_quantile,
            lapsing_cadences=s.lapsing_cadences,
            lapsing_min_days=s.lapsing_min_days,
            lost_days=s.lost_days,
        ),
    )

    ctx.say("profiling products")
    ctx.write(
        ProductProfile,
        product_profile(
            lines,
            bought,
            products,
            as_of=as_of,
            recent_days=s.recent_days,
            excluded_departments=business.excluded_departments,
            excluded_categories=business.excluded_categories,
            assumed_margin=business.assumed_margin,
            assumed_margin_by_department=business.assumed_margin_by_department,
        ),
    )

    ctx.say("making sales series")
    wanted = ctx.keep(
        wanted_series(
            lines,
            products,
            as_of=as_of,
            recent_days=s.recent_days,
            levels=s.series_levels,
            top_products=s.top_products,
            top_stores=s.top_stores,
        )
    )
    calendar = ctx.read_optional(PromoCalendar)
    ctx.write(DailySales, daily_sales(lines, products, calendar, wanted, as_of=as_of, levels=s.series_levels))
