"""A day on which rows arrive, file by file, and what stream makes of them."""

from __future__ import annotations

import datetime
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from jobs.stream import run as stream
from promo_spark.contracts.intraday import IntradayActivity, StreamBatches
from promo_spark.contracts.schema import Table
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import Settings, load
from promo_spark.storage.lake import Lake

DAY = datetime.date(2024, 6, 14)
EVENTS = "event_id,user_id,event_type,product_id,ts"
LINES = "order_id,line_no,user_id,product_id,quantity,amount_paid,discount_coupon,coupon_id,ts"
FEEDBACK = "feedback_id,user_id,promotion_id,score,ts"
HEADERS = {"events": EVENTS, "order_lines": LINES, "feedback": FEEDBACK}
_NOT_COMPARED = ("run_id", "batch", "query")


def settings_of(lake: Lake, folder: Path, **overrides: Any) -> Settings:
    """Events, order lines and answers arrive as CSV files in a folder each."""
    return settings_at(lake.root, folder, **overrides)


def settings_at(root: str, folder: Path, **overrides: Any) -> Settings:
    """The same for a lake that nobody has opened yet."""
    values: dict[str, Any] = {"lake.root": root, "business.privacy.pseudonymise": False}
    for name, header in HEADERS.items():
        values[f"ingest.sources.{name}"] = {
            "path": f"{folder}/whole/{name}",
            "format": "csv",
            "columns": {column: column for column in header.split(",")},
        }
        values[f"stream.sources.{name}"] = {"mapping": name, "format": "csv", "path": f"{folder}/day/{name}"}
    return load(None, {**values, **overrides})


def arrive(folder: Path, name: str, file: str, *rows: str) -> None:
    """A file of rows, whole at once, and later than those that are there."""
    place = folder / "day" / name
    place.mkdir(parents=True, exist_ok=True)
    at = time.time() + len(list(place.iterdir())) / 100
    (place / f"_{file}").write_text("\n".join([HEADERS[name], *rows]) + "\n", encoding="utf-8")
    os.utime(place / f"_{file}", (at, at))  # files of one millisecond come in any order
    (place / f"_{file}").rename(place / file)


def take(lake: Lake, settings: Settings, date: datetime.date = DAY) -> None:
    run_in_order([stream], lake, settings, date, Progress())


def rows_of(lake: Lake, table: type[Table], *by: str) -> list[dict[str, Any]]:
    """What a table holds, by an independent reader, without run and batch."""
    rows = pl.read_delta(lake.path(table)).drop(_NOT_COMPARED, strict=False)
    return rows.sort(by or [c for c in table.key if c in rows.columns]).to_dicts()


def activity(lake: Lake, user: str) -> dict[str, Any]:
    """What is counted of a user, without what is 0 or null."""
    row = next(row for row in rows_of(lake, IntradayActivity) if row["user_id"] == user)
    return {name: value for name, value in row.items() if value and name not in ("date", "user_id")}


def batches(lake: Lake) -> pl.DataFrame:
    return pl.read_delta(lake.path(StreamBatches)).sort("source", "batch")


def forget_commit(lake: Lake, source: str, batch: int, date: datetime.date = DAY) -> None:
    """The checkpoint as a kill leaves it that comes between the batch's last row and Spark's own note of it."""
    commits = Path(lake.root, "_checkpoints", "stream", str(date), source, "commits")
    for name in (str(batch), f".{batch}.crc"):
        (commits / name).unlink(missing_ok=True)


def forget_batches(lake: Lake, tables: Sequence[type[Table]]) -> None:
    """A lake without these tables, as a kill leaves it that comes before they are written for the first time."""
    for table in tables:
        shutil.rmtree(lake.path(table))
