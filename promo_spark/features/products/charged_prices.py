"""What is charged for a product now, before any offer: what "instead of" may name.

It is the lowest of three prices: the list price, the promo calendar's on the date, and the usual price of the last
30 days. That is also the price which the European rule on price reductions lets a shop name. The usual price is one
that was really paid at the shelf: after price reductions, before coupons. It is the lower median of the 30 days'
sales, or of the sales of one of these days where that is lower, so that a price cut of a single day counts. A few odd
receipts set no price: three sales at least must have paid it or less on a day, and 30 days with fewer than three sales
say nothing. Then the recent days of the settings count, then all days, however few their sales.
"""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import MONEY, RATE, Col, Frame
from promo_spark.contracts.silver import OrderLines, PromoCalendar
from promo_spark.measures.money import half_up
from promo_spark.measures.order_lines import is_purchase

LAST_DAYS = 30  # of the European rule, Article 6a of Directive 98/6/EC
LEAST_SALES = 3

_LAST, _RECENT, _EVER = "last days", "recent days", "ever"
_SALES_UP_TO, _SALES_OF_ALL = "sales_up_to", "sales_of_all"
_TEXT = T.StringType()
_ID = ProductProfile.product_id


class ShelfPrice(Frame):
    """One row per product, span of days and price per unit that was paid in it."""

    product_id = Col(_TEXT, "the product", required=True)
    span = Col(_TEXT, "a day of the last 30, or the last 30, the recent, or all days", required=True)
    price = Col(MONEY, "price per unit at the shelf", unit="currency", required=True)
    sales = Col(T.LongType(), "order lines at this price", required=True)


class UsualPrice(Frame):
    """One row per product that was sold."""

    product_id = Col(_TEXT, "the product", required=True)
    usual_price = Col(MONEY, "the lowest usual price of the last 30 days, else of longer windows", unit="currency")


class CalendarPrice(Frame):
    """One row per product that the promo calendar reduces on the date."""

    product_id = Col(_TEXT, "the product", required=True)
    calendar_price = Col(MONEY, "lowest announced price, of any store; null: none", unit="currency")
    calendar_depth = Col(RATE, "greatest announced reduction where no price is; null: none", unit="share")


def with_charged_price(
    products: DataFrame, past: DataFrame, calendar: DataFrame, *, as_of: datetime.date, recent_days: int, digits: int
) -> DataFrame:
    """Rows with product_id and list_price, which may be null → the same with charged_price.

    PastLine, PromoCalendar → charged_price of ProductProfile.
    """
    list_price = F.col(ProductProfile.list_price)
    reduced = half_up(list_price * (1 - F.col(CalendarPrice.calendar_depth)), digits)
    announced = half_up(F.col(CalendarPrice.calendar_price), digits)
    lowest = F.least(list_price, announced, reduced, F.col(UsualPrice.usual_price))
    return (
        products.join(usual_prices(past, as_of=as_of, recent_days=recent_days, digits=digits), _ID, "left")
        .join(calendar_prices(calendar, as_of=as_of), _ID, "left")
        .withColumn(ProductProfile.charged_price, lowest)
        .drop(UsualPrice.usual_price, CalendarPrice.calendar_price, CalendarPrice.calendar_depth)
    )


def usual_prices(past: DataFrame, *, as_of: datetime.date, recent_days: int, digits: int) -> DataFrame:
    """One row per product sold. PastLine → UsualPrice."""
    span, price = F.col(ShelfPrice.span), F.col(ShelfPrice.price)
    is_day, half = ~span.isin(_LAST, _RECENT, _EVER), F.ceil(F.col(_SALES_OF_ALL) / 2)
    of_span = Window.partitionBy(ShelfPrice.product_id, ShelfPrice.span)
    up_to = of_span.orderBy(ShelfPrice.price).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    usual = (
        shelf_prices(past, as_of=as_of, recent_days=recent_days, digits=digits)
        .withColumn(_SALES_OF_ALL, F.sum(ShelfPrice.sales).over(of_span))
        .withColumn(_SALES_UP_TO, F.sum(ShelfPrice.sales).over(up_to))
        .filter((F.col(_SALES_OF_ALL) >= LEAST_SALES) | (span == _EVER))
        .filter(F.col(_SALES_UP_TO) >= F.when(is_day, F.greatest(half, F.lit(LEAST_SALES))).otherwise(half))
    )
    in_last, recently, ever = (F.min(F.when(span == name, price)) for name in (_LAST, _RECENT, _EVER))
    on_a_day = F.min(F.when(is_day, price))
    return UsualPrice.shaped(
        usual.groupBy(UsualPrice.product_id).agg(
            F.coalesce(F.least(on_a_day, in_last), recently, ever).alias(UsualPrice.usual_price)
        )
    )


def shelf_prices(past: DataFrame, *, as_of: datetime.date, recent_days: int, digits: int) -> DataFrame:
    """One row per product, span and price. PastLine → ShelfPrice. A free item has no price."""
    age = F.date_diff(F.lit(as_of), OrderLines.order_date)
    paid = F.col(OrderLines.amount_paid) + F.col(OrderLines.discount_coupon_match)
    price = half_up(paid / F.col(OrderLines.quantity), digits)
    of_days = F.when(age <= LAST_DAYS, F.col(OrderLines.order_date).cast("string"))
    spans = F.array(of_days, F.when(age <= LAST_DAYS, _LAST), F.when(age <= recent_days, _RECENT), F.lit(_EVER))
    counted = (  # a product has few different prices: counted first, its lines are not copied into each span
        past.filter(is_purchase() & (paid > 0))
        .groupBy(ShelfPrice.product_id, F.array_compact(spans).alias(ShelfPrice.span), price.alias(ShelfPrice.price))
        .agg(F.count("*").alias(ShelfPrice.sales))
    )
    return (
        counted.withColumn(ShelfPrice.span, F.explode(ShelfPrice.span))
        .groupBy(ShelfPrice.product_id, ShelfPrice.span, ShelfPrice.price)
        .agg(F.sum(ShelfPrice.sales).alias(ShelfPrice.sales))
    )


def calendar_prices(calendar: DataFrame, *, as_of: datetime.date) -> DataFrame:
    """One row per product reduced on the date. PromoCalendar → CalendarPrice.

    A product that any store reduces counts as reduced: an offer holds in every store.
    """
    price, depth = F.col(PromoCalendar.price), F.col(PromoCalendar.discount_depth)
    holds = F.lit(as_of).between(F.col(PromoCalendar.start_date), F.col(PromoCalendar.end_date))
    return CalendarPrice.shaped(
        calendar.filter(holds & (price.isNotNull() | depth.isNotNull()))
        .groupBy(PromoCalendar.product_id)
        .agg(
            F.min(price).alias(CalendarPrice.calendar_price),
            F.max(F.when(price.isNull(), depth)).alias(CalendarPrice.calendar_depth),
        )
    )
