"""Decisions of a few users, which tests export, and what they find where it went."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from promo_spark.contracts.decisions import Promotions
from promo_spark.storage.commits import Mark
from promo_spark.storage.lake import Lake

DAY = datetime.date(2017, 12, 1)
NEXT_DAY = datetime.date(2017, 12, 2)
LAST_DAY = datetime.date(2017, 12, 7)
IDS = "u" + 32 * "0"


def user(number: int) -> str:
    return f"u{number:032x}"


def offer(number: int, of: int, **columns: Any) -> dict[str, Any]:
    """An offer that holds from DAY to LAST_DAY, unless said otherwise; `number` makes its id."""
    usual = {
        "promotion_id": f"{number:032x}",
        "user_id": user(of),
        "scenario": "repurchase",
        "mechanic": "discount",
        "product_ids": ["4711", "4712"],
        "discount_rate": Decimal("0.1"),
        "offer_price": Decimal("8.09"),
        "valid_from": DAY,
        "valid_to": LAST_DAY,
        "rank": 1,
        "currency": "USD",
        "arm": "treatment",
        "expected_cost": Decimal("1.00"),
        "text": "10% off",
        "status": "active",
    }
    return usual | columns


def no_offer(number: int, of: int, arm: str = "treatment") -> dict[str, Any]:
    row = offer(number, of, scenario="none", mechanic="none", product_ids=[], text="", arm=arm)
    return row | dict.fromkeys(("discount_rate", "offer_price", "valid_from", "valid_to", "status"))


def decide(lake: Lake, rows: list[dict[str, Any]], date: datetime.date = DAY, run: str = "promote-1") -> None:
    """Writes the decisions of a date as promote does."""
    complete = [Promotions.complete({**row, "date": date, "run_id": run}) for row in rows]
    lake.write(Promotions, complete, {Promotions.date: date}, mark=Mark(run=run, job="promote", date=date.isoformat()))


def manifest(folder: Path, date: datetime.date = DAY) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / str(date) / "manifest.json").read_text(encoding="utf-8"))
    return found


def read_back(folder: Path, date: datetime.date = DAY) -> list[dict[str, Any]]:
    """The rows of the files that the manifest names, held to what it says of them; by Python's own readers."""
    told, rows = manifest(folder, date), []
    for entry in told["files"]:
        content = (folder / str(date) / entry["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"])
        text = content.decode("utf-8")
        if told["format"] == "csv":
            found: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text, newline="")))
        else:
            found = [json.loads(line) for line in text.splitlines()]
        assert len(found) == entry["rows"]
        rows += found
    assert len(rows) == told["rows"]
    return rows
