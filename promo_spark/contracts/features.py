"""Features of users, products and demand as of a date: nothing on or after `as_of` leaks in."""

from __future__ import annotations

from typing import ClassVar

from pyspark.sql import types as T

from promo_spark.contracts import vocabulary
from promo_spark.contracts.schema import MONEY, QUANTITY, Check, Col, Frame, Personal, Table

_TEXT = T.StringType()
_DATE = T.DateType()
_LONG = T.LongType()
_DOUBLE = T.DoubleType()

LIFECYCLES = vocabulary.LIFECYCLES


class Interest(Frame):
    """One row per user and category that the user likes: an entry of UserProfile.interests."""

    category = Col(_TEXT, "the category", required=True)
    share = Col(_DOUBLE, "its share of the user's time-decayed spend", unit="share", required=True)


class Repurchase(Frame):
    """One row per user and product bought on two days or more: an entry of UserProfile.repurchases."""

    product_id = Col(_TEXT, "the product", required=True)
    orders = Col(_LONG, "orders with the product", required=True)
    cadence_days = Col(_DOUBLE, "median days between the days on which it was bought", unit="days", required=True)
    last_bought = Col(_DATE, "the last day on which it was bought", required=True)
    due_date = Col(_DATE, "last day plus cadence", required=True)


class ChannelOrders(Frame):
    """One row per user and channel in which the user ordered: an entry of UserProfile.orders_by_channel."""

    channel = Col(_TEXT, "the channel", required=True)
    orders = Col(_LONG, "orders in it", required=True)


