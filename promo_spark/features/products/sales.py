"""How a product sells: sums over all days, over the last weeks, and who buys it."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import MONEY, QUANTITY, Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.features.users.products import UserProduct
from promo_spark.measures.order_lines import is_purchase, of_purchases, total_discount

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


def product_sales(past: DataFrame) -> DataFrame:
    """One row per product. PastLine → ProductSales."""
    return ProductSales.shaped(
        past.groupBy(OrderLines.product_id).agg(
            F.min(of_purchases(OrderLines.order_date)).alias(ProductSales.first_sale),
            F.max(of_purchases(OrderLines.order_date)).alias(ProductSales.last_sale),
            F.sum(OrderLines.quantity).alias(ProductSales.units),
            F.sum(OrderLines.amount_paid).alias(ProductSales.revenue),
            F.count_if(is_purchase()).alias(ProductSales.purchases),
            F.count_if(is_purchase() & (total_discount() > 0)).alias(ProductSales.discounted_purchases),
            F.coalesce(F.sum(of_purchases(OrderLines.list_amount)), F.lit(0)).alias(ProductSales.list_amount),
            F.coalesce(F.sum(of_purchases(total_discount())), F.lit(0)).alias(ProductSales.discount),
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


def recent_sales(past: DataFrame, as_of: datetime.date) -> DataFrame:
    """One row per product. PastLine → RecentSales."""
    age = F.date_diff(F.lit(as_of), OrderLines.order_date)
    last_month, month_before = age <= _MONTH, age > _MONTH
    quantity, paid = F.col(OrderLines.quantity), F.col(OrderLines.amount_paid)
    return (
        past.filter(age <= COMPARED_DAYS)
        .groupBy(OrderLines.product_id)
        .agg(
            F.sum(F.when(last_month, quantity)).cast(QUANTITY).alias(RecentSales.units_28d),
            F.sum(F.when(month_before, quantity)).cast(QUANTITY).alias(RecentSales.units_before_28d),
            F.sum(F.when(last_month, paid)).cast(MONEY).alias(RecentSales.revenue_28d),
        )
    )


def product_buyers(bought: DataFrame) -> DataFrame:
    """One row per product: users who bought it, and those who did in two or more. UserProduct → ProductBuyers."""
    return bought.groupBy(UserProduct.product_id).agg(
        F.count_if(F.col(UserProduct.orders) >= 1).alias(ProductBuyers.buyers),
        F.count_if(F.col(UserProduct.orders) >= 2).alias(ProductBuyers.repeat_buyers),
    )
