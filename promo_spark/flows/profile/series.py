"""Sales series, whole or with the days since the first change."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.silver import OrderLines, Products, PromoCalendar
from promo_spark.features.products.carried import crossing_products
from promo_spark.features.series.daily_sales import carried_days, daily_sales, sales_days
from promo_spark.features.series.wanted import ALL, SERIES, lines_of_few, series_of_categories, wanted_series
from promo_spark.features.sold_days import product_days, store_days
from promo_spark.flows.profile.changes import Changes
from promo_spark.measures.computed import computed
from promo_spark.measures.exclusions import without_excluded
from promo_spark.runtime.job import Context
from promo_spark.settings.profile import ProfileSettings


def sales_series(
    ctx: Context[ProfileSettings],
    lines: DataFrame,
    by_product: DataFrame,
    products: DataFrame,
    changes: Changes | None,
) -> DataFrame:
    """One row per wanted series and day. PastLine, SoldDay of products, …, an earlier DailySales → DailySales.

    Products of excluded departments and categories are in none: fuel by the litre would be most of a grocer's units.
    """
    as_of, levels = ctx.date, ctx.settings.series_levels
    lines, by_product, calendar = (
        without_excluded(rows, products, ctx.business) for rows in (lines, by_product, ctx.read_optional(PromoCalendar))
    )
    by_store = store_days(lines)
    if changes is None:
        by_store = ctx.keep(by_store)
    wanted = ctx.keep(wanted_series(by_product, by_store, products, as_of=as_of, settings=ctx.settings))
    if changes is None:
        per_day = sales_days(by_product, by_store, products, wanted, levels)
    else:
        per_day = _followed(ctx, lines, products, wanted, changes)
    return daily_sales(per_day, products=products, calendar=calendar, wanted=wanted, as_of=as_of, levels=levels)


def _followed(
    ctx: Context[ProfileSettings], lines: DataFrame, products: DataFrame, wanted: DataFrame, changes: Changes
) -> DataFrame:
    """One row per wanted series and day. → SalesDay: earlier days as they stand, the days since the first change anew.

    Series that were not made for the earlier date, and categories that a product came to or left, are made whole;
    stores and the series of all too, where a product has come to what is excluded or left it.
    """
    levels, first = ctx.settings.series_levels, F.lit(changes.first_day)
    before = F.col(OrderLines.order_date) < first
    moved = changes.moved.select(Products.product_id)
    left = ctx.own_rows(ProductProfile, changes.since).join(moved, Products.product_id, "left_semi")
    came = products.join(moved, Products.product_id, "left_semi")
    moved_series = series_of_categories(left.select(Products.category).union(came.select(Products.category)))
    crossed = crossing_products(left, came, ctx.business).limit(1)
    of_any_product = wanted.filter(F.col(DailySales.level).isin("store", ALL)).crossJoin(crossed).select(*SERIES)
    moved_series = moved_series.unionByName(of_any_product)
    sales = ctx.own_rows(DailySales, changes.since)
    known = sales.join(F.broadcast(wanted), SERIES, "left_semi").join(moved_series, SERIES, "left_anti")
    new = computed(wanted.join(known.select(*SERIES).distinct(), SERIES, "left_anti"))
    older, later = lines_of_few(lines.filter(before), products, new, levels), lines.filter(~before)
    return (
        carried_days(known, before=changes.first_day)
        .unionByName(sales_days(product_days(later), store_days(later), products, wanted, levels))
        .unionByName(sales_days(product_days(older), store_days(older), products, new, levels))
    )