class UserProductDays(Frame):
    """One row per user and product that the user bought on two days or more."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(_TEXT, "the product", required=True)
    days = Col(
        T.ArrayType(_DATE), "the day of each order that bought the product and was not taken back whole", required=True
    )


INTEREST, REPURCHASE, CHANNEL_ORDERS = Interest.struct(), Repurchase.struct(), ChannelOrders.struct()


class AsOf(Table):
    """Tables computed for a date from what happened before it."""

    layer = "features"
    partition: ClassVar[tuple[str, ...]] = ("as_of",)
    dated_by = "as_of"
    trailing = ("run_id",)
    as_of = Col(_DATE, "the date decisions are made for; only earlier days count", required=True)
    run_id = Col(_TEXT, "the run that wrote the row; null: written before version 0.2")


class UserProfile(AsOf):
    """One row per user known before the date: bought, registered, or contacted."""

    name = "user_profile"
    key = ("as_of", "user_id")
    checks = (
        Check("lifecycle_known", "lifecycle", "in", LIFECYCLES),
        Check("recency_positive", "recency_days", ">=", 1),
        Check("discount_share_is_share", "discount_share", "between", (0.0, 1.0)),
        Check("power_band_1_to_5", "power_band", "between", (1, 5)),
    )
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    orders = Col(_LONG, "orders ever", required=True)
    lines = Col(_LONG, "order lines ever", required=True)
    spend = Col(MONEY, "amount paid ever, less returns", unit="currency", required=True)
    orders_90d = Col(_LONG, "orders in the recent days, 90 unless profile.recent_days says otherwise", required=True)
    spend_90d = Col(MONEY, "amount paid in the recent days", unit="currency", required=True)
    active_days_30d = Col(
        _LONG, "days with an order in the last days, 30 unless profile.activity_days says otherwise", required=True
    )
    first_order_date = Col(_DATE, "first order; null: none yet")
    last_order_date = Col(_DATE, "last order; null: none yet")
    recency_days = Col(_LONG, "days from the last order to as_of, 1 = yesterday; null: no order", unit="days")
    tenure_days = Col(_LONG, "days from the first order to as_of; null: no order", unit="days")
    orders_per_30d = Col(_DOUBLE, "orders per 30 days of tenure, which counts as 30 days at least; null: no order")
    basket_value = Col(
        _DOUBLE,
        "mean amount paid per order, returns and orders taken back whole left out; null: no such order",
        unit="currency",
    )
    basket_median = Col(_DOUBLE, "median amount paid per order, of the same orders; null: no such order", "currency")
    basket_lines = Col(_DOUBLE, "mean lines per order, of the same orders; null: no such order")
    products = Col(_LONG, "different products bought and not taken back whole", required=True)
    categories = Col(_LONG, "different categories of these", required=True)
    discount_share = Col(
        _DOUBLE, "all discounts as a share of list amount: price sensitivity; null: no order", unit="share"
    )
    discounted_lines_share = Col(_DOUBLE, "share of lines bought with any discount; null: no order", unit="share")
    return_lines_share = Col(_DOUBLE, "share of lines that are returns; null: no order", unit="share")
    campaigns_received = Col(_LONG, "campaigns the user was contacted with", required=True)
    coupons_redeemed = Col(_LONG, "coupons redeemed", required=True)
    interests = Col(
        T.ArrayType(INTEREST),
        "categories by time-decayed share of spend on what was kept, largest first, summing to at most 1",
        required=True,
    )
    repurchases = Col(
        T.ArrayType(REPURCHASE),
        "products bought and kept in several orders, with median gap and next-due estimate, most often bought first",
        required=True,
    )
    cadence_days = Col(_DOUBLE, "median days between order days; null: fewer than two order days", unit="days")
    due_date = Col(_DATE, "last order plus cadence; null: no cadence")
    expected_orders_30d = Col(
        _DOUBLE,
        "orders expected within 30 days as things go, by how often, how lately and how long the user has ordered "
        "(BG/NBD); null: no order, fewer than profile.expectation_least_users users came again, or an earlier version",
    )
    main_store_id = Col(_TEXT, "store with most orders; null: none")
    main_channel = Col(_TEXT, "channel with most orders; null: none")
    orders_by_channel = Col(
        T.ArrayType(CHANNEL_ORDERS),
        "orders by channel, most first; of orders without a channel nothing; null: written by an older version",
    )
    channel_change_days = Col(
        _DOUBLE,
        "median days from an order to the next one, where that was in another channel; null: all were in one",
        unit="days",
    )
    lifecycle = Col(_TEXT, f"one of {', '.join(LIFECYCLES)}", required=True)
    power_band = Col(
        T.IntegerType(), "purchasing power, 1 low to 5 high: quintile of spend per 30 days; null: no order"
    )
    region = Col(_TEXT, "region of the user; null: unknown", personal=Personal.ATTRIBUTE)
    member_tier = Col(_TEXT, "loyalty tier; null: unknown")
    consent_marketing = Col(T.BooleanType(), "may be sent offers; null: the shop does not say")


class ProductProfile(AsOf):
    """One row per product in the catalogue, sold before the date or not."""

    name = "product_profile"
    key = ("as_of", "product_id")
    product_id = Col(_TEXT, "the product", required=True)
    department = Col(_TEXT, "top of the category path")
    category = Col(_TEXT, "middle of the category path")
    subcategory = Col(_TEXT, "end of the category path")
    brand = Col(_TEXT, "brand or kind of brand")
    title = Col(_TEXT, "what a customer would read; never null: falls back to category, then id", required=True)
    promotable = Col(T.BooleanType(), "not in the departments and categories that settings exclude", required=True)
    first_sale = Col(_DATE, "first sale; null: never sold, and so no age is known")
    last_sale = Col(_DATE, "last sale; null: never sold")
    units_28d = Col(QUANTITY, "units sold in the last 28 days", required=True)
    units_before_28d = Col(QUANTITY, "units sold in the 28 days before those", required=True)
    revenue_28d = Col(MONEY, "amount received in the last 28 days", unit="currency", required=True)
    units = Col(QUANTITY, "units sold ever", required=True)
    revenue = Col(MONEY, "amount received ever", unit="currency", required=True)
    buyers = Col(_LONG, "different users who bought and kept it, of those who may be profiled", required=True)
    repeat_buyers = Col(_LONG, "such users who bought it in two or more orders", required=True)
    list_price = Col(
        MONEY,
        "catalogue price, else the median list price of units sold in the last 90 days, else ever; null: no sale",
        unit="currency",
    )
    paid_price = Col(MONEY, "median price paid per unit in the same window; null: no sale", unit="currency")
    charged_price = Col(
        MONEY,
        "what is charged now, before any offer: the lowest of list price, promo calendar on the date and usual price "
        "of the last 30 days, at the shelf (the lower median of a day or of all 30 days, from three sales on; else of "
        "the last 90 days, else ever); null: no price known",
        unit="currency",
    )
    discount_depth = Col(_DOUBLE, "all discounts as a share of list amount; null: no sale", unit="share")
    discounted_units_share = Col(_DOUBLE, "share of lines sold with a discount; null: no sale", unit="share")
    price_tier = Col(T.IntegerType(), "1 cheap to 5 dear within the category; null: no price")
    unit_cost = Col(
        MONEY, "catalogue cost, else charged price × (1 − assumed margin of the department); null: no price", "currency"
    )
    purchases = Col(_LONG, "order lines ever that are purchases; null: written by an older version")
    discounted_purchases = Col(_LONG, "those with a discount; null: written by an older version")
    list_amount = Col(MONEY, "list amount of all purchases; null: written by an older version", unit="currency")
    discount = Col(MONEY, "all discounts of all purchases; null: written by an older version", unit="currency")
    cost_is_assumed = Col(T.BooleanType(), "true: the cost follows from an assumed margin", required=True)
    on_hand = Col(
        QUANTITY,
        "units on hand: each store's newest stock of the last 7 days (profile.stock_days), summed; null: not known",
        unit="units",
    )
    in_stock = Col(T.BooleanType(), "on_hand is above 0; false: neither offered nor recommended; null: not known")
    shelf_life_days = Col(
        T.IntegerType(), "as in silver.products; null: it keeps, not known, or written by an older version", unit="days"
    )
    tags = Col(T.ArrayType(_TEXT), "as in silver.products; null: not known, or written by an older version")


class DailySales(AsOf):
    """One row per series and day, on a full calendar from the series' first sale to the day before as_of.

    Products of business.excluded_departments and business.excluded_categories are in no series of any level.
    """

    name = "daily_sales"
    key = ("as_of", "series_id", "day")
    series_id = Col(
        _TEXT, "level and id, such as product:1082185; an id may have colons, so take it from item_id", required=True
    )
    level = Col(_TEXT, "product, category, store or all", required=True)
    item_id = Col(_TEXT, "the product, category or store; all: whatever is sold", required=True)
    day = Col(_DATE, "the business day", required=True)
    units = Col(QUANTITY, "units sold, net of returns; 0 on days without sale", required=True)
    revenue = Col(MONEY, "amount received", unit="currency", required=True)
    price = Col(_DOUBLE, "mean price paid per unit, carried forward over days without sale", unit="currency")
    discount_depth = Col(_DOUBLE, "discounts as a share of list amount, 0 on days without sale", required=True)
    display_share = Col(
        _DOUBLE,
        "share of stores (of a store: of products) in the promo calendar that displayed it that day; null: no calendar",
    )
    mailer_share = Col(_DOUBLE, "the same for the mailer; null: no calendar")
    announced_depth = Col(
        _DOUBLE,
        "mean reduction that the promo calendar announces in the same stores (of a store: on its products), 0 where it "
        "announces none; null: no calendar",
        unit="share",
    )
    stock_out = Col(T.BooleanType(), "no stock that day; null: no stock table")


FEATURES: tuple[type[Table], ...] = (UserProfile, ProductProfile, DailySales)
