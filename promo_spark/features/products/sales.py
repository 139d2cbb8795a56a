"""How a product sells: sums over all days, over the last weeks, and who buys it."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import MONEY, QUANTITY, Frame
from promo_spark.features.sold_days import SoldDay
from promo_spark.features.users.products import UserProduct

_MONTH = 28
COMPARED_DAYS = 2 * _MONTH
_PROFILE = ProductProfile.columns()


class ProductSales(Frame):
    """One row per product sold or returned before the date: what sums up over all days."""

    product_id = _PROFILE[ProductProfile.product_id]
    first_sale = _PROFILE[ProductProfile.first_sale]
    last_sale = _PROFILE[ProductProfile.last_sale]
    units = _PROFILE[ProductProfile.units]
    revenue = _PROFILE[ProductProfile.revenue]
    purchases = _PROFILE[ProductProfile.purchases]
    discounted_purchases = _PROFILE[ProductProfile.discounted_purchases]
    list_amount = _PROFILE[ProductProfile.list_amount]
    discount = _PROFILE[ProductProfile.discount]


class RecentSales(Frame):
    """One row per product sold or returned in the 56 days before the date."""

    product_id = _PROFILE[ProductProfile.product_id]
    units_28d = _PROFILE[ProductProfile.units_28d]
    units_before_28d = _PROFILE[ProductProfile.units_before_28d]
    revenue_28d = _PROFILE[ProductProfile.revenue_28d]


class ProductBuyers(Frame):
    """One row per product that users who may be profiled bought or returned."""

    product_id = _PROFILE[ProductProfile.product_id]
    buyers = _PROFILE[ProductProfile.buyers]
    repeat_buyers = _PROFILE[ProductProfile.repeat_buyers]


def product_sales(days: DataFrame) -> DataFrame:
    """One row per product. SoldDay of products → ProductSales."""
    day_of_purchase = F.when(F.col(SoldDay.purchases) > 0, F.col(SoldDay.order_date))
    return ProductSales.shaped(
        days.groupBy(ProductSales.product_id).agg(
            F.min(day_of_purchase).alias(ProductSales.first_sale),
            F.max(day_of_purchase).alias(ProductSales.last_sale),
            F.sum(SoldDay.units).alias(ProductSales.units),
            F.sum(SoldDay.revenue).alias(ProductSales.revenue),
            F.sum(SoldDay.purchases).alias(ProductSales.purchases),
            F.sum(SoldDay.discounted_purchases).alias(ProductSales.discounted_purchases),
            F.coalesce(F.sum(SoldDay.list_amount), F.lit(0)).alias(ProductSales.list_amount),
            F.coalesce(F.sum(SoldDay.discount), F.lit(0)).alias(ProductSales.discount),
        )
    )


def together(sales: DataFrame) -> DataFrame:
    """One row per product, from several of each, of different lines. ProductSales → ProductSales."""
    summed = [c for c in ProductSales.columns() if c not in (ProductSales.first_sale, ProductSales.last_sale)]
    return ProductSales.shaped(
        sales.groupBy(ProductSales.product_id).agg(
            F.min(ProductSales.first_sale).alias(ProductSales.first_sale),
            F.max(ProductSales.last_sale).alias(ProductSales.last_sale),
            *[F.sum(c).alias(c) for c in summed if c != ProductSales.product_id],
        )
    )


def recent_sales(days: DataFrame, as_of: datetime.date) -> DataFrame:
    """One row per product. SoldDay of products → RecentSales."""
    age = F.date_diff(F.lit(as_of), SoldDay.order_date)
    last_month, month_before = age <= _MONTH, age > _MONTH
    units, revenue = F.col(SoldDay.units), F.col(SoldDay.revenue)
    return (
        days.filter(age <= COMPARED_DAYS)
        .groupBy(RecentSales.product_id)
        .agg(
            F.sum(F.when(last_month, units)).cast(QUANTITY).alias(RecentSales.units_28d),
            F.sum(F.when(month_before, units)).cast(QUANTITY).alias(RecentSales.units_before_28d),
            F.sum(F.when(last_month, revenue)).cast(MONEY).alias(RecentSales.revenue_28d),
        )
    )


def product_buyers(bought: DataFrame) -> DataFrame:
    """One row per product: users who bought it, and those who did in two or more. UserProduct → ProductBuyers."""
    return bought.groupBy(UserProduct.product_id).agg(
        F.count_if(F.col(UserProduct.orders) >= 1).alias(ProductBuyers.buyers),
        F.count_if(F.col(UserProduct.orders) >= 2).alias(ProductBuyers.repeat_buyers),
    )
