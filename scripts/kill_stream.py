"""Kills stream at random moments, and compares what it leaves in the end with a run that nobody disturbs.

    .venv/bin/python scripts/kill_stream.py [--kills 10] [--rows 2000] [--seed 7]

Files of events, order lines and answers lie ready, a batch each; offers with codes are decided, and the orders redeem
them until the coupons' budget is spent. Between them order users whom nobody knows, and two customers who were given
nothing: they get offers while the limits last, which is not for all. One lake is streamed in peace. In another the
run's whole process group is killed with SIGKILL at moments between its start and its usual end, and begun again each
time. After each kill no row stands twice, offers that were used hold, and no limit is passed, nor is less reserved than
the offers take. A lake that has come to its end holds what the first one does, but for run and batch; where more kills
are asked for, they go on from the beginning.
Exit code 1 where something is not so.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is part of no installation

from promo_spark.contracts.decisions import Actions, Budget, Promotions
from promo_spark.contracts.intraday import INTRADAY_OF, IntradayActivity, StreamBatches
from promo_spark.contracts.schema import Table
from promo_spark.runtime.session import started_session
from promo_spark.storage.lake import Lake
from tests.jobs.export_rows import decide, no_offer, offer, user
from tests.jobs.morning_rows import CUSTOMERS, SETTINGS, decided_morning, newcomers
from tests.jobs.stream_rows import DAY, arrive, rows_of, settings_at

ROOT = Path(__file__).resolve().parents[1]
FILES, OFFERS = 3, 60
NEW, STRANGERS = 4, 20  # users whom nobody knows: of a file of orders, of all files of events
TABLES: tuple[type[Table], ...] = (*INTRADAY_OF.values(), IntradayActivity, StreamBatches, Actions, Budget, Promotions)
_BY_BATCH = {"watermark", "run_id"}


def day_of_rows(folder: Path, rows: int) -> None:
    """Three files of each kind; every third row of a file of events stood in the file before."""
    for file in range(FILES):
        first = file * rows * 2 // 3
        clock = [f"2024-06-14 {8 + n * 8 // (rows * FILES):02}:{n % 60:02}:00" for n in range(rows * FILES)]
        events = [f"e{n},{user(n % (OFFERS + STRANGERS))},view,p{n % 9},{clock[n]}" for n in range(first, first + rows)]
        arrive(folder, "events", f"{file}.csv", *events)
        orders = [
            f"o{file}-{n},1,{user(n)},p1,1,20.00,6.00,C{n},2024-06-14 {9 + file:02}:{n % 60:02}:00"
            for n in range(file * 10, file * 10 + 10)
        ]
        new = newcomers("treatment", NEW * FILES)[file * NEW : file * NEW + NEW]
        others = [*new, CUSTOMERS[0]] if file == 0 else [*new, CUSTOMERS[1]]
        orders += [f"o{file}-{name},1,{name},p1,1,20.00,0,,2024-06-14 {9 + file:02}:30:00" for name in others]
        arrive(folder, "order_lines", f"{file}.csv", *orders)
        arrive(folder, "feedback", f"{file}.csv", f"f{file},{user(file)},{file:032x},5,2024-06-14 1{file}:00:00")


def prepared(lake: Lake) -> None:
    """Sixty coupons of six; their budget is spent by the twentieth. Two customers got none."""
    budgets = {"daily": 1000, "mechanic_coupon": 120, "face_coupon": 6 * OFFERS + 100}
    decided_morning(lake, [*newcomers("treatment", NEW * FILES), *CUSTOMERS], **budgets)
    coupon: dict[str, Any] = {"mechanic": "coupon", "scenario": "likely_buyer", "product_ids": [], "valid_from": DAY}
    amounts = {"discount_rate": None, "offer_price": None, "coupon_amount": Decimal("6.00"), "valid_to": DAY}
    coupons = [offer(n, n, **coupon, **amounts, coupon_code=f"C{n}") for n in range(OFFERS)]
    nothing = [no_offer(OFFERS + n, 0) | {"user_id": name} for n, name in enumerate(CUSTOMERS)]
    decide(lake, [*coupons, *nothing], DAY)


def started(settings: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs", "stream", "--date", str(DAY), "--settings-file", str(settings)]
    with log.open("ab") as out:
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)


def finished(settings: Path, log: Path) -> float:
    began = time.monotonic()
    if started(settings, log).wait() != 0:
        sys.exit(f"stream failed: {log.read_text(errors='replace')[-3000:]}")
    return time.monotonic() - began


def doubled(lake: Lake) -> list[str]:
    """The tables in which a key stands twice, and what the offers break."""
    found = []
    for table in (table for table in TABLES if has_commits(lake, table)):
        rows = pl.read_delta(lake.path(table))
        if rows.select(table.key).is_duplicated().any():
            found.append(table.full_name())
    offers = pl.read_delta(lake.path(Promotions))
    coded = offers.filter(pl.col("coupon_code").is_in([f"C{n}" for n in range(OFFERS)]))
    if coded.height != OFFERS:
        found.append(f"{coded.height} of the morning's offers")
    found += passed(lake, offers)
    used = offers.filter(pl.col("coupon_code").is_in([f"C{n}" for n in range(20)]) & (pl.col("status") != "active"))
    return [*found, f"{used.height} used offers paused"] if used.height else found


def passed(lake: Lake, offers: pl.DataFrame) -> list[str]:
    """The limits of which offers take more than is reserved, or of which more is reserved than was planned."""
    given = offers.filter(pl.col("mechanic") != "none")
    cost, face = (given[name].sum() or 0 for name in ("expected_cost", "coupon_amount"))
    taken = {"daily": cost, "mechanic:coupon": cost, "face:coupon": face}
    stated = pl.read_delta(lake.path(Budget)).to_dicts()
    streamed = any("-stream-" in row["run_id"] for row in stated)  # the morning's rows of this test state nothing
    return [
        f"{row['constraint']}: {taken[row['constraint']]} taken, {row['reserved']} reserved of {row['planned']}"
        for row in stated
        if streamed and not taken[row["constraint"]] <= row["reserved"] <= row["planned"]
    ]


def has_commits(lake: Lake, table: type[Table]) -> bool:
    """A kill while a table is made leaves a log without a commit."""
    return any(Path(lake.path(table), "_delta_log").glob("*.json"))


def batches_done(lake: Lake) -> int:
    return pl.read_delta(lake.path(StreamBatches)).height if has_commits(lake, StreamBatches) else 0


def held(lake: Lake) -> dict[str, list[dict[str, Any]]]:
    return {
        table.full_name(): [{k: v for k, v in row.items() if k not in _BY_BATCH} for row in rows_of(lake, table)]
        for table in TABLES
    }


def main(argv: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--rows", type=int, default=2000)
    options.add_argument("--seed", type=int, default=7)
    chosen = options.parse_args(argv)
    folder, moments = Path(tempfile.mkdtemp(prefix="kill_stream_")), random.Random(chosen.seed)
    day_of_rows(folder / "in", chosen.rows)
    lakes, files = [], []
    spark = None
    for name in ("peace", "kills"):
        root = str(folder / name)
        changes: dict[str, Any] = {"spark.master": "local[2]", "spark.driver_memory": "1g", "stream.files_per_batch": 1}
        changes |= SETTINGS
        settings = settings_at(root, folder / "in", **changes)
        spark = spark or started_session("kill_stream", settings)
        lakes.append(Lake(spark, root))
        prepared(lakes[-1])
        files.append(folder / f"{name}.json")
        files[-1].write_text(settings.model_dump_json(), encoding="utf-8")
    assert spark is not None
    spark.stop()  # what follows is read without it
    log = folder / "stream.log"
    untouched = folder / "untouched"
    shutil.copytree(folder / "kills", untouched)
    length = finished(files[0], log)
    peace = held(lakes[0])
    paused = sum(row["status"] == "paused" for row in peace[Promotions.full_name()])
    made = [row["scenario"] for row in peace[Promotions.full_name()] if row["user_id"] not in map(user, range(OFFERS))]
    offers = ", ".join(f"{made.count(name)} {name}" for name in sorted(set(made)))
    print(f"undisturbed: {FILES * 3} batches in {length:.1f} s, {paused} offers paused", flush=True)
    print(f"decided within the day: {offers}", flush=True)
    wrong = doubled(lakes[0])
    if wrong:
        sys.exit(f"undisturbed, and not whole: {', '.join(wrong)}")
    kills, ends, broken = 0, 0, 0
    while kills < chosen.kills or not ends:
        limit = moments.uniform(0.2 * length, length) if kills < chosen.kills else None
        process = started(files[1], log)
        try:
            if process.wait(limit) != 0:
                sys.exit(f"stream failed: {log.read_text(errors='replace')[-3000:]}")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            wrong = doubled(lakes[1])
            done = batches_done(lakes[1])
            print(
                f"{kills:2}: killed at {limit:4.1f} s, {done} batches done: {', '.join(wrong) or 'whole'}", flush=True
            )
        else:
            ends += 1
            mine = held(lakes[1])
            wrong = [name for name in peace if peace[name] != mine[name]]
            print(f"    came to its end; other than the first lake's: {', '.join(wrong) or 'nothing'}", flush=True)
            if kills < chosen.kills:
                shutil.rmtree(folder / "kills")
                shutil.copytree(untouched, folder / "kills")
        broken += bool(wrong)
    print(f"{kills} kills and {ends} ends, {broken} with something wrong")
    return 1 if broken or not paused or not {"new_user_welcome", "likely_buyer", "none"} <= set(made) else 0


if __name__ == "__main__":
    sys.exit(main())
