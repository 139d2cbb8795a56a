"""Orders and what became of them; equal orders beyond chance; linked accounts."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.silver import OrderLines
from promo_spark.models.risk.equal_orders import equal_orders
from promo_spark.models.risk.frames import Account, CheckedOrder, EqualOrders, Link
from promo_spark.models.risk.orders import account_figures, checked_orders
from promo_spark.models.risk.rings import components, digests, links, ring_members, usable_digests

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
DAYS, HOUR = 100, 3600
EVEN = [1 / 24] * 24


def line(order: str, day: float, pieces: int = 1, product: str = "p", **more: Any) -> dict[str, Any]:
    ts = START + datetime.timedelta(days=day)
    row = {"order_id": order, "line_no": 1, "user_id": "u", "product_id": product, "quantity": pieces}
    return {**row, "amount_paid": 5 * pieces, "ts": ts.isoformat(), "order_date": ts.date(), **more}


def order(user: str, second: float, content: int = 1, day: int = 50) -> dict[str, Any]:
    at = day * 24 * HOUR + int(second)
    row = {"user_id": user, "order_id": f"{user}-{at}", "day": day, "second": at, "hour": at // HOUR % 24}
    return {**row, "content": content, "lines": 1, "cents": 500}


def equal(spark: SparkSession, rows: list[dict[str, Any]], largest_ring: int = 50) -> dict[str, Any]:
    orders = CheckedOrder.frame(spark, rows)
    found = equal_orders(
        orders, within_hours=1, hour_shares=EVEN, days=DAYS, total=5000, rush=10.0, largest_ring=largest_ring
    )
    return {row["user_id"]: row for row in found.collect()}


def test_what_came_back_when_is_told_of_each_order(spark: SparkSession) -> None:
    """Whole and at once, later, in parts, and once more what had come back before."""
    lines = [
        line("soon", 1.0),
        line("soon-back", 2.0, -1),
        line("again", 3.0),
        line("again-back", 3.5, -1),
        line("kept too", 4.0),
        line("later", 10.0, 2, "q"),
        line("later-back", 20.0, -2, "q"),
        line("half", 30.0, 1, "r"),
        line("half", 30.0, 1, "s", line_no=2),
        line("half-back", 30.5, -1, "r"),
        line("kept", 40.0, 1, "t", coupon_id="c"),
    ]
    orders = checked_orders(OrderLines.frame(spark, lines), returned_within_days=2)
    of = {row["order_id"]: row for row in orders.collect()}
    assert set(of) == {"soon", "again", "kept too", "later", "half", "kept"}
    told = {name: (row["returned_lines"], row["returned_at_once"], row["again_lines"]) for name, row in of.items()}
    assert told == {
        "soon": (1, True, 0),
        "again": (1, True, 1),
        "kept too": (0, False, 0),
        "later": (1, False, 0),
        "half": (1, False, 0),
        "kept": (0, False, 0),
    }
    assert of["kept"]["coupon"] and not of["soon"]["coupon"]
    figures = account_figures(orders, quiet_hours=[12]).collect()[0]
    assert (figures["orders"], figures["lines"], figures["at_once_orders"], figures["coupon_orders"]) == (6, 7, 2, 1)
    assert (figures["first_day"], figures["last_day"], figures["quiet_orders"]) == (19724, 19763, 0)


def test_orders_are_equal_whatever_the_order_of_their_lines_and_not_with_other_pieces(spark: SparkSession) -> None:
    pairs = [("a", 1, "p", 2, "q"), ("b", 2, "q", 1, "p")]
    lines = [line(o, 1.0, k, p, line_no=n) for o, k, p, j, q in pairs for n, k, p in ((1, k, p), (2, j, q))]
    lines += [line("c", 1.0, 2, "p"), line("d", 1.0, 1, "p"), line("d", 1.0, 1, "p", line_no=2), line("e", 1.0)]
    of = {
        row["order_id"]: row["content"]
        for row in checked_orders(OrderLines.frame(spark, lines), returned_within_days=2).collect()
    }
    assert of["a"] == of["b"]
    assert len({of[name] for name in "acde"}) == 4


def test_equal_orders_in_one_sitting_are_told_and_usual_sales_are_not(spark: SparkSession) -> None:
    """J04 (simultaneous orders): six accounts within two hours; the same six on six days prove nothing."""
    sitting = [order(f"r{n}", 22 * HOUR + n * 1000) for n in range(6)]
    milk = [order(f"h{day}-{n}", 9 * HOUR + n * 600, content=2, day=day) for day in range(DAYS) for n in range(4)]
    spread = [order(f"s{n}", 9 * HOUR, content=3, day=40 + n) for n in range(6)]
    found = equal(spark, sitting + milk + spread)
    assert set(found) == {f"r{n}" for n in range(6)}
    assert len({row["run"] for row in found.values()}) == 1
    assert all(row["accounts"] == 6 and row["chance"] < 1e-6 for row in found.values())


def test_one_account_that_orders_twice_and_a_crowd_are_nothing(spark: SparkSession) -> None:
    twice = [order("one", n * 60) for n in range(5)]
    crowd = [order(f"c{n}", n * 10, content=9) for n in range(30)]
    assert equal(spark, twice + crowd, largest_ring=20) == {}
    assert len(equal(spark, crowd, largest_ring=30)) == 30


def linked(spark: SparkSession, *pairs: tuple[str, int]) -> dict[str, int]:
    """user → label, from (users as letters, what they share)."""
    rows = [{"user_id": user, "of": of} for users, of in pairs for user in users]
    return {row["user_id"]: row["ring"] for row in components(Link.frame(spark, rows)).collect()}


def test_accounts_that_are_linked_by_others_are_one_component(spark: SparkSession) -> None:
    of = linked(spark, ("ab", 1), ("bc", 2), ("cd", 3), ("xy", 4))
    assert of["a"] == of["b"] == of["c"] == of["d"] != of["x"] == of["y"]


def test_a_long_chain_ends_after_the_rounds(spark: SparkSession) -> None:
    """Each of thirty accounts shares something with the next one: a ring is not made of that."""
    chain = [f"u{n:02d}" for n in range(30)]
    rows = [{"user_id": user, "of": n} for n in range(29) for user in chain[n : n + 2]]
    labels = {row["ring"] for row in components(Link.frame(spark, rows), rounds=4).collect()}
    assert len(labels) > 1
    assert len({row["ring"] for row in components(Link.frame(spark, rows), rounds=30).collect()}) == 1


@pytest.mark.parametrize("largest", [3, 50])
def test_what_too_many_share_links_nobody(spark: SparkSession, largest: int) -> None:
    accounts = [{"user_id": f"u{n}", "device_digest": "office", "address_digest": f"home{n // 2}"} for n in range(8)]
    usable = usable_digests(digests(Account.frame(spark, accounts)), largest_ring=largest)
    of = {
        row["user_id"]: row["ring"] for row in components(links(usable, EqualOrders.frame(spark), chance=0.1)).collect()
    }
    assert len(set(of.values())) == (4 if largest == 3 else 1)


def test_members_are_counted_by_when_they_were_opened(spark: SparkSession) -> None:
    opened = {"a": 100, "b": 103, "c": 106, "d": 107, "e": None}
    known = [
        {"user_id": u, "opened": d, "device_digest": "x", "orders": 2, "coupon_orders": 1} for u, d in opened.items()
    ]
    frame = Account.frame(spark, [{k: row[k] for k in ("user_id", "opened", "device_digest")} for row in known])
    from promo_spark.models.risk.frames import AccountEvidence

    figures = AccountEvidence.frame(spark, known)
    of_links = links(usable_digests(digests(frame), largest_ring=9), EqualOrders.frame(spark), chance=0.1)
    rows = ring_members(of_links, figures, opened_within_days=7, opened_from=104, largest_ring=9).collect()
    of = {row["user_id"]: row for row in rows}
    assert {u: r["opened_near"] for u, r in of.items()} == {"a": 2, "b": 3, "c": 3, "d": 2, "e": None}
    assert {u: r["others_dated"] for u, r in of.items()} == {"a": 3, "b": 3, "c": 3, "d": 3, "e": 4}
    assert {(r["orders"], r["coupon_orders"], r["first_orders"], r["members"]) for r in of.values()} == {(10, 5, 2, 5)}
    assert ring_members(of_links, figures, opened_within_days=7, opened_from=104, largest_ring=4).collect() == []
