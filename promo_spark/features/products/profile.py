"""The product profile: what a product is, how it sells, at what price and margin."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import MONEY, QUANTITY
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.features.users.products import DAYS
from promo_spark.measures.order_lines import BOUGHT, DISCOUNT, fifth, fifths, lines_before, of_purchases, ratio, share

_MONTH = 28
_COUNTS = (
    ProductProfile.units_28d,
    ProductProfile.units_before_28d,
    ProductProfile.revenue_28d,
    ProductProfile.units,
    ProductProfile.revenue,
    ProductProfile.buyers,
    ProductProfile.repeat_buyers,
)


def product_profile(
    lines: DataFrame,
    bought: DataFrame,
    products: DataFrame,
    *,
    as_of: datetime.date,
    recent_days: int,
    excluded_departments: Sequence[str],
    excluded_categories: Sequence[str],
    assumed_margin: float,
    assumed_margin_by_department: Mapping[str, float],
) -> DataFrame:
    """One row per product in the catalogue. OrderLines, user_products, Products → ProductProfile as of the date.

    Units and revenue are net of returns; days, prices, discounts and buyers are of purchases. A product
    never sold has zero counts and null days, and without a catalogue price no price, tier or cost.
    Prices are medians per unit over lines, exact, rounded half up to the cent (inventory row B03: a price
    is never filled with 0).
    """
    past = lines_before(lines, as_of)
    rows = (
        products.withColumnsRenamed({"list_price": "catalogue_price", "unit_cost": "catalogue_cost"})
        .join(_sales(past, as_of), Products.product_id, "left")
        .join(_sold_prices(past, as_of, recent_days), Products.product_id, "left")
        .join(_buyers(bought), Products.product_id, "left")
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


def _sales(past: DataFrame, as_of: datetime.date) -> DataFrame:
    """One row per product sold or returned before the date."""
    age = F.date_diff(F.lit(as_of), OrderLines.order_date)
    last_month, month_before = age <= _MONTH, (age > _MONTH) & (age <= 2 * _MONTH)
    quantity, paid = F.col(OrderLines.quantity), F.col(OrderLines.amount_paid)
    return past.groupBy(OrderLines.product_id).agg(
        F.min(of_purchases(OrderLines.order_date)).alias(ProductProfile.first_sale),
        F.max(of_purchases(OrderLines.order_date)).alias(ProductProfile.last_sale),
        F.sum(F.when(last_month, quantity)).cast(QUANTITY).alias(ProductProfile.units_28d),
        F.sum(F.when(month_before, quantity)).cast(QUANTITY).alias(ProductProfile.units_before_28d),
        F.sum(F.when(last_month, paid)).cast(MONEY).alias(ProductProfile.revenue_28d),
        F.sum(quantity).cast(QUANTITY).alias(ProductProfile.units),
        F.sum(paid).cast(MONEY).alias(ProductProfile.revenue),
        share(F.sum(of_purchases(DISCOUNT)), F.sum(of_purchases(OrderLines.list_amount))).alias(
            ProductProfile.discount_depth
        ),
        share(F.count_if(F.col(BOUGHT) & (F.col(DISCOUNT) > 0)), F.count_if(BOUGHT)).alias(
            ProductProfile.discounted_units_share
        ),
    )


def _sold_prices(past: DataFrame, as_of: datetime.date, recent_days: int) -> DataFrame:
    """One row per product: median list and paid price of the recent lines, of all lines where none is recent.

    A product has few different prices, so lines are counted by price first and medians taken of the counts.
    """
    listed, quantity = F.col(OrderLines.list_amount), F.col(OrderLines.quantity)
    points = (
        past.filter(BOUGHT)
        .groupBy(
            OrderLines.product_id,
            (F.date_diff(F.lit(as_of), OrderLines.order_date) <= recent_days).alias("recent"),
            F.when(listed > 0, ratio(listed, quantity)).alias("list"),
            ratio(F.col(OrderLines.amount_paid), quantity).alias("paid"),
        )
        .agg(F.count("*").alias("lines"))
    )
    medians = points.groupBy(OrderLines.product_id, "recent").agg(
        *[F.percentile(price, 0.5, F.col("lines")).alias(price) for price in ("list", "paid")]
    )
    # the lines that are not recent are all lines, where none is recent
    recent_else_ever = {
        price: F.coalesce(F.max(F.when(F.col("recent"), F.col(price))), F.max(price)) for price in ("list", "paid")
    }
    return medians.groupBy(OrderLines.product_id).agg(
        F.round(recent_else_ever["list"], 2).cast(MONEY).alias("sold_list_price"),
        F.round(recent_else_ever["paid"], 2).cast(MONEY).alias(ProductProfile.paid_price),
    )


def _buyers(bought: DataFrame) -> DataFrame:
    """Users per product, and those of them who bought it in two orders or more."""
    return bought.groupBy(OrderLines.product_id).agg(
        F.count_if(F.size(DAYS) >= 1).alias(ProductProfile.buyers),
        F.count_if(F.size(DAYS) >= 2).alias(ProductProfile.repeat_buyers),
    )


def _is_one_of(column: str, names: Sequence[str]) -> Column:
    return F.coalesce(F.col(column).isin(list(names)), F.lit(False))


def _margin(default: float, by_department: Mapping[str, float]) -> Column:
    """The assumed margin of the product's department, as an exact decimal."""
    margin = F.lit(Decimal(str(default)))
    for department, share_of_price in sorted(by_department.items()):
        margin = F.when(F.col(Products.department) == department, Decimal(str(share_of_price))).otherwise(margin)
    return margin
