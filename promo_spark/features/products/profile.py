"""The product profile: what a product is, how it sells, at what price and margin."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.features import ProductProfile, UserProductDays
from promo_spark.contracts.schema import MONEY, QUANTITY, Col, Frame
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.features.products.charged_prices import with_charged_price
from promo_spark.features.products.stock import stock_on_hand
from promo_spark.measures.fifths import fifth, fifths
from promo_spark.measures.money import half_up
from promo_spark.measures.order_lines import is_purchase, lines_before, of_purchases, total_discount
from promo_spark.measures.ratios import ratio, share
from promo_spark.settings.business import BusinessSettings
from promo_spark.settings.profile import ProfileSettings

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
    lines: DataFrame,
    bought: DataFrame,
    products: DataFrame,
    *,
    inventory: DataFrame,
    calendar: DataFrame,
    as_of: datetime.date,
    settings: ProfileSettings,
    business: BusinessSettings,
) -> DataFrame:
    """One row per product. OrderLines, UserProductDays, Products, Inventory, PromoCalendar → ProductProfile.

    Units and revenue are net of returns; days, prices, discounts and buyers are of purchases. A product
    never sold has zero counts and null days, and without a catalogue price no price, tier or cost.
    Prices are medians per unit over lines, exact, rounded half up in the currency's digits (inventory row B03: a
    price is never filled with 0). What is charged now: see charged_prices.
    """
    past, digits = lines_before(lines, as_of), digits_of(business.currency)
    rows = (
        products.withColumnsRenamed({Products.list_price: _CATALOGUE_PRICE, Products.unit_cost: _CATALOGUE_COST})
        .join(_sales(past, as_of), Products.product_id, "left")
        .join(_sold_prices(past, as_of, settings.recent_days, digits), Products.product_id, "left")
        .join(_buyers(bought), Products.product_id, "left")
        .join(stock_on_hand(inventory, as_of=as_of, stock_days=settings.stock_days), Products.product_id, "left")
        .fillna(0, subset=list(_COUNTS))
        .withColumn(ProductProfile.list_price, half_up(F.coalesce(_CATALOGUE_PRICE, SoldPrice.sold_list_price), digits))
    )
    promotable = ~(
        _is_one_of(Products.department, business.excluded_departments)
        | _is_one_of(Products.category, business.excluded_categories)
    )
    price, charged = F.col(ProductProfile.list_price), F.col(ProductProfile.charged_price)
    rows = with_charged_price(rows, past, calendar, as_of=as_of, recent_days=settings.recent_days, digits=digits)
    margin = _margin(business.assumed_margin, business.assumed_margin_by_department)
    cuts = fifths(price).over(Window.partitionBy(Products.category))
    return rows.withColumns(
        {
            ProductProfile.title: F.coalesce(
                F.nullif(F.trim(Products.title), F.lit("")), Products.category, Products.product_id
            ),
            ProductProfile.promotable: promotable,
            ProductProfile.price_tier: fifth(price, cuts),
            ProductProfile.unit_cost: F.coalesce(_CATALOGUE_COST, half_up(charged * (1 - margin), digits)),
            ProductProfile.cost_is_assumed: F.col(_CATALOGUE_COST).isNull() & charged.isNotNull(),
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
        share(F.sum(of_purchases(total_discount())), F.sum(of_purchases(OrderLines.list_amount))).alias(
            ProductProfile.discount_depth
        ),
        share(F.count_if(is_purchase() & (total_discount() > 0)), F.count_if(is_purchase())).alias(
            ProductProfile.discounted_units_share
        ),
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


def _buyers(bought: DataFrame) -> DataFrame:
    """One row per product: users who bought it, and those of them who did in two orders or more."""
    return bought.groupBy(OrderLines.product_id).agg(
        F.count_if(F.size(UserProductDays.days) >= 1).alias(ProductProfile.buyers),
        F.count_if(F.size(UserProductDays.days) >= 2).alias(ProductProfile.repeat_buyers),
    )


def _is_one_of(column: str, names: Sequence[str]) -> Column:
    return F.coalesce(F.col(column).isin(list(names)), F.lit(False))


def _margin(default: float, by_department: Mapping[str, float]) -> Column:
    """The assumed margin of the product's department, as an exact decimal."""
    margin = F.lit(Decimal(str(default)))
    for department, share_of_price in sorted(by_department.items()):
        margin = F.when(F.col(Products.department) == department, Decimal(str(share_of_price))).otherwise(margin)
    return margin
