"""The market by region, age and income: all groups add up, and small ones are not told of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.silver import Users
from promo_spark.measurement.market_groups import market_groups

# (user, region, age band, income band, orders, spend); nobody knows anything of u9
PEOPLE = [
    *[(f"u{n}", "north", "25-34", "50K", 2, "10.00") for n in range(5)],
    *[(f"u{n}", "south", "25-34", "50K", 1, "30.00") for n in range(5, 8)],
    ("u8", "south", None, "50K", 0, "0.00"),
    ("u9", None, None, None, 1, "5.00"),
]


def groups(spark: SparkSession, least: int) -> dict[tuple[str | None, ...], dict[str, Any]]:
    """Each group by region, age band and income band; null: all of them."""
    known = [{"user_id": u, "region": r, "age_band": a, "income_band": i} for u, r, a, i, *_ in PEOPLE[:-1]]
    bought = [{"user_id": u, "orders_90d": n, "spend_90d": Decimal(s)} for u, *_, n, s in PEOPLE]
    rows = market_groups(Users.frame(spark, known), UserProfile.frame(spark, bought), least=least).collect()
    return {(r.region, r.age_band, r.income_band): r.asDict() for r in rows}


def test_the_groups_of_the_cube_add_up_to_everybody(spark: SparkSession) -> None:
    """D14: 10 users, 9 buyers, 5 × 2 + 3 + 1 orders, 5 × 10 + 3 × 30 + 5 paid: in each attribute's groups together."""
    found = groups(spark, least=1)
    everyone = found[None, None, None]
    figures = ("users", "buyers", "orders", "spend")
    assert [everyone[f] for f in figures] == [10, 9, 14, Decimal("145.00")]
    for place in range(3):
        of_one = [row for key, row in found.items() if [k is None for k in key] == [n != place for n in range(3)]]
        assert [sum(row[f] for row in of_one) for f in figures] == [everyone[f] for f in figures]
    cells = [row for key, row in found.items() if None not in key]
    assert [sum(row[f] for row in cells) for f in figures] == [everyone[f] for f in figures]
    north = found["north", None, None]
    # 50.00 / 10 orders; 10.00 a user against 14.50 of all
    assert (north["order_value"], round(north["spend_index"], 4)) == (5.0, round(10 / 14.5, 4))


def test_groups_of_few_users_have_no_figures(spark: SparkSession) -> None:
    """D14: of the south's 4 users nothing is told, nor of the one user of whom nothing is known."""
    found = groups(spark, least=5)
    figures = ("users", "buyers", "orders", "spend", "order_value", "spend_index")
    assert [found["south", None, None][f] for f in figures] == [None] * 6
    assert [found["", "", ""][f] for f in figures] == [None] * 6
    assert found["north", "25-34", "50K"]["users"] == 5
    # 9 users have an income of 50K, 8 of them bought: both are enough
    assert found[None, None, "50K"]["buyers"] == 8


def test_what_few_buyers_did_is_not_told_of_a_large_group(spark: SparkSession) -> None:
    """Six users of whom one bought: the group is told of, the buyer's orders are not."""
    bought = [{"user_id": f"u{n}", "orders_90d": int(n == 0), "spend_90d": Decimal(n == 0)} for n in range(6)]
    (row,) = (
        market_groups(Users.frame(spark, []), UserProfile.frame(spark, bought), least=5)
        .filter("region IS NULL AND age_band IS NULL AND income_band IS NULL")
        .collect()
    )
    assert (row.users, row.buyers, row.orders, row.spend) == (6, None, None, None)
