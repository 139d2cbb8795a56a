"""What was taken back: by the same user, of the same product, whatever the order id."""

from __future__ import annotations

from typing import Any

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.kept_purchases import TakenBack, taken_back


def line(user: str | None, order: str, quantity: float, day: int, product: str = "tea") -> dict[str, Any]:
    return {
        "user_id": user,
        "order_id": order,
        "product_id": product,
        "quantity": quantity,
        "order_date": f"2024-04-{day + 1:02}",
    }


def test_returns_take_back_the_last_purchases_that_they_fit(spark: SparkSession) -> None:
    lines = [
        line("bulk", "b1", 74215, 0),
        line("bulk", "b2", 2, 10),  # bought between the large order and its cancellation: kept
        line("bulk", "b3", -74215, 10),
        line("twice", "t1", 1, 0),  # of two equal purchases the later comes back
        line("twice", "t2", 1, 5),
        line("twice", "t3", -1, 9),
        line("same order", "s1", 3, 0),
        line("same order", "s1", -3, 0),
        line("several", "v1", 1, 0),
        line("several", "v2", 2, 1),
        line("several", "v3", -3, 2),  # both, in one return
        line("some", "o1", 5, 0),  # two of five came back: three are kept
        line("some", "o2", -2, 1),
        line("before", "e1", -1, 0),  # of a purchase long ago: no later one is meant
        line("before", "e2", 1, 1),
        line("other", "h1", 1, 0),
        line("other", "h2", -1, 1, product="milk"),
        line("part", "p1", 1, 0),  # one line of two
        line("part", "p1", 1, 0, product="milk"),
        line("part", "p2", -1, 1, product="milk"),
        line(None, "n1", 1, 0),
        line(None, "n2", -1, 1),
    ]
    expected = [
        ("bulk", "b1", 74215, "tea"),
        ("twice", "t2", 1, "tea"),
        ("same order", "s1", 3, "tea"),
        ("several", "v1", 1, "tea"),
        ("several", "v2", 2, "tea"),
        ("some", "o1", 2, "tea"),
        ("part", "p1", 1, "milk"),
    ]
    rows = [{"user_id": u, "order_id": o, "taken_back_units": n, "product_id": p} for u, o, n, p in expected]
    for parts in (1, 5):
        assert_df_equality(
            taken_back(OrderLines.frame(spark, lines).repartition(parts)),
            TakenBack.frame(spark, rows),
            ignore_row_order=True,
            ignore_nullable=True,
            ignore_metadata=True,
        )
