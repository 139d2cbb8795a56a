"""The product profile: what a product is, how it sells, at what price and margin."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.contracts.table import MONEY, QUANTITY
from promo_spark.features.measures import BOUGHT, DISCOUNT, fifth, fifths, lines_before, of_purchases, share

_MONTH = 28
_COUNTS = (
    ProductProfile.units_28d, ProductProfile.units_before_28d, ProductProfile.revenue_28d, ProductProfile.units,
    ProductProfile.revenue, ProductProfile.buyers, ProductProfile.repeat_buyers,
)  # fmt: skip


def product_profile(
    lines: DataFrame,
    products: DataFrame,
    *,
    as_of: datetime.date,
    recent_days: int,
    excluded_departments: Sequence[str],
    excluded_categories: Sequence[str],
    assumed_margin: float,
    assumed_margin_by_department: Mapping[str, float],
) -> DataFrame:
    """One row per product in the catalogue. OrderLines, Products → ProductProfile as of the date.

    Units and revenue are net of returns; days, prices, discounts and buyers are of purchases. A product
    never sold has zero counts and null days, and without a catalogue price no price, tier or cost.
    Prices are medians per unit over lines, exact, rounded half up to the cent (inventory row B03: a price
    is never filled with 0).
    """
    past = lines_before(lines, as_of)
    rows = (
        products.withColumnsRenamed({"list_price": "catalogue_price", "unit_cost": "catalogue_cost"})
        .join(_sales(past, as_of, recent_days), Products.product_id, "left")
        .join(_buyers(past), Products.product_id, "left")
        .fillna(0, subset=list(_COUNTS))
        .withColumn(ProductProfile.list_price, F.coalesce("catalogue_price", "sold_list_price"))
    )
    promotable = ~(
        _is_one_of(Products.department, excluded_departments) | _is_one_of(Products.category, excluded_categories)
    )
    price = F.col(ProductProfile.list_price)
    margin = _margin(assumed_margin, assumed_margin_by_department)
    cuts = fifths(price).over(Window.partitionBy(Products.category))
    return rows.withColumns(
        {
            ProductProfile.as_of: F.lit(as_of),
            ProductProfile.title: F.coalesce(
                F.nullif(F.trim(Products.title), F.lit("")), Products.category, Products.product_id
            ),
            ProductProfile.promotable: promotable,
            ProductProfile.price_tier: fifth(price, cuts),
            ProductProfile.unit_cost: F.coalesce("catalogue_cost", F.round(price * (1 - margin), 2)).cast(MONEY),
            ProductProfile.cost_is_assumed: F.col("catalogue_cost").isNull() & price.isNotNull(),
        }
    )


def _sales(past: DataFrame, as_of: datetime.date, recent_days: int) -> DataFrame:
    """One row per product sold or returned before the date."""
    age = F.date_diff(F.lit(as_of), OrderLines.order_date)
    last_month, month_before = age <= _MONTH, (age > _MONTH) & (age <= 2 * _MONTH)
    quantity, paid, listed = (F.col(c) for c in (OrderLines.quantity, OrderLines.amount_paid, OrderLines.list_amount))
    list_price, paid_price = of_purchases(F.when(listed > 0, listed / quantity)), of_purchases(paid / quantity)
    return past.groupBy(OrderLines.product_id).agg(
        F.min(of_purchases(OrderLines.order_date)).alias(ProductProfile.first_sale),
        F.max(of_purchases(OrderLines.order_date)).alias(ProductProfile.last_sale),
        F.sum(F.when(last_month, quantity)).cast(QUANTITY).alias(ProductProfile.units_28d),
        F.sum(F.when(month_before, quantity)).cast(QUANTITY).alias(ProductProfile.units_before_28d),
        F.sum(F.when(last_month, paid)).cast(MONEY).alias(ProductProfile.revenue_28d),
        F.sum(quantity).cast(QUANTITY).alias(ProductProfile.units),
        F.sum(paid).cast(MONEY).alias(ProductProfile.revenue),
        _median_price(list_price, age <= recent_days).alias("sold_list_price"),
        _median_price(paid_price, age <= recent_days).alias(ProductProfile.paid_price),
        share(F.sum(of_purchases(DISCOUNT)), F.sum(of_purchases(listed))).alias(ProductProfile.discount_depth),
        share(F.count_if(F.col(BOUGHT) & (F.col(DISCOUNT) > 0)), F.count_if(BOUGHT)).alias(
            ProductProfile.discounted_units_share
        ),
    )


def _median_price(unit_price: Column, recent: Column) -> Column:
    """Aggregate: the median of the recent lines, of all lines where none is recent."""
    found = F.coalesce(F.median(F.when(recent, unit_price)), F.median(unit_price))
    return F.round(found, 2).cast(MONEY)


def _buyers(past: DataFrame) -> DataFrame:
    """Users per product, and those of them who bought it in two orders or more."""
    orders = (
        past.filter(F.col(BOUGHT) & F.col(OrderLines.user_id).isNotNull())
        .groupBy(OrderLines.product_id, OrderLines.user_id)
        .agg(F.count_distinct(OrderLines.order_id).alias("orders"))
    )
    return orders.groupBy(OrderLines.product_id).agg(
        F.count("*").alias(ProductProfile.buyers),
        F.count_if(F.col("orders") >= 2).alias(ProductProfile.repeat_buyers),
    )


def _is_one_of(column: str, names: Sequence[str]) -> Column:
    return F.coalesce(F.col(column).isin(list(names)), F.lit(False))


def _margin(default: float, by_department: Mapping[str, float]) -> Column:
    """The assumed margin of the product's department, as an exact decimal."""
    margin = F.lit(Decimal(str(default)))
    for department, share_of_price in sorted(by_department.items()):
        margin = F.when(F.col(Products.department) == department, Decimal(str(share_of_price))).otherwise(margin)
    return margin
