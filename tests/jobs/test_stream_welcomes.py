"""Who is new on the date gets a welcome within it, as promote would give it, of what is left of its limits."""

from __future__ import annotations

import datetime
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from jobs.promote import run as promote
from promo_spark.contracts.decisions import Actions, Budget, Promotions
from promo_spark.contracts.intraday import IntradayActivity, StreamBatches
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Users
from promo_spark.flows.explain import explained
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.storage.lake import Lake
from tests.jobs.morning_rows import SETTINGS, decided_morning, newcomers, put
from tests.jobs.stream_rows import DAY, arrive, batches, forget_batches, forget_commit, rows_of, settings_of, take


def order(name: str, hour: int) -> str:
    return f"o{hour}-{name},1,{name},p1,1,10.00,0,,2024-06-14 {hour:02}:00:00"


def of_user(lake: Lake, name: str) -> dict[str, Any]:
    [row] = [row for row in rows_of(lake, Promotions) if row["user_id"] == name]
    return row


def reserved(lake: Lake) -> dict[str, Decimal]:
    return {row["constraint"]: row["reserved"] for row in rows_of(lake, Budget)}


def test_three_batches_welcome_whom_one_welcomes(lake: Lake, tmp_path: Path) -> None:
    """O01: three batches make what one makes: counters, and offers where no limit binds; sent again, nothing changes.

    O02: who orders for the first time has an offer with the batch, by what promote would give.
    """
    new, [held_out] = newcomers("treatment", 4), newcomers("holdout", 1)
    put(
        lake,
        Users,
        {
            "user_id": new[2],
            "registered_at": datetime.datetime(2024, 6, 14, 8, tzinfo=datetime.timezone.utc),
            "consent_marketing": False,
        },
        {
            "user_id": new[3],
            "registered_at": datetime.datetime(2024, 6, 14, 8, tzinfo=datetime.timezone.utc),
            "consent_profiling": False,
        },
    )
    morning: dict[str, float] = {"daily": 100, "mechanic_coupon": 50, "face_coupon": 1000}
    other = Lake(lake.spark, str(tmp_path / "at_once"))
    shutil.copytree(lake.root, other.root)
    for one in (lake, other):
        decided_morning(one, [*new, held_out], **morning)
    files = [
        [order(new[0], 9), order("c1", 9)],  # who is known is no newcomer
        [order(held_out, 10), order(new[2], 10), order(new[3], 10)],
        [order(new[1], 11), order(new[0], 11)],  # who was welcomed is not welcomed again
    ]
    settings = settings_of(lake, tmp_path / "in", **SETTINGS, **{"stream.files_per_batch": 1})
    arrive(tmp_path / "in", "events", "1.csv", f"e1,{new[1]},view,p1,2024-06-14 07:00:00")
    for number, rows in enumerate(files):
        arrive(tmp_path / "in", "order_lines", f"{number}.csv", *rows)
    take(lake, settings)
    assert batches(lake).height == 4

    welcome = of_user(lake, new[0])
    assert (welcome["scenario"], welcome["reason_codes"]) == ("new_user_welcome", ["first_order_today"])
    assert (welcome["coupon_amount"], welcome["status"], welcome["arm"]) == (Decimal("3.00"), "active", "treatment")
    visitor = of_user(lake, new[1])  # decided for when there was a visit and no order yet
    assert (visitor["scenario"], visitor["reason_codes"]) == ("new_user_welcome", ["no_order_yet"])
    reasons = {name: of_user(lake, name)["reason_codes"] for name in (held_out, new[2])}
    assert reasons == {held_out: ["holdout"], new[2]: ["no_consent"]}
    decided = {row["user_id"] for row in rows_of(lake, Promotions)}
    assert decided == {"c1", "c2", new[0], new[1], new[2], held_out}  # who may not be profiled has no row
    costs = welcome["expected_cost"] + visitor["expected_cost"]
    assert reserved(lake) == {"daily": costs, "mechanic:coupon": costs, "face:coupon": Decimal("6.00")}

    take(other, settings_of(other, tmp_path / "in", **SETTINGS))
    tables = (IntradayActivity, Promotions, Budget)
    assert {table: rows_of(other, table) for table in tables} == {table: rows_of(lake, table) for table in tables}
    before = {table: lake.version(table) for table in tables}
    arrive(tmp_path / "in", "order_lines", "again.csv", *files[0])
    take(lake, settings)
    assert {table: lake.version(table) for table in tables} == before

    left = run_in_order([promote], lake, settings, DAY, Progress())["promote"]
    assert (left.outcome, left.why) == ("current", "refreshed by stream; --force decides it anew")


