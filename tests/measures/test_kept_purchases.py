"""What of a user's purchases was kept, and on which days products were bought again."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.kept_purchases import ProductOrder, product_orders, repeated_days, taken_back

DAY = datetime.date(2024, 3, 1)


def line(user: str | None, product: str, order: str, ago: int, quantity: int) -> dict[str, Any]:
    day = DAY - datetime.timedelta(ago)
    return {"user_id": user, "product_id": product, "order_id": order, "order_date": day, "quantity": Decimal(quantity)}


def test_orders_of_pairs_with_and_without_a_return(spark: SparkSession) -> None:
    lines = OrderLines.frame(
        spark,
        [
            line("ann", "tea", "o1", 9, 2),
            line("ann", "tea", "o1", 9, 1),  # another line of the order: 3 units in all
            line("ann", "tea", "o2", 5, 0),  # nothing was bought, nothing taken back
            line("ann", "cup", "o1", 9, 2),
            line("ann", "cup", "o3", 3, 2),
            line("ann", "cup", "r1", 1, -2),  # takes back o3, the last of that size
            line("ann", "cup", "o4", 0, 1),  # after it: kept
            line("bob", "tea", "o5", 2, 1),  # another user's return is none of his
            line(None, "tea", "o6", 2, 1),  # nobody's
        ],
    )
    found = {
        (r.user_id, r.product_id, r.order_id): (r.order_date and (DAY - r.order_date).days, r.bought, r.kept)
        for r in product_orders(lines, taken_back(lines)).collect()
    }
    assert found == {
        ("ann", "tea", "o1"): (9, 3, 3),
        ("ann", "tea", "o2"): (None, None, 0),
        ("ann", "cup", "o1"): (9, 2, 2),
        ("ann", "cup", "o3"): (3, 2, 0),
        ("ann", "cup", "r1"): (None, None, 0),
        ("ann", "cup", "o4"): (0, 1, 1),
        ("bob", "tea", "o5"): (2, 1, 1),
    }


def test_days_are_listed_of_products_bought_on_two_days(spark: SparkSession) -> None:
    bought = [
        ("ann", "tea", "o3", 1),
        ("ann", "tea", "o1", 9),
        ("ann", "tea", "o2", 9),  # twice on a day: both count
        ("ann", "cup", "o1", 9),
        ("ann", "cup", "o2", 9),  # one day only
        ("bob", "tea", "o4", 4),
        ("bob", "tea", "o5", None),  # taken back: no day
    ]
    rows = [
        {
            "user_id": user,
            "product_id": product,
            "order_id": order,
            "order_date": None if ago is None else DAY - datetime.timedelta(ago),
            "kept": Decimal(1),
        }
        for user, product, order, ago in bought
    ]
    orders = ProductOrder.frame(spark, rows)
    found = {(r.user_id, r.product_id): [(DAY - d).days for d in r.days] for r in repeated_days(orders).collect()}
    assert found == {("ann", "tea"): [9, 9, 1]}
