"""What chance drew for explored users, as rows of evidence."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Explored, Promotions
from promo_spark.contracts.silver import OrderLines
from promo_spark.models.uplift.explored_draws import draw_messages, explored_draws

DAY = datetime.date(2024, 3, 1)
SINCE, AS_OF = DAY - datetime.timedelta(30), DAY + datetime.timedelta(20)
Row = dict[str, Any]
TERMS: Mapping[str, Row] = {  # of mechanics, what is offered
    "none": {"saving": 0},
    "discount": {"saving": 0.2, "product_ids": ["tea"]},
    "bundle": {"saving": 0.1, "product_ids": ["tea", "milk"]},
    "coupon": {"saving": 0.25, "min_spend": 20},
}


def day(n: int) -> datetime.date:
    return DAY + datetime.timedelta(n)


def number(n: int) -> int:
    return (day(n) - datetime.date(1970, 1, 1)).days


def listed(user: str, on: int, chosen: str, *others: str) -> list[Row]:
    """The candidates of a user: an offer of each mechanic named, each as likely as any other, and none."""
    offers = (*(() if chosen == "none" else (chosen,)), *others)
    same = {"date": day(on), "user_id": user, "product_ids": []}
    rows = [
        same
        | TERMS[mechanic]
        | {
            "promotion_id": f"{user}-{on}-{place}-{mechanic}",
            "scenario": "none" if mechanic == "none" else "holiday",
            "mechanic": mechanic,
            "action_propensity": Decimal("0.25") if mechanic == "none" else Decimal(3) / (4 * len(offers)),
            "chosen": (place == 0) if chosen == "none" else place == 1,
        }
        for place, mechanic in enumerate(("none", *offers))
    ]
    zeros = dict.fromkeys(("off", "expected_conversion", "expected_uplift", "incremental_margin", "expected_cost"), 0)
    return [zeros | row for row in rows]


def made(row: Row, days: int = 7, **changes: Any) -> Row:
    """The promotion that was drawn, as promote wrote it."""
    same = {name: row[name] for name in ("date", "user_id", "promotion_id", "mechanic")}
    return same | {"valid_from": row["date"], "valid_to": row["date"] + datetime.timedelta(days - 1)} | changes


def draws(spark: SparkSession, explored: list[Row], promotions: list[Row]) -> dict[tuple[str, int], Row]:
    """By user and first day."""
    frames = Explored.frame(spark, explored), Promotions.frame(spark, promotions)
    found = explored_draws(*frames, since=SINCE, as_of=AS_OF, most_days=28).collect()
    rows = {(row["user_id"], row["start"]): row.asDict() for row in found}
    assert len(rows) == len(found)
    return rows


def test_what_was_drawn_is_a_row_per_user_and_date_weighted_by_what_chance_knew(spark: SparkSession) -> None:
    """Users a and b drew a discount with 0.75 and 0.25, whose harmonic mean is 0.375; d drew none, with 0.25 as all.

    So a counts half and b one and a half. a is explored twice. The offers of day 13 hold until the last day before
    AS_OF; those of day 14 are not over, so nothing of that date counts, a flash sale of 2 days neither.
    """
    explored = [
        *listed("a", 0, "discount"),
        *listed("b", 0, "discount", "coupon", "coupon"),
        *listed("d", 0, "none", "coupon"),
        *listed("a", 13, "none", "coupon"),
        *listed("e", 13, "bundle"),
        *listed("b", 14, "discount"),
        *listed("f", 14, "bundle"),
    ]
    drawn = [row for row in explored if row["chosen"]]
    of = draws(spark, explored, [made(row, 2 if row["promotion_id"].startswith("b-14") else 7) for row in drawn])
    assert {(user, start - number(0)) for user, start in of} == {("a", 0), ("b", 0), ("d", 0), ("a", 13), ("e", 13)}
    assert [of[user, number(0)]["mechanic"] for user in "abd"] == ["discount", "discount", ""]
    assert [of[user, number(0)]["weight"] for user in "abd"] == pytest.approx([0.5, 1.5, 1.0])
    assert {row["end"] - row["start"] for row in of.values()} == {7}


def test_an_offer_counts_as_long_as_it_held_and_none_as_long_as_the_longest(spark: SparkSession) -> None:
    """a's offer was stopped after 3 days, b's was never approved; none is followed for the 5 days that c's held."""
    explored = [row for user in "abc" for row in listed(user, 0, "discount")] + listed("d", 0, "none", "discount")
    promotions = [
        made(explored[1], stopped_on=day(3)),
        made(explored[3], status="proposed"),
        made(explored[5], days=5),
        made(explored[6]) | {"valid_from": None, "valid_to": None},
    ]
    of = draws(spark, explored, promotions)
    assert {user: row["end"] - row["start"] for (user, _), row in of.items()} == {"a": 3, "c": 5, "d": 5}
    assert draws(spark, explored, []) == {}


def test_what_was_bought_of_it_is_told(spark: SparkSession) -> None:
    """a spent 30 before on tea and 10 on milk, all users 100 in 4 order days; e bought nothing before and is left out.

    A bundle: twice the lesser of both, 20, and of all users' 100 twice the lesser of 60 and 40. Of a coupon from 20
    on, b's baskets before it were 30 and 10, and one of 25 while it held.
    """
    explored = [
        *listed("a", 0, "bundle"),
        *listed("b", 0, "coupon"),
        *listed("d", 0, "none", "coupon"),
        *listed("e", 0, "discount"),
    ]
    promotions = [made(row) for row in explored if row["chosen"] and row["mechanic"] != "none"]
    frames = Explored.frame(spark, explored), Promotions.frame(spark, promotions)
    drawn = explored_draws(*frames, since=SINCE, as_of=AS_OF, most_days=28)
    bought = [
        ("a", -9, "tea", 30),
        ("a", -9, "milk", 10),
        ("b", -5, "milk", 30),
        ("b", -3, "tea", 10),
        ("d", -2, "tea", 20),
        ("b", 2, "milk", 25),
        ("a", 3, "tea", 5),
        ("e", 3, "tea", 5),
        ("a", 8, "tea", 50),
    ]
    lines = [
        {
            "order_id": f"{n}",
            "line_no": 1,
            "user_id": user,
            "product_id": product,
            "quantity": 1,
            "amount_paid": paid,
            "list_amount": paid,
            "order_date": day(on),
        }
        for n, (user, on, product, paid) in enumerate(bought)
    ]
    rows = draw_messages(OrderLines.frame(spark, lines), drawn).collect()
    of = {row["user_id"]: row.asDict() for row in rows}
    assert set(of) == {"a", "b", "d"}
    bundle = {"cents_before": 2000, "lines_before": 2, "lines_held": 1, "usual_share": 0.8, "usual_lines": 1.25}
    assert {name: of["a"][name] for name in bundle} == bundle  # 5 lines in 4 order days
    coupon = {"least_cents": 2000, "reached_before": 1, "lines_held": 1, "usual_lines": 0.0, "whole_shop": False}
    assert {name: of["b"][name] for name in coupon} == coupon
    assert (of["d"]["whole_shop"], of["d"]["saving"], of["d"]["least_cents"]) == (True, 0.0, None)
    assert all(row["explored"] and row["used"] is None for row in of.values())
