"""What is charged now: the lowest of list, calendar and usual price, on products whose sales are few enough to see."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import OrderLines, PromoCalendar
from promo_spark.features.products.charged_prices import with_charged_price

AS_OF = datetime.date(2024, 4, 8)


def sales(product: str, *prices: float, days_ago: int = 3, **more: Any) -> list[dict[str, Any]]:
    """One line per price, all on one day."""
    day = AS_OF - datetime.timedelta(days_ago)
    plain = {"product_id": product, "quantity": 1, "order_date": day}
    return [plain | {"order_id": f"{product}{days_ago}{i}", "amount_paid": p} | more for i, p in enumerate(prices)]


LINES: list[dict[str, Any]] = [
    *[line for week in (1, 2, 3) for line in sales("always half", 5, 5, days_ago=7 * week)],
    *sales("odd receipts", 10, 10, 10, 1, 1),  # half of the day's sales are three, and the third lowest is 10
    *sales("half of it", 5, 5, 10, days_ago=3),  # two of three paid 5: the median of the 30 days
    *sales("odd days", 10, 10, 10, days_ago=9),
    *sales("odd days", 1, 1, 10, days_ago=2),  # on a day three have to have paid it
    *sales("odd day", 10, 10, 10, days_ago=9),
    *sales("odd day", 1, 1, days_ago=2),  # two sales set no price of a day; of five the third lowest is 10
    *sales("short cut", *[10] * 30, days_ago=20),
    *sales("short cut", 8, 8, 8, days_ago=10),  # one day's price, 10 % of the sales: the lowest of 30 days
    *sales("short cut", 6, 6, 6, days_ago=31),  # too long ago
    *sales("coupons", 7, 7, 7, discount_coupon_match=3),  # 10 at the shelf, less a coupon of the buyer's
    *sales("given away", 0, 0, 0, 10, 10, 10),  # a free one has no price
    *sales("by weight", 5, 5, 5, quantity="0.75"),  # 6.666… a kilo
    *sales("came back", 10, 10, 10),
    *sales("came back", *[-1] * 9, quantity=-1),
    *sales("slow", 9, days_ago=3),  # with the two of the recent days: 8, 9, 9
    *sales("slow", 8, 9, days_ago=80),
    *sales("rare", 9, days_ago=300),
    *sales("above list", 12, 12, 12),
    *sales("on sale", 10, 10, 10),
    *sales("anywhere", 10, 10, 10),
    *sales("soon", 10, 10, 10),
    *sales("unpriced", 3, 3, 3),
]
CALENDAR: list[dict[str, Any]] = [
    {"product_id": "on sale", "store_id": "s1", "start_date": AS_OF, "end_date": AS_OF, "discount_depth": "0.15"},
    {"product_id": "anywhere", "store_id": "s1", "start_date": AS_OF, "end_date": AS_OF, "price": 9},
    {"product_id": "anywhere", "store_id": "s2", "start_date": AS_OF, "end_date": AS_OF, "price": 7},
    {"product_id": "soon", "store_id": "s1", "start_date": "2024-04-09", "end_date": "2024-04-30", "price": 5},
    {"product_id": "soon", "store_id": "s2", "start_date": "2024-04-01", "end_date": "2024-04-07", "price": 6},
    {"product_id": "soon", "store_id": "s3", "start_date": "2024-04-01", "end_date": "2024-04-30"},  # on display
]
CHARGED: dict[str, str | None] = {  # what it is, of a list price of 10
    "always half": "5.00",
    "odd receipts": "10.00",
    "half of it": "5.00",
    "odd days": "10.00",
    "odd day": "10.00",
    "short cut": "8.00",
    "coupons": "10.00",
    "given away": "10.00",
    "by weight": "6.67",
    "came back": "10.00",
    "slow": "9.00",
    "rare": "9.00",
    "above list": "10.00",
    "on sale": "8.50",
    "anywhere": "7.00",
    "soon": "10.00",
    "never sold": "10.00",
    "unpriced": "3.00",
    "unknown": None,
}


def test_what_is_charged_is_the_lowest_price_that_was_really_charged(spark: SparkSession) -> None:
    rows: list[dict[str, Any]] = [
        {"product_id": product, "list_price": None if product in ("unpriced", "unknown") else 10} for product in CHARGED
    ]
    products = ProductProfile.frame(spark, rows).select("product_id", "list_price")
    found = with_charged_price(
        products,
        OrderLines.frame(spark, LINES),
        PromoCalendar.frame(spark, CALENDAR),
        as_of=AS_OF,
        recent_days=90,
        digits=2,
    )
    expected = [row | {"charged_price": CHARGED[row["product_id"]]} for row in rows]
    columns = ("product_id", "list_price", "charged_price")
    assert_df_equality(
        found.select(*columns),
        ProductProfile.frame(spark, expected).select(*columns),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )


def test_what_is_charged_has_the_digits_of_the_currency(spark: SparkSession) -> None:
    """841 yen less 15 % are 714.85: 715."""
    products = ProductProfile.frame(spark, [{"product_id": "on sale", "list_price": 841}])
    found = with_charged_price(
        products.select("product_id", "list_price"),
        OrderLines.frame(spark),
        PromoCalendar.frame(spark, CALENDAR),
        as_of=AS_OF,
        recent_days=90,
        digits=0,
    )
    assert [r.charged_price for r in found.collect()] == [Decimal("715.00")]
