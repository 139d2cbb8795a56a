"""The ledger: what offers earned is booked once, when it is kept for good; points pay as far as they reach."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pyspark.sql import Row, SparkSession

from promo_spark.contracts.decisions import Points, Promotions
from promo_spark.contracts.silver import OrderLines, PointRedemptions
from promo_spark.decisions.points import Booking, booked, ended_offers

FIRST = datetime.date(2017, 12, 1)  # the offers hold to the 7th; what is given back by the 21st was not kept


def day(number: int) -> datetime.date:
    """The day of December 2017."""
    return FIRST + datetime.timedelta(days=number - 1)


def by(date: datetime.date, **rules: Any) -> Booking:
    return replace(Booking(date, digits=2, return_days=14, points_valid_days=365), **rules)


def offer(user_id: str, mechanic: str = "points", **terms: Any) -> dict[str, Any]:
    same = {"date": FIRST, "valid_from": FIRST, "valid_to": day(7), "status": "active", "product_ids": ["milk"]}
    prices = {"charged_price": "2.00", "offer_price": "1.70"}  # 0.30 back for each piece
    return same | prices | {"user_id": user_id, "promotion_id": f"of {user_id}", "mechanic": mechanic} | terms


def line(user_id: str, on: int, quantity: int = 1, product_id: str = "milk") -> dict[str, Any]:
    return {"user_id": user_id, "order_date": day(on), "quantity": quantity, "product_id": product_id}


def entries(
    spark: SparkSession,
    booking: Booking,
    *,
    offers: Sequence[dict[str, Any]] = (),
    lines: Sequence[dict[str, Any]] = (),
    redemptions: Sequence[dict[str, Any]] = (),
    earlier: Sequence[dict[str, Any]] = (),
) -> list[Row]:
    rows = booked(
        ended_offers(Promotions.frame(spark, offers), booking),
        OrderLines.frame(spark, lines),
        PointRedemptions.frame(spark, redemptions),
        Points.frame(spark, earlier),
        booking,
    )
    return rows.orderBy(Points.user_id, Points.kind, Points.asked).collect()


def told(rows: list[Row]) -> list[tuple[Any, ...]]:
    return [(r.user_id, r.account, r.kind, float(r.amount), float(r.balance)) for r in rows]


def test_a_rebate_is_booked_when_what_was_bought_can_no_longer_be_taken_back(spark: SparkSession) -> None:
    """I08: rebate booked after the return window, for the pieces that were kept, once."""
    offers = [offer("a", "rebate"), offer("b", "rebate"), offer("c"), offer("d"), offer("e", status="proposed")]
    lines = [
        line("a", 1, 2),  # on the first day
        line("a", 7, 1),  # on the last: 3 × 0.30
        line("a", 8, 5),  # too late
        line("a", 3, 9, "tea"),  # of something else
        line("b", 2, 3),
        line("b", 21, -2),  # on the last day of returns: one was kept
        line("c", 5, 1),
        line("c", 20, -1),  # none was kept
        line("d", 5, 1),
        line("d", 22, -1),  # given back too late to count
        line("e", 5, 1),  # nobody approved it
    ]
    assert entries(spark, by(day(21)), offers=offers, lines=lines) == []
    first = entries(spark, by(day(22)), offers=offers, lines=lines[:-2])
    assert told(first) == [
        ("a", "rebate", "earn", 0.9, 0.9),
        ("b", "rebate", "earn", 0.3, 0.3),
        ("d", "points", "earn", 0.3, 0.3),
    ]
    assert {r.date for r in first} == {day(22)} and first[0].promotion_id == "of a"
    # the next day all is booked already; a delivery that comes late is booked then
    ledger = [row.asDict() for row in first]
    late = [*lines, line("c", 6, 2)]
    assert told(entries(spark, by(day(23)), offers=offers, lines=late, earlier=ledger)) == [
        ("c", "points", "earn", 0.6, 0.6)
    ]
    # decided once more, the same day gives the same rows
    assert entries(spark, by(day(22)), offers=offers[::-1], lines=lines[-3::-1]) == first


def test_an_offer_that_ended_early_earns_until_then(spark: SparkSession) -> None:
    offers = [
        offer("a", status="stopped", stopped_on=day(4)),
        offer("b"),
        {"date": day(3), "user_id": "b", "promotion_id": "n", "mechanic": "none", "revokes": ["of b"]},
    ]
    lines = [line("a", 3), line("a", 4), line("b", 2, 2), line("b", 3)]
    assert told(entries(spark, by(day(22)), offers=offers, lines=lines)) == [
        ("a", "points", "earn", 0.3, 0.3),
        ("b", "points", "earn", 0.6, 0.6),
    ]


def test_points_pay_as_far_as_they_reach_and_each_time_once(spark: SparkSession) -> None:
    """I06: the balance is never below zero; a redemption that is delivered again changes nothing."""
    earned = {"date": day(1), "user_id": "a", "account": "points", "kind": "earn", "amount": 5, "entry_id": "e1"}
    money = {"date": day(1), "user_id": "a", "account": "rebate", "kind": "earn", "amount": 99, "entry_id": "e2"}
    paid: list[dict[str, Any]] = [
        {"redemption_id": "r1", "user_id": "a", "redeemed_on": day(2), "amount": "3.00"},
        {"redemption_id": "r2", "user_id": "a", "redeemed_on": day(3), "amount": "2.01"},  # 2.00 are left
        {"redemption_id": "r3", "user_id": "a", "redeemed_on": day(4), "amount": "2.00"},
        {"redemption_id": "r4", "user_id": "b", "redeemed_on": day(2), "amount": "0.01"},  # never earned anything
        {"redemption_id": "r5", "user_id": "a", "redeemed_on": day(9), "amount": "1.00"},  # of a later day
    ]
    rows = entries(spark, by(day(5)), redemptions=paid, earlier=[earned, money])
    assert told(rows) == [
        ("a", "points", "redeem", -2.0, 0.0),
        ("a", "points", "redeem", -3.0, 0.0),
        ("a", "points", "refused", 0.0, 0.0),
        ("b", "points", "refused", 0.0, 0.0),
    ]
    assert [r.asked for r in rows if r.kind == "refused"] == [Decimal("2.01"), Decimal("0.01")]
    ledger = [earned, money, *[row.asDict() for row in rows]]
    assert entries(spark, by(day(6)), redemptions=paid, earlier=ledger) == []
    [refused] = entries(spark, by(day(10)), redemptions=paid, earlier=ledger)
    assert (refused.kind, refused.asked) == ("refused", Decimal("1.00"))


def test_points_that_nobody_paid_with_run_out_the_oldest_first(spark: SparkSession) -> None:
    """Of 5 earned first and 4 later 3 were paid with: of the first 2 are left, which run out after ten days."""
    points = {"user_id": "a", "account": "points", "kind": "earn"}
    earlier = [
        points | {"date": day(1), "amount": 5, "entry_id": "e1"},
        points | {"date": day(4), "amount": 4, "entry_id": "e2"},
        points | {"date": day(5), "amount": -3, "entry_id": "e3", "kind": "redeem"},
    ]
    rules = {"points_valid_days": 10}
    assert entries(spark, by(day(10), **rules), earlier=earlier) == []
    [expired] = entries(spark, by(day(11), **rules), earlier=earlier)
    assert told([expired]) == [("a", "points", "expire", -2.0, 4.0)]
    ledger = [*earlier, expired.asDict()]
    assert entries(spark, by(day(12), **rules), earlier=ledger) == []
    assert told(entries(spark, by(day(14), **rules), earlier=ledger)) == [("a", "points", "expire", -4.0, 0.0)]
