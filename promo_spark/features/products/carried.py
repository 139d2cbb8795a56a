"""Products between two dates: earlier figures with what came, and the lines that prices are still taken of."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.features.products.charged_prices import LAST_DAYS, LEAST_SALES
from promo_spark.features.products.sales import COMPARED_DAYS, ProductBuyers, ProductSales, product_buyers, together
from promo_spark.measures.exclusions import is_excluded
from promo_spark.measures.order_lines import is_purchase
from promo_spark.settings.business import BusinessSettings

_ID, _HIGHEST = ProductProfile.product_id, "highest"
_CATEGORY_THEN, _PROMOTABLE_NOW = "category_then", "promotable_now"


def sold_products(profiles: DataFrame) -> DataFrame:
    """One row per product with order lines before the profiles' date: product_id, of ProductProfile."""
    return profiles.filter((F.col(ProductProfile.purchases) > 0) | (F.col(ProductProfile.units) != 0)).select(_ID)


def moved_products(profiles: DataFrame, products: DataFrame, business: BusinessSettings) -> DataFrame:
    """One row per product that is new in the catalogue, in another category, or excluded as it was not: product_id.

    Also one that is not excluded any more. ProductProfile of an earlier date, Products. A product that left the
    catalogue has no category any more.
    """
    promotable = (~is_excluded(business)).alias(_PROMOTABLE_NOW)
    then = profiles.select(_ID, F.col(ProductProfile.category).alias(_CATEGORY_THEN), ProductProfile.promotable)
    both = products.select(_ID, Products.category, promotable).join(then, _ID, "outer")
    same = F.col(Products.category).eqNullSafe(F.col(_CATEGORY_THEN)) & F.col(ProductProfile.promotable).eqNullSafe(
        F.col(_PROMOTABLE_NOW)
    )
    return both.filter(~same).select(_ID)


def crossing_products(then: DataFrame, now: DataFrame, business: BusinessSettings) -> DataFrame:
    """One row per product that is excluded and was not, or the other way round. ProductProfile, Products → product_id.

    A product without a row in one of them was, or is, not excluded.
    """
    now = now.select(_ID, (~is_excluded(business)).alias(_PROMOTABLE_NOW))
    both = then.select(_ID, ProductProfile.promotable).join(now, _ID, "outer")
    was, is_now = (F.coalesce(F.col(c), F.lit(True)) for c in (ProductProfile.promotable, _PROMOTABLE_NOW))
    return both.filter(was != is_now).select(_ID)


def carried_sales(profiles: DataFrame, *more: DataFrame) -> DataFrame:
    """One row per product. ProductProfile of an earlier date, ProductSales of other lines → ProductSales."""
    sales = ProductSales.shaped(profiles)
    for other in more:
        sales = sales.unionByName(other)
    return together(sales)


def carried_buyers(profiles: DataFrame, pairs_then: DataFrame, pairs_now: DataFrame) -> DataFrame:
    """One row per product. ProductProfile of an earlier date, two UserProduct → ProductBuyers.

    The pairs are those that changed, as they were as of the earlier date and as they are.
    """
    counts = (ProductBuyers.buyers, ProductBuyers.repeat_buyers)
    signed = [
        product_buyers(pairs).select(_ID, *[(F.col(c) * sign).alias(c) for c in counts])
        for pairs, sign in ((pairs_then, -1), (pairs_now, 1))
    ]
    rows = profiles.select(_ID, *counts).unionByName(signed[0]).unionByName(signed[1])
    return rows.groupBy(_ID).agg(*[F.sum(c).alias(c) for c in counts])


def window_days(recent_days: int) -> int:
    """How many days back the windows of product figures and prices reach."""
    return max(COMPARED_DAYS, LAST_DAYS, recent_days)


def unpriced_products(recent: DataFrame, products: DataFrame, *, as_of: datetime.date, recent_days: int) -> DataFrame:
    """One row per product whose prices older lines may decide: product_id. of PastLine.

    Others were bought in the recent days at a list price, and so often that their usual price is known.
    """
    age = F.date_diff(F.lit(as_of), OrderLines.order_date)
    paid = F.col(OrderLines.amount_paid) + F.col(OrderLines.discount_coupon_match)
    priced = (
        recent.filter(is_purchase() & (age <= recent_days))
        .groupBy(OrderLines.product_id)
        .agg(F.count_if(paid > 0).alias(ProductSales.purchases), F.max(OrderLines.list_amount).alias(_HIGHEST))
        .filter((F.col(ProductSales.purchases) >= LEAST_SALES) & (F.col(_HIGHEST) > 0))
    )
    return products.select(_ID).join(priced, _ID, "left_anti")
