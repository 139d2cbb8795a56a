"""Offers that should not be given any more are paused within the day, and the date is then left as it is."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from jobs.promote import run as promote
from promo_spark.contracts.decisions import Actions, Budget, Promotions
from promo_spark.contracts.exports import Exported
from promo_spark.contracts.intraday import IntradayRisk, StreamBatches
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.unchanged import nothing_to_do
from promo_spark.storage.lake import Lake
from tests.jobs.export_rows import decide, offer, user
from tests.jobs.stream_rows import DAY, arrive, forget_batches, forget_commit, rows_of, settings_of, take

HOLDS = {"valid_from": DAY, "valid_to": DAY + datetime.timedelta(6)}


def coupon(number: int, **columns: Any) -> dict[str, Any]:
    """Six off a basket for the user of that number, with a code of its own."""
    of_basket: dict[str, Any] = {
        "mechanic": "coupon",
        "scenario": "likely_buyer",
        "product_ids": [],
        "discount_rate": None,
    }
    amount = {"offer_price": None, "coupon_amount": Decimal("6.00"), "coupon_code": f"C{number}"}
    return offer(number, number, **HOLDS, **of_basket, **amount, **columns)


def planned(lake: Lake, **constraints: float) -> None:
    rows = [
        Budget.complete({"date": DAY, "constraint": name.replace("_", ":"), "planned": most, "unit": "currency"})
        for name, most in constraints.items()
    ]
    lake.write(Budget, rows, {Budget.date: DAY})


def paid_with(number: int, at: str) -> str:
    return f"o{number},1,{user(number)},p1,1,20.00,6.00,C{number},2024-06-14 {at}"


def statuses(lake: Lake) -> dict[str, str | None]:
    rows = pl.read_delta(lake.path(Promotions)).sort("promotion_id")
    return {str(int(row["promotion_id"], 16)): row["status"] for row in rows.to_dicts()}


def test_a_spent_budget_pauses_what_nobody_has_yet(lake: Lake, tmp_path: Path) -> None:
    """L08: the budget exhausted, the next micro-batch writes `paused`; promote then leaves the date."""
    decide(lake, [coupon(n) for n in (1, 2, 3, 4)] + [offer(5, 5, **HOLDS)], DAY)
    planned(lake, mechanic_coupon=10, daily=100)
    sent = {
        "promotion_id": f"{4:032x}",
        "user_id": user(4),
        "target": "crm",
        "valid_to": HOLDS["valid_to"],
        "date": DAY,
    }
    lake.write(Exported, [Exported.complete(sent)], {"date": DAY})
    settings = settings_of(lake, tmp_path / "in")
    arrive(tmp_path / "in", "order_lines", "1.csv", paid_with(1, "09:00:00"))
    take(lake, settings)
    assert set(statuses(lake).values()) == {"active"}  # 6 of 10
    arrive(tmp_path / "in", "order_lines", "2.csv", paid_with(2, "10:00:00"))
    take(lake, settings)
    # 12 of 10: 1 and 2 were used, 4 has left, 5 is no coupon, and of the day 12 of 100 are spent.
    expected = {"1": "active", "2": "active", "3": "paused", "4": "active", "5": "active"}
    assert statuses(lake) == expected
    said = rows_of(lake, Actions)
    assert [(row["action"], row["what"], row["day"], row["by"]) for row in said] == [
        ("pause", f"{3:032x}", DAY, "stream")
    ]
    assert said[0]["reason"] == "budget mechanic:coupon is spent: 12.00 of 10.00"
    assert said[0]["at"] == datetime.datetime(2024, 6, 14, 10, tzinfo=datetime.timezone.utc)

    left = run_in_order([promote], lake, settings, DAY, Progress())["promote"]
    assert (left.outcome, left.why) == ("current", "refreshed by stream; --force decides it anew")
    assert nothing_to_do(promote, settings, [DAY]) and statuses(lake) == expected

    # cut off after the pause was said, before the offers had it: the batch comes again and gives it to them
    decide(lake, [coupon(n) for n in (1, 2, 3, 4)] + [offer(5, 5, **HOLDS)], DAY)
    forget_commit(lake, "order_lines", 1)
    forget_batches(lake, [StreamBatches])
    take(lake, settings)
    assert statuses(lake) == expected and rows_of(lake, Actions) == said


def test_low_scores_pause_a_mechanic_and_its_scenario(lake: Lake, tmp_path: Path) -> None:
    decide(lake, [coupon(n) for n in (1, 2, 3)] + [offer(5, 5, **HOLDS)], DAY)
    scores = {"adjust.least_scores": 3, "adjust.negative_share": 0.5}
    answers = [f"f{n},{user(n)},{n:032x},{score},2024-06-14 12:0{n}:00" for n, score in ((1, 1), (2, 2), (3, 5))]
    arrive(tmp_path / "in", "feedback", "1.csv", answers[0], answers[2])
    take(lake, settings_of(lake, tmp_path / "in", **scores))
    assert set(statuses(lake).values()) == {"active"}  # two scores are too few
    arrive(tmp_path / "in", "feedback", "2.csv", answers[1])
    take(lake, settings_of(lake, tmp_path / "in", **scores))
    assert statuses(lake) == {"1": "paused", "2": "paused", "3": "paused", "5": "active"}
    assert [row["what"] for row in rows_of(lake, Actions)] == ["mechanic:coupon", "scenario:likely_buyer"]
    assert {row["reason"] for row in rows_of(lake, Actions)} == {"2 of 3 scores of the day are 2 or less"}


def test_an_account_that_is_blocked_keeps_no_offer(lake: Lake, tmp_path: Path) -> None:
    """Those of earlier dates end, too."""
    yesterday = DAY - datetime.timedelta(1)
    decide(lake, [offer(8, 2, valid_from=yesterday, valid_to=DAY)], yesterday, "promote-0")
    decide(lake, [coupon(1), coupon(2)], DAY)
    cheat = {"date": DAY, "user_id": user(2), "tier": "blocked", "score": 0.99, "verification_level": 3}
    lake.write(IntradayRisk, [IntradayRisk.complete(cheat)], {"date": DAY})
    arrive(tmp_path / "in", "order_lines", "1.csv", paid_with(1, "09:00:00"))
    take(lake, settings_of(lake, tmp_path / "in"))
    assert statuses(lake) == {"1": "active", "2": "paused", "8": "paused"}
