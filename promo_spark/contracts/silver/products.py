"""What is sold: the catalogue, its prices and promotions on the shelf, its stock, and the market around it."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import MONEY, QUANTITY, RATE, Check, Col, SourceCheck, WriteMode
from promo_spark.contracts.silver.sourced import (
    ENDS_BEFORE_START,
    Cleanable,
    control_character,
    future_day,
    unknown_product,
)

_TEXT = T.StringType()
_DATE = T.DateType()


class Products(Cleanable):
    """One row per product that can be sold."""

    name = "products"
    key = ("product_id",)
    write_mode = WriteMode.MERGE
    checks = (Check("list_price_positive", "list_price", ">", 0), Check("cost_positive", "unit_cost", ">", 0))
    source_checks = (
        control_character("product_id"),
        SourceCheck("list_price_not_positive", "the list price is zero or negative", "reject", "list_price", ">", 0),
        SourceCheck("cost_not_positive", "the unit cost is zero or negative", "reject", "unit_cost", ">", 0),
    )
    product_id = Col(_TEXT, "the product", required=True)
    department = Col(_TEXT, "top of the category path")
    category = Col(_TEXT, "middle of the category path")
    subcategory = Col(_TEXT, "end of the category path")
    brand = Col(_TEXT, "brand or kind of brand")
    manufacturer_id = Col(_TEXT, "who makes it")
    title = Col(_TEXT, "what a customer would read")
    package_size = Col(_TEXT, "size as printed")
    list_price = Col(MONEY, "price before any discount; null where only sales tell", unit="currency")
    unit_cost = Col(MONEY, "what the shop pays; null where unknown", unit="currency")
    launched_on = Col(_DATE, "first day on sale; null where unknown")
    shelf_life_days = Col(
        T.IntegerType(), "days that a piece can be sold for after it is delivered; null: it keeps, or unknown", "days"
    )
    tags = Col(
        T.ArrayType(_TEXT),
        "what else it is, such as eco: in lower case, each once, sorted; empty: nothing; null: the shop does not say",
    )


class PromoCalendar(Cleanable):
    """One row per product, store and period in which it was on display, in the mailer or reduced.

    A period (often a week) is one row, not one per day: seven times fewer rows, nothing lost.
    """

    name = "promo_calendar"
    key = ("product_id", "store_id", "start_date")
    write_mode = WriteMode.OVERWRITE
    statistics = ("start_date",)
    source_checks = (
        control_character("product_id"),
        SourceCheck("price_not_positive", "the announced price is zero or negative", "reject", "price", ">", 0),
        SourceCheck(
            "discount_depth_out_of_range",
            "the reduction is negative or more than the whole price",
            "reject",
            "discount_depth",
            "between",
            (0, 1),
        ),
        ENDS_BEFORE_START,
    )
    product_id = Col(_TEXT, "the product", required=True)
    store_id = Col(_TEXT, "the shop", required=True)
    start_date = Col(_DATE, "first business day of the period", required=True)
    end_date = Col(_DATE, "last business day, included", required=True)
    display = Col(_TEXT, "where in the shop it was displayed; null: not on display")
    mailer = Col(_TEXT, "where in the mailer it stood; null: not in the mailer")
    price = Col(MONEY, "announced price; null where not said", unit="currency")
    discount_depth = Col(RATE, "announced reduction as a share of list price; null where not said", unit="share")


class Inventory(Cleanable):
    """One row per product, store and day: what lay on the shelf when the day ended."""

    name = "inventory"
    key = ("product_id", "store_id", "day")
    partition = ("day",)
    write_mode = WriteMode.REPLACE_DAYS
    checks = (
        Check("on_hand_not_negative", "on_hand", ">=", 0),
        Check("on_order_not_negative", "on_order", ">=", 0),
        Check("lead_time_not_negative", "lead_time_days", ">=", 0),
    )
    source_checks = (
        control_character("product_id"),
        SourceCheck("on_hand_negative", "less than nothing is on the shelf", "reject", "on_hand", ">=", 0),
        SourceCheck("on_order_negative", "less than nothing is on order", "reject", "on_order", ">=", 0),
        SourceCheck("lead_time_negative", "it arrives before it is ordered", "reject", "lead_time_days", ">=", 0),
        future_day("day"),
        unknown_product("warn"),
    )
    product_id = Col(_TEXT, "the product", required=True)
    store_id = Col(_TEXT, "the shop or warehouse; 'all' where the retailer keeps one stock", required=True)
    day = Col(_DATE, "the business day", required=True)
    on_hand = Col(QUANTITY, "what can be sold", unit="units", required=True)
    on_order = Col(QUANTITY, "ordered, not yet there; null where unknown", unit="units")
    lead_time_days = Col(T.IntegerType(), "from order to shelf; null where unknown", unit="days")


class Market(Cleanable):
    """One row per day and category: what the whole market sold and what competitors ask."""

    name = "market"
    key = ("day", "category")
    write_mode = WriteMode.MERGE
    checks = (
        Check("market_sales_not_negative", "market_sales", ">=", 0),
        Check("competitor_price_positive", "competitor_price", ">", 0),
    )
    source_checks = (
        SourceCheck("market_sales_negative", "the market sold less than nothing", "reject", "market_sales", ">=", 0),
        SourceCheck(
            "competitor_price_not_positive",
            "a competitor's price is zero or negative",
            "reject",
            "competitor_price",
            ">",
            0,
        ),
    )
    day = Col(_DATE, "the day", required=True)
    category = Col(_TEXT, "the category, named as in products", required=True)
    market_sales = Col(MONEY, "sales of all sellers together; null where unknown", unit="currency")
    competitor_price = Col(MONEY, "the least price a competitor asks; null where unknown", unit="currency")
