"""What was bought, and the days on which people buy otherwise."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import MONEY, QUANTITY, Check, Col, Personal, SourceCheck, WriteMode
from promo_spark.contracts.silver.sourced import (
    TEST_USER,
    UNKNOWN_USER,
    Cleanable,
    Sourced,
    control_character,
    future_timestamp,
    unknown_product,
)

_TEXT = T.StringType()
_DATE = T.DateType()


class OrderLines(Cleanable):
    """One row per order and line, returns and free items flagged."""

    name = "order_lines"
    key = ("order_id", "line_no")
    partition = ("order_date",)
    write_mode = WriteMode.REPLACE_DAYS
    checks = (Check("quantity_not_zero", "quantity", "!=", 0),)
    source_checks = (
        control_character("order_id"),
        SourceCheck("quantity_zero", "no pieces: not a sale", "reject", "quantity", "!=", 0),
        SourceCheck("quantity_negative", "pieces were given back: a return", "warn", "quantity", ">=", 0),
        SourceCheck("amount_zero", "nothing was paid: a free item", "warn", "amount_paid", "!=", 0),
        SourceCheck("amount_negative", "money went back without a return", "reject", "amount_paid"),
        SourceCheck(
            "amount_of_return_positive",
            "a return whose amount is positive: it is taken as money given back",
            "warn",
            "amount_paid",
        ),
        SourceCheck(
            "discount_negative", "a discount of a sale is below 0: its sign is wrong", "reject", "discount_retail"
        ),
        SourceCheck("list_below_paid", "the list amount of a sale is below what was paid", "warn", "list_amount"),
        future_timestamp("ts"),
        TEST_USER,
        unknown_product("reject"),
        UNKNOWN_USER,
    )
    order_id = Col(_TEXT, "the order or basket", required=True)
    line_no = Col(T.IntegerType(), "line within the order, from 1", required=True)
    user_id = Col(_TEXT, "who bought; null for anonymous sales", personal=Personal.IDENTIFIER)
    product_id = Col(_TEXT, "what was bought", required=True)
    store_id = Col(_TEXT, "the shop, or null online")
    channel = Col(_TEXT, "store, web, app, …")
    quantity = Col(QUANTITY, "pieces or weight; negative for a return", unit="units", required=True)
    amount_paid = Col(
        MONEY,
        "what the retailer received for the line, after every discount it bears; of a return it and the next four are "
        "negative",
        "currency",
        required=True,
    )
    list_amount = Col(MONEY, "the line at list price, before any discount", unit="currency", required=True)
    discount_retail = Col(MONEY, "discount by price reduction or loyalty card", "currency", required=True)
    discount_coupon = Col(MONEY, "discount by a maker's coupon, reimbursed to the retailer", "currency", required=True)
    discount_coupon_match = Col(MONEY, "discount by the retailer's match of a coupon", "currency", required=True)
    coupon_id = Col(_TEXT, "the coupon used; null where the shop does not say")
    ts = Col(T.TimestampType(), "when, UTC", required=True)
    order_date = Col(_DATE, "business day of ts in the shop's time zone", required=True)
    flags = Col(
        T.ArrayType(_TEXT), "names of checks the line failed and was kept with, such as amount_zero", required=True
    )


class Holidays(Sourced):
    """One row per country, day and holiday or shopping festival."""

    name = "holidays"
    key = ("country", "day", "holiday")
    write_mode = WriteMode.OVERWRITE
    country = Col(_TEXT, "ISO 3166 code of the country it is kept in", required=True)
    day = Col(_DATE, "the day", required=True)
    holiday = Col(_TEXT, "its name in English, such as Spring Festival or Double 11", required=True)
    kind = Col(_TEXT, "public (a day off) or shopping (a day of offers)", required=True)
