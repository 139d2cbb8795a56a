"""Product profiles, of all lines or of earlier profiles and what came."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import Inventory, OrderLines, PromoCalendar, Users
from promo_spark.features.line_changes import LineChange, lines_that_came
from promo_spark.features.products.carried import (
    carried_buyers,
    carried_sales,
    sold_products,
    unpriced_products,
    window_days,
)
from promo_spark.features.products.profile import product_profile
from promo_spark.features.products.sales import product_buyers, product_sales, recent_sales
from promo_spark.features.sold_days import product_days
from promo_spark.features.users.products import user_products
from promo_spark.flows.profile.changes import Changes
from promo_spark.measures.computed import computed
from promo_spark.measures.consent import profiled
from promo_spark.runtime.job import Context
from promo_spark.settings.profile import ProfileSettings

_ID, _PAIR = OrderLines.product_id, [OrderLines.user_id, OrderLines.product_id]


@dataclass(frozen=True)
class ProductFacts:
    """What order lines say of products, and the lines that prices are taken of."""

    sales: DataFrame  # ProductSales
    recent: DataFrame  # RecentSales
    buyers: DataFrame  # ProductBuyers
    priced: DataFrame  # PastLine


def product_facts(
    ctx: Context[ProfileSettings],
    lines: DataFrame,
    by_product: DataFrame,
    bought: DataFrame,
    changes: Changes | None,
) -> ProductFacts:
    """One row per product each. PastLine, and SoldDay and UserProduct or an earlier ProductProfile → ProductFacts."""
    recently = recent_sales(by_product, ctx.date)
    if changes is None:
        return ProductFacts(product_sales(by_product), recently, product_buyers(bought), lines)
    age = F.date_diff(F.lit(ctx.date), OrderLines.order_date)
    is_recent, recent_days = age <= window_days(ctx.settings.recent_days), ctx.settings.recent_days
    recent = lines.filter(is_recent)  # read several times: that costs less than to keep it
    profiles = ctx.keep(ctx.own_rows(ProductProfile, changes.since))
    # Products without an earlier profile that have older lines, and those that lost lines, are summed anew.
    unknown = changes.moved.select(_ID).distinct().join(profiles, _ID, "left_anti")
    lost = changes.lines.filter(F.col(LineChange.copies) < 0).select(_ID)
    anew = computed(unknown.union(lost).distinct())
    came = lines_that_came(changes.lines).join(anew, _ID, "left_anti")
    whole = lines.join(F.broadcast(anew), _ID, "left_semi")
    known = profiles.join(anew, _ID, "left_anti")
    sales = computed(carried_sales(known, product_sales(product_days(came)), product_sales(product_days(whole))))
    older = sold_products(profiles).union(changes.moved.select(_ID)).union(changes.lines.select(_ID)).distinct()
    unpriced = computed(unpriced_products(recent, older, as_of=ctx.date, recent_days=recent_days))
    still_priced = ctx.keep(lines.filter(~is_recent).join(F.broadcast(unpriced), _ID, "left_semi"))
    buyers = computed(_buyers(ctx, lines, profiles, changes))
    return ProductFacts(sales, recently, buyers, recent.unionByName(still_priced))


def _buyers(ctx: Context[ProfileSettings], lines: DataFrame, profiles: DataFrame, changes: Changes) -> DataFrame:
    """One row per product. PastLine, ProductProfile of an earlier date → ProductBuyers.

    Pairs of a user and a product are looked at whose lines changed, and all of users whose permission changed.
    """
    unknown, day = ctx.business.privacy.unknown_profiling_consent, F.col(OrderLines.order_date)
    changed = changes.lines.select(*_PAIR).union(changes.moved.select(*_PAIR)).distinct()
    of_users = lines.join(F.broadcast(changes.permissions), OrderLines.user_id, "left_semi").select(*_PAIR)
    pairs = computed(changed.union(of_users).filter(F.col(OrderLines.user_id).isNotNull()).distinct())
    now = ctx.keep(lines.join(F.broadcast(pairs), _PAIR, "left_semi"))
    unchanged = now.filter((day < F.lit(changes.since.date)) & ~day.isin(list(changes.days)))
    then = unchanged.unionByName(changes.then.join(pairs, _PAIR, "left_semi")).join(profiles, _ID, "left_semi")
    users_then, users_now = ctx.read_then(Users, changes.since), ctx.read_everyone(Users)
    return carried_buyers(
        profiles,
        user_products(profiled(then, users_then, unknown_consent=unknown)),
        user_products(profiled(now, users_now, unknown_consent=unknown)),
    )


def product_profiles(ctx: Context[ProfileSettings], products: DataFrame, facts: ProductFacts) -> DataFrame:
    """One row per product. Products, ProductFacts, Inventory, PromoCalendar → ProductProfile."""
    return product_profile(
        products,
        sales=facts.sales,
        recent=facts.recent,
        buyers=facts.buyers,
        priced=facts.priced,
        inventory=ctx.read_optional(Inventory),
        calendar=ctx.read_optional(PromoCalendar),
        as_of=ctx.date,
        settings=ctx.settings,
        business=ctx.business,
    )
