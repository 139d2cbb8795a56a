"""Visits: how long products are looked at, what is done in which order, and what of it ties users to products."""

from __future__ import annotations

import datetime

import pytest
from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.silver import Events
from promo_spark.models.recommenders.sessions import event_patterns, session_events
from promo_spark.models.recommenders.strengths import Strength, with_browsing, with_events

DAY = datetime.date(2024, 5, 2)
NOON = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.timezone.utc)


def events(spark: SparkSession, *rows: dict[str, object]) -> DataFrame:
    """Events of 1 May; `at` is minutes from noon."""
    told = []
    for number, row in enumerate(rows):
        at = NOON + datetime.timedelta(minutes=float(str(row.get("at", 0))))
        rest = {name: value for name, value in row.items() if name != "at"}
        told.append({"event_id": f"{number:04}", "ts": at, "event_date": NOON.date(), **rest})
    return Events.frame(spark, told)


def view(at: float, product: str, **more: object) -> dict[str, object]:
    return {"at": at, "event_type": "view", "product_id": product, "user_id": "ann", **more}


def test_time_of_looking_is_measured_or_the_gap_of_the_session(spark: SparkSession) -> None:
    """C02: a measured time counts; else the gap to the next event, of 45 minutes 30; the last event of a session 0.

    Of a user without session ids a pause of more than 30 minutes begins another session.
    """
    rows = events(
        spark,
        view(0, "tea", session_id="s", duration_s=5.0),
        view(2, "nut", session_id="s"),  # 45 minutes to the next
        view(47, "hat", session_id="s"),  # the last
        view(100, "tea"),
        view(101, "nut"),
        view(132, "hat"),  # 31 minutes later: another session
        {"at": 3, "event_type": "view", "product_id": "tea"},  # nobody, in no session
    )
    found = session_events(rows, as_of=DAY, days=1).orderBy("event_id").collect()
    assert [r.seconds for r in found] == [5.0, 1800.0, 0.0, 60.0, 0.0, 0.0]
    assert [r.session for r in found] == ["session:s"] * 3 + ["user:0:ann"] * 2 + ["user:1:ann"]
    assert session_events(rows, as_of=DAY - datetime.timedelta(1), days=9).isEmpty()

    pairs = Strength.frame(spark, [{"user_id": "ann", "product_id": "nut", "strength": 1.0, "orders": 1}])
    tied = with_browsing(pairs, session_events(rows, as_of=DAY, days=1), per_minute=0.1, as_of=DAY, half_life_days=1)
    strength = {r.product_id: r.strength for r in tied.collect()}
    assert strength == {"nut": 1 + 30 * 0.1 / 2, "tea": pytest.approx((5 / 60 + 1) * 0.1 / 2)}  # half, a day later


def test_a_planted_sequence_is_returned_with_its_share(spark: SparkSession) -> None:
    """C10: view, cart, purchase in 40% of the sessions, in this order; others look on, or leave the cart."""
    rows: list[dict[str, object]] = []
    for session in range(20):
        kinds = (
            ["view", "search", "cart", "purchase"] if session < 8 else ["cart", "view"] if session < 12 else ["view"]
        )
        rows += [
            {"at": step, "session_id": f"s{session}", "event_type": kind, "user_id": f"u{session}"}
            for step, kind in enumerate(kinds)
        ]
    of_sessions = session_events(events(spark, *rows[::-1]), as_of=DAY, days=1)
    found = {
        r.pattern: (r.sessions, r.share) for r in event_patterns(of_sessions, least_share=0.1, longest=3).collect()
    }
    assert found["view>cart>purchase"] == (8, 0.4)
    assert found["cart>view"] == (4, 0.2)
    assert "purchase>cart" not in found and "view" not in found
    assert "view>search>cart>purchase" not in found  # longer than asked for
    nothing = session_events(events(spark), as_of=DAY, days=1)
    assert event_patterns(nothing, least_share=0.1, longest=3).isEmpty()


def test_reviews_count_by_their_stars(spark: SparkSession) -> None:
    """At a weight of 0.9 and half a day's decay: 5 stars .45, 3 stars .15, 1 star nothing, without stars all."""
    reviews = events(
        spark,
        *({"event_type": "review", "user_id": "ann", "product_id": f"p{r}", "rating": r} for r in (5.0, 3.0, 1.0)),
        {"event_type": "review", "user_id": "ann", "product_id": "p"},
    )
    tied = with_events(Strength.frame(spark), reviews, weights={"review": 0.9}, as_of=DAY, half_life_days=1)
    found = {r.product_id: r.strength for r in tied.collect()}
    assert found == {"p5.0": pytest.approx(0.45), "p3.0": pytest.approx(0.15), "p": pytest.approx(0.45)}
