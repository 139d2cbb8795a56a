"""Which sales series are made, and which of them a row belongs to."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.schema import Frame
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.features.sold_days import SoldDay
from promo_spark.settings.profile import ProfileSettings

_DAILY = DailySales.columns()


class WantedSeries(Frame):
    """One row per sales series that is made."""

    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]


SERIES = [WantedSeries.level, WantedSeries.item_id]

ALL = "all"  # the level of the one series of all that is sold, and its item
_ITEM_OF = {"product": OrderLines.product_id, "category": Products.category, "store": OrderLines.store_id}


def wanted_series(
    by_product: DataFrame,
    by_store: DataFrame,
    products: DataFrame,
    *,
    as_of: datetime.date,
    settings: ProfileSettings,
) -> DataFrame:
    """One row per series. SoldDay of products and of stores, Products → WantedSeries.

    Wanted are the products and stores of most revenue in the recent days, every category, and all that is sold. Equal
    revenue goes by id, so that the same lines always give the same series.
    """
    levels = settings.series_levels
    is_recent = F.date_diff(F.lit(as_of), SoldDay.order_date) <= settings.recent_days
    wanted = []
    if "category" in levels:
        wanted.append(series_of_categories(products))
    if ALL in levels:
        whole = {WantedSeries.level: ALL, WantedSeries.item_id: ALL}
        wanted.append(WantedSeries.frame(products.sparkSession, [whole]))
    most = (("product", by_product, settings.top_products), ("store", by_store, settings.top_stores))
    for level, days, count in most:
        if level in levels:
            sold = _of_levels(days.filter(is_recent), products, [level]).groupBy(*SERIES)
            revenue = sold.agg(F.sum(SoldDay.revenue).alias(DailySales.revenue))
            wanted.append(revenue.orderBy(F.desc(DailySales.revenue), DailySales.item_id).limit(count).select(*SERIES))
    return functools.reduce(DataFrame.union, wanted)


def of_series(rows: DataFrame, products: DataFrame, wanted: DataFrame, levels: Sequence[str]) -> DataFrame:
    """Each row once per wanted series that it belongs to, with `level` and `item_id`."""
    return _of_levels(rows, products, levels).join(F.broadcast(wanted), SERIES, "left_semi")


def series_of_categories(products: DataFrame) -> DataFrame:
    """One row per category of the products. Any frame with category → WantedSeries."""
    categories = products.filter(F.col(Products.category).isNotNull())
    item = F.col(Products.category).alias(WantedSeries.item_id)
    return categories.select(F.lit("category").alias(WantedSeries.level), item).distinct()


def lines_of_few(lines: DataFrame, products: DataFrame, few: DataFrame, levels: Sequence[str]) -> DataFrame:
    """The lines that belong to any of a few series, and hardly others. PastLine, Products, WantedSeries → PastLine.

    Made for many lines and few series: each line is looked at, and not copied to its levels before.
    """
    items = F.col(WantedSeries.item_id)
    of_level = {level: few.filter(F.col(WantedSeries.level) == level) for level in levels}
    ids = [of_level["product"].select(items.alias(OrderLines.product_id))] if "product" in levels else []
    if "category" in levels:
        categories = of_level["category"].select(items.alias(Products.category))
        ids.append(products.join(categories, Products.category, "left_semi").select(Products.product_id))
    found = lines.limit(0)
    if ids:
        product_ids = functools.reduce(DataFrame.union, ids).distinct()
        found = lines.join(F.broadcast(product_ids), OrderLines.product_id, "left_semi")
    if "store" in levels:
        stores = of_level["store"].select(items.alias(OrderLines.store_id))
        of_stores = lines.join(F.broadcast(stores), OrderLines.store_id, "left_semi")
        others = of_stores.join(product_ids, OrderLines.product_id, "left_anti") if ids else of_stores
        found = found.unionByName(others)
    if ALL in levels:
        whole = F.broadcast(of_level[ALL].select(F.lit(True).alias(ALL)))  # one row, or none
        found = found.join(whole, F.col(ALL), "left_anti").unionByName(lines.crossJoin(whole).drop(ALL))
    return found


def _of_levels(rows: DataFrame, products: DataFrame, levels: Sequence[str]) -> DataFrame:
    """Each row once per level, with `level` and `item_id`; not where its item is unknown."""
    if "category" in levels:
        catalogue = products.select(Products.product_id, Products.category)
        rows = rows.join(catalogue, Products.product_id, "left")
    item_of = {level: F.lit(ALL) if level == ALL else F.col(_ITEM_OF[level]) for level in levels}
    items = F.array(
        *[F.struct(F.lit(level).alias(DailySales.level), item_of[level].alias(DailySales.item_id)) for level in levels]
    )
    return rows.select("*", F.inline(items)).filter(F.col(DailySales.item_id).isNotNull())
