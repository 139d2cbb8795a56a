"""Who ordered on the date is decided anew within it, by what is likely now, unless an offer has left or was used."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from promo_spark.contracts.decisions import Actions, Budget, Promotions
from promo_spark.contracts.exports import Exported
from promo_spark.contracts.intraday import StreamBatches
from promo_spark.contracts.schema import Table
from promo_spark.storage.lake import Lake
from tests.jobs.export_rows import decide, offer
from tests.jobs.morning_rows import CUSTOMERS, SETTINGS, decided_morning
from tests.jobs.stream_rows import DAY, arrive, forget_batches, forget_commit, rows_of, settings_of, take

HOLDS = {"valid_from": DAY, "valid_to": DAY + datetime.timedelta(6)}
MORNING = {"daily": 100, "mechanic_coupon": 50, "mechanic_discount": 50, "face_coupon": 1000}


def order(name: str) -> str:
    return f"o-{name},1,{name},p1,1,10.00,0,,2024-06-14 09:00:00"


def offered(lake: Lake) -> dict[str, str]:
    """The scenario of each user's one row."""
    rows = rows_of(lake, Promotions)
    assert len(rows) == len({row["user_id"] for row in rows})
    return {row["user_id"]: row["scenario"] for row in rows}


def stated(lake: Lake) -> dict[str, tuple[Decimal, int]]:
    return {row["constraint"]: (row["reserved"], row["offers"]) for row in rows_of(lake, Budget)}


def exported(number: int, name: str, date: datetime.date) -> dict[str, Any]:
    row = {"promotion_id": f"{number:032x}", "user_id": name, "target": "crm", "valid_to": HOLDS["valid_to"]}
    return Exported.complete({**row, "date": date})


def test_who_was_given_none_gets_what_is_worth_giving_now(lake: Lake, tmp_path: Path) -> None:
    """O02: offers follow from the propensity of the day's orders; equal decisions leave all as it is."""
    decided_morning(lake, ["c1"], **MORNING)  # c1 is likely to come again, of c2 nothing is known
    settings = settings_of(lake, tmp_path / "in", **SETTINGS)
    arrive(tmp_path / "in", "order_lines", "1.csv", order("c1"), order("c2"))
    take(lake, settings)
    assert offered(lake) == {"c1": "likely_buyer", "c2": "none"}
    [coupon] = [row for row in rows_of(lake, Promotions) if row["user_id"] == "c1"]
    once = (coupon["expected_cost"], 1)
    face = (coupon["coupon_amount"], 1)
    nothing = (Decimal(0), 0)
    assert stated(lake) == {"daily": once, "mechanic:coupon": once, "mechanic:discount": nothing, "face:coupon": face}

    before = {table: (lake.version(table), rows_of(lake, table)) for table in (Promotions, Budget)}
    arrive(tmp_path / "in", "order_lines", "2.csv", order("c1").replace("o-c1", "o-c1-again"))
    forget_commit(lake, "order_lines", 0)
    forget_batches(lake, [StreamBatches])  # the first batch comes again, and then one more of c1
    take(lake, settings)
    assert {table: (lake.version(table), rows_of(lake, table)) for table in (Promotions, Budget)} == before


def test_an_offer_that_nobody_has_gives_way_and_one_that_left_stays(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O01: cut off before the offers are replaced, the batch comes again and ends as if it had not been."""
    decided_morning(lake, CUSTOMERS, **MORNING)
    cost = {"expected_cost": Decimal("1.00"), "status": "active", **HOLDS}
    decide(lake, [offer(n, n, user_id=name, **cost) for n, name in ((1, "c1"), (2, "c2"))], DAY)
    budget = [row | {"reserved": Decimal(2), "offers": 2, "run_id": "promote-1"} for row in rows_of(lake, Budget)]
    takes = ("daily", "mechanic:discount")
    lake.write(Budget, [row for row in budget if row["constraint"] in takes] + _others(budget, takes), {"date": DAY})
    lake.write(Exported, [exported(2, "c2", DAY)], {"date": DAY})  # c2 has the offer already
    settings = settings_of(lake, tmp_path / "in", **SETTINGS)
    arrive(tmp_path / "in", "order_lines", "1.csv", order("c1"), order("c2"))
    write = Lake.write

    def failing(of: Lake, table: type[Table], *args: Any, **named: Any) -> Any:
        if table is Promotions and named.get("gone") is not None:
            raise OSError("the disk is gone")
        return write(of, table, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "write", failing)
        with pytest.raises(OSError, match="the disk is gone"):
            take(lake, settings)
    assert offered(lake) == {"c1": "repurchase", "c2": "repurchase"}
    [said] = rows_of(lake, Actions)
    assert (said["action"], said["what"]) == ("pause", f"{1:032x}")
    assert said["reason"] == "decided anew, by the orders of the day"
    assert stated(lake)["mechanic:discount"][0] == Decimal(2)  # the offer of the morning stands, and is paid for

    take(lake, settings)
    assert offered(lake) == {"c1": "likely_buyer", "c2": "repurchase"}
    [coupon] = [row for row in rows_of(lake, Promotions) if row["user_id"] == "c1"]
    assert coupon["status"] == "active"
    one, other = (coupon["expected_cost"], 1), (Decimal("1.00"), 1)
    assert stated(lake) == {
        "daily": (coupon["expected_cost"] + 1, 2),
        "mechanic:coupon": one,
        "mechanic:discount": other,  # what c1's offer had reserved is free
        "face:coupon": (coupon["coupon_amount"], 1),
    }


def _others(budget: list[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [row | {"reserved": Decimal(0), "offers": 0} for row in budget if row["constraint"] not in names]
