"""The product profile: what a product is, how it sells, at what price and margin."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import MONEY, Col, Frame
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.features.products.charged_prices import with_charged_price
from promo_spark.features.products.sales import ProductSales
from promo_spark.features.products.stock import stock_on_hand
from promo_spark.measures.exclusions import is_excluded
from promo_spark.measures.fifths import fifth, fifths
from promo_spark.measures.money import half_up
from promo_spark.measures.order_lines import is_purchase
from promo_spark.measures.ratios import ratio, share
from promo_spark.settings.business import BusinessSettings
from promo_spark.settings.profile import ProfileSettings

_COUNTS = (
    ProductProfile.units_28d,
    ProductProfile.units_before_28d,
    ProductProfile.revenue_28d,
    ProductProfile.units,
    ProductProfile.revenue,
    ProductProfile.buyers,
    ProductProfile.repeat_buyers,
    ProductProfile.purchases,
    ProductProfile.discounted_purchases,
    ProductProfile.list_amount,
    ProductProfile.discount,
)


class SoldPrice(Frame):
    """One row per product that was sold: its median prices per unit."""

    product_id = Col(T.StringType(), "the product", required=True)
    sold_list_price = Col(MONEY, "median list price; null: only sold without one", unit="currency")
    paid_price = Col(MONEY, "median price paid", unit="currency", required=True)


class PricePoint(Frame):
    """One row per product, whether the lines are recent, and pair of prices; of medians: per product and recent."""

    product_id = Col(T.StringType(), "the product", required=True)
    recent = Col(T.BooleanType(), "whether the lines are of the recent days", required=True)
    list_price = Col(T.DoubleType(), "list price per unit; null: none")
    paid_price = Col(T.DoubleType(), "price paid per unit", required=True)
    lines = Col(T.LongType(), "order lines at these prices", required=True)


_CATALOGUE_PRICE, _CATALOGUE_COST = "catalogue_price", "catalogue_cost"


def product_profile(
    products: DataFrame,
    *,
    sales: DataFrame,
    recent: DataFrame,
    buyers: DataFrame,
    priced: DataFrame,
    inventory: DataFrame,
    calendar: DataFrame,
    as_of: datetime.date,
    settings: ProfileSettings,
    business: BusinessSettings,
) -> DataFrame:
    """One row per product. Products, ProductSales, RecentSales, ProductBuyers, … → ProductProfile.

    `priced` are the PastLines that prices are taken of: all, or those that may count, see priced_lines. Inventory and
    PromoCalendar say what is on hand and announced.
    Units and revenue are net of returns; days, prices, discounts and buyers are of purchases. A product
    never sold has zero counts and null days, and without a catalogue price no price, tier or cost.
    Prices are medians per unit over lines, exact, rounded half up in the currency's digits (inventory row B03: a
    price is never filled with 0). What is charged now: see charged_prices.
    """
    digits = digits_of(business.currency)
    rows = (
        products.withColumnsRenamed({Products.list_price: _CATALOGUE_PRICE, Products.unit_cost: _CATALOGUE_COST})
        .join(sales, Products.product_id, "left")
        .join(recent, Products.product_id, "left")
        .join(_sold_prices(priced, as_of, settings.recent_days, digits), Products.product_id, "left")
        .join(buyers, Products.product_id, "left")
        .join(stock_on_hand(inventory, as_of=as_of, stock_days=settings.stock_days), Products.product_id, "left")
        .fillna(0, subset=list(_COUNTS))
        .withColumn(ProductProfile.list_price, half_up(F.coalesce(_CATALOGUE_PRICE, SoldPrice.sold_list_price), digits))
    )
    price, charged = F.col(ProductProfile.list_price), F.col(ProductProfile.charged_price)
    rows = with_charged_price(rows, priced, calendar, as_of=as_of, recent_days=settings.recent_days, digits=digits)
    margin = _margin(business.assumed_margin, business.assumed_margin_by_department)
    cuts = fifths(price).over(Window.partitionBy(Products.category))
    return rows.withColumns(
        {
            ProductProfile.title: F.coalesce(
                F.nullif(F.trim(Products.title), F.lit("")), Products.category, Products.product_id
            ),
            ProductProfile.promotable: ~is_excluded(business),
            ProductProfile.discount_depth: share(F.col(ProductSales.discount), F.col(ProductSales.list_amount)),
            ProductProfile.discounted_units_share: share(
                F.col(ProductSales.discounted_purchases), F.col(ProductSales.purchases)
            ),
            ProductProfile.price_tier: fifth(price, cuts),
            ProductProfile.unit_cost: F.coalesce(_CATALOGUE_COST, half_up(charged * (1 - margin), digits)),
            ProductProfile.cost_is_assumed: F.col(_CATALOGUE_COST).isNull() & charged.isNotNull(),
        }
    )


def _sold_prices(past: DataFrame, as_of: datetime.date, recent_days: int, digits: int) -> DataFrame:
    """One row per product sold. OrderLines → SoldPrice, of the recent lines, of all lines where none is recent.

    A product has few different prices, so lines are counted by price first and medians taken of the counts.
    """
    listed, quantity = F.col(OrderLines.list_amount), F.col(OrderLines.quantity)
    points = (
        past.filter(is_purchase())
        .groupBy(
            OrderLines.product_id,
            (F.date_diff(F.lit(as_of), OrderLines.order_date) <= recent_days).alias(PricePoint.recent),
            F.when(listed > 0, ratio(listed, quantity)).alias(PricePoint.list_price),
            ratio(F.col(OrderLines.amount_paid), quantity).alias(PricePoint.paid_price),
        )
        .agg(F.count("*").alias(PricePoint.lines))
    )
    medians = points.groupBy(PricePoint.product_id, PricePoint.recent).agg(
        *[
            F.percentile(price, 0.5, F.col(PricePoint.lines)).alias(price)
            for price in (PricePoint.list_price, PricePoint.paid_price)
        ]
    )
    return medians.groupBy(PricePoint.product_id).agg(
        _recent_else_ever(PricePoint.list_price, digits).alias(SoldPrice.sold_list_price),
        _recent_else_ever(PricePoint.paid_price, digits).alias(SoldPrice.paid_price),
    )


def _recent_else_ever(price: str, digits: int) -> Column:
    """The price of the recent lines; where none is recent, the lines that are not recent are all lines."""
    recent = F.max(F.when(F.col(PricePoint.recent), F.col(price)))
    return half_up(F.coalesce(recent, F.max(price)), digits)


def _margin(default: float, by_department: Mapping[str, float]) -> Column:
    """The assumed margin of the product's department, as an exact decimal."""
    margin = F.lit(Decimal(str(default)))
    for department, share_of_price in sorted(by_department.items()):
        margin = F.when(F.col(Products.department) == department, Decimal(str(share_of_price))).otherwise(margin)
    return margin
