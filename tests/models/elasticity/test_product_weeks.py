"""Sales, announcements and stock per product and week, from the lake's tables."""

from __future__ import annotations

import datetime

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.silver import Inventory, OrderLines, PromoCalendar
from promo_spark.models.elasticity.frames import ProductWeek
from promo_spark.models.elasticity.product_weeks import Weeks, first_weekday, product_weeks

WEEKS = Weeks(datetime.date(2024, 1, 3), 2)  # Wednesdays


def test_one_row_per_product_and_week_says_what_was_sold_announced_and_out_of_stock(spark: SparkSession) -> None:
    line = {"product_id": "tea", "user_id": "u", "list_amount": 10, "amount_paid": 8, "line_no": 1}
    lines = [
        line | {"order_id": "1", "quantity": 1, "order_date": "2024-01-03"},
        line
        | {"order_id": "2", "quantity": 1, "order_date": "2024-01-09", "discount_coupon_match": 1},  # at the shelf 9
        line | {"order_id": "3", "quantity": 2, "order_date": "2024-01-09", "user_id": None},  # nobody in particular
        line | {"order_id": "4", "quantity": -1, "order_date": "2024-01-09"},  # a return
        line | {"order_id": "5", "quantity": 5, "order_date": "2024-01-02"},  # before the first week
        line | {"order_id": "6", "quantity": 5, "order_date": "2024-01-17"},  # after the last
    ]
    period = {"product_id": "tea", "start_date": "2024-01-08", "end_date": "2024-01-11", "discount_depth": 0.2}
    calendar = [
        period | {"store_id": "1", "display": "front", "mailer": "A"},  # two days in each week
        period | {"store_id": "2", "display": "front"},
    ]
    stock = {"product_id": "tea", "day": "2024-01-10"}
    inventory = [
        stock | {"store_id": "1", "on_hand": 0},
        stock | {"store_id": "2", "on_hand": 0},  # nowhere on the 10th
        stock | {"store_id": "1", "on_hand": 0, "day": "2024-01-11"},
        stock | {"store_id": "2", "on_hand": 3, "day": "2024-01-11"},  # somewhere on the 11th
    ]
    known = {"product_id": "tea", "category": "hot", "first_sale": "2024-01-02", "unit_cost": 6}
    every = OrderLines.frame(spark, lines)
    found = product_weeks(
        every,
        every,
        products=ProductProfile.frame(spark, [known, {"product_id": "priceless", "first_sale": "2024-01-02"}]),
        segments=Segments.frame(spark, [{"user_id": "u", "segment_id": 4}]),
        calendar=PromoCalendar.frame(spark, calendar),
        inventory=Inventory.frame(spark, inventory),
        weeks=WEEKS,
    )
    of_tea = {"product_id": "tea", "category": "hot", "competitors": "hot", "unit_cost": 6, "first_day": -1}
    of_tea |= {"display_share": 2 / 7, "mailer_share": 1 / 7, "announced_depth": round(0.4 * 2 / 14, 6)}
    sold = {"week": 0, "units": 4, "listed": 30, "shelf": 25, "by_segment": {4: 2.0}}
    expected = ProductWeek.frame(spark, [of_tea | sold, of_tea | {"week": 1, "days_out": 1}])
    rounded = [c for c, col in ProductWeek.columns().items() if col.type.simpleString() == "double"]
    columns = [_rounded(c, rounded) for c in expected.columns]
    found, expected = (frame.selectExpr(*columns).orderBy("week") for frame in (found, expected))
    assert_df_equality(found, expected, ignore_nullable=True, ignore_metadata=True)
    assert first_weekday(PromoCalendar.frame(spark, calendar)) == 0
    assert first_weekday(PromoCalendar.frame(spark)) == 0


def _rounded(column: str, doubles: list[str]) -> str:
    return f"round({column}, 6) AS {column}" if column in doubles else column