def test_a_limit_that_binds_is_never_passed_wherever_a_batch_is_cut_off(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O01: a batch that was cut off between budget and offers, or after them, ends as one that was not."""
    new = newcomers("treatment", 2)
    decided_morning(lake, new, daily=1, mechanic_coupon=50, face_coupon=1000)  # a welcome takes 0.82 of the 1.00
    settings = settings_of(lake, tmp_path / "in", **SETTINGS, **{"stream.offers": "new_users"})
    arrive(tmp_path / "in", "order_lines", "1.csv", *(order(name, 9) for name in new))
    write = Lake.write

    def failing(of: Lake, table: type[Table], *args: Any, **named: Any) -> Any:
        if table is Promotions:
            raise OSError("the disk is gone")
        return write(of, table, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "write", failing)
        with pytest.raises(OSError, match="the disk is gone"):
            take(lake, settings)
    assert reserved(lake)["daily"] == Decimal("0.82")  # reserved, and no offer is made yet
    assert len(rows_of(lake, Promotions)) == 2

    take(lake, settings)
    decided = {name: of_user(lake, name) for name in new}
    assert sorted(row["scenario"] for row in decided.values()) == ["new_user_welcome", "none"]
    [none] = [row for row in decided.values() if row["scenario"] == "none"]
    assert none["reason_codes"] == ["budget_exhausted"]
    told = explained(lake, settings, promote, user=none["user_id"], date=str(DAY))
    assert told.startswith(f"{none['user_id']} on {DAY}, arm treatment: no offer (budget_exhausted)")
    assert told.endswith("decided within the day by stream, at the prices of the morning, of what its limits had left")
    assert reserved(lake) == {"daily": Decimal("0.82"), "mechanic:coupon": Decimal("0.82"), "face:coupon": 3}

    before = {table: (lake.version(table), rows_of(lake, table)) for table in (Promotions, Budget)}
    forget_commit(lake, "order_lines", 0)
    forget_batches(lake, [StreamBatches])  # all was written but that the batch is done
    take(lake, settings)
    assert {table: (lake.version(table), rows_of(lake, table)) for table in (Promotions, Budget)} == before


def test_what_is_stopped_spent_or_switched_off_is_given_to_nobody_new(lake: Lake, tmp_path: Path) -> None:
    [name, later] = newcomers("treatment", 2)
    decided_morning(lake, [name, later], daily=100, mechanic_coupon=50, face_coupon=1000)
    stop = {
        "action": "stop",
        "what": "mechanic:coupon",
        "day": DAY,
        "by": "ann",
        "at": datetime.datetime(2024, 6, 14, tzinfo=datetime.timezone.utc),
    }
    arrive(tmp_path / "in", "order_lines", "1.csv", order(name, 9))
    take(lake, settings_of(lake, tmp_path / "in", **SETTINGS, **{"stream.offers": "none"}))
    assert len(rows_of(lake, Promotions)) == 2
    lake.write(Actions, [Actions.complete(stop)])
    arrive(tmp_path / "in", "order_lines", "2.csv", order(later, 10))
    take(lake, settings_of(lake, tmp_path / "in", **SETTINGS))
    assert of_user(lake, later)["reason_codes"] == ["paused"]
    assert reserved(lake)["daily"] == 0
