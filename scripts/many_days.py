"""Runs the pipeline for many dates in a row, as files arrive, and compares what is left with runs that begin anew.

    .venv/bin/python scripts/many_days.py [--dates 30] [--kills 3] [--users 150] [--seed 7] [--folder DIR]

A retailer is generated, its order lines and events cut into a file per day. On each date the files of the day before
have arrived (one of them late and changed once more), and the pipeline runs for it: ingest reads what is new, profile
and baskets go on from the date before, models are fitted when they are due. On some dates the pipeline is killed
(SIGKILL) at a random moment and run again. Two other lakes are made of the same files:
  forced: the same dates with --force, so that nothing goes on from an earlier date; every table must be equal;
  rebuilt: the last date alone, from nothing; silver and features of that date must be equal.
Tables are read by the deltalake package, without Spark; which rows, in any order, columns of the run and the file aside
where lakes took files in on other dates. Exit code 1 when any table differs.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import polars as pl
from deltalake import DeltaTable

ROOT = Path(__file__).resolve().parents[1]
LAST = datetime.date(2024, 6, 1)
BY_DAY = ("order_lines", "events")
# Fewer series and candidates of k than usual, the same jobs and code.
SMALLER = ["profile.top_products=20", "segment.k=[4, 5]", "forecast.top_series=3", "baskets.min_baskets=10"]
OF_THE_RUN = {"run_id", "source_file", "source_line"}  # differ where a lake took the same rows in on another date


def submitted(raw: Path, lake: Path, *arguments: str) -> subprocess.Popen[bytes]:
    overrides = [f"lake.root={lake}", f"ingest.folder={raw}", *SMALLER]
    line = [str(ROOT / "scripts" / "submit.sh"), *arguments, "--env", "world"]
    line += [word for override in overrides for word in ("--set", override)]
    log = (lake.parent / f"{lake.name}.log").open("ab")
    return subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)


def ran(raw: Path, lake: Path, *arguments: str) -> float:
    """Runs to the end; gives the seconds."""
    begun = time.monotonic()
    if submitted(raw, lake, *arguments).wait() != 0:
        sys.exit(f"{' '.join(arguments)} failed; see {lake}.log")
    return time.monotonic() - begun


def cut_by_day(raw: Path, cut: Path) -> None:
    """The generated files; those of order lines and events once more, as a file per day: NAME/2024-05-31.parquet."""
    for folder in sorted(p for p in raw.iterdir() if p.is_dir()):
        if folder.name not in BY_DAY:
            shutil.copytree(folder, cut / folder.name)
            continue
        (cut / folder.name).mkdir(parents=True)
        rows = pl.read_parquet([str(file) for file in sorted(folder.rglob("*.parquet"))], missing_columns="insert")
        for (day,), of_day in rows.group_by(pl.col("ts").str.slice(0, 10), maintain_order=True):
            of_day.write_parquet(cut / folder.name / f"{day}.parquet")


def delivered(cut: Path, raw: Path, date: datetime.date) -> None:
    """The files that are there on a date, in place of what was there: those of all days before it.

    The newest file of order lines lacks its second half; it comes the day after, in a file of the same name.
    """
    shutil.rmtree(raw, ignore_errors=True)
    for folder in sorted(cut.iterdir()):
        (raw / folder.name).mkdir(parents=True)
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            day = file.stem if folder.name in BY_DAY else ""
            if day < date.isoformat():
                shutil.copy2(file, raw / folder.name / file.name)
    newest = raw / "order_lines" / f"{date - datetime.timedelta(1)}.parquet"
    if newest.exists() and date < LAST:
        rows = pl.read_parquet(newest)
        rows.head(rows.height // 2).write_parquet(newest)
        hour = datetime.datetime.combine(date, datetime.time(1)).timestamp()
        os.utime(newest, (hour, hour))


def in_a_row(
    cut: Path, raw: Path, lake: Path, dates: Sequence[datetime.date], run: Callable[[datetime.date], float]
) -> None:
    for date in dates:
        delivered(cut, raw, date)
        print(f"{lake.name}: {date} {run(date):5.0f} s", flush=True)


def runs(raw: Path, lake: Path, arguments: Sequence[str]) -> Callable[[datetime.date], float]:
    return lambda date: ran(raw, lake, "pipeline", *arguments, "--date", date.isoformat())


def rows_of(table: Path, left_out: set[str], of: datetime.date | None) -> dict[str, int]:
    """A digest of each row, with how often it is there; `of`: of tables by date the rows of this one."""
    rows = DeltaTable(str(table)).to_pyarrow_table()
    kept = [c for c in rows.column_names if c not in left_out]
    relation = duckdb.from_arrow(rows)
    if of is not None and "as_of" in rows.column_names:
        relation = relation.filter(f"as_of = DATE '{of}'")
    digest = "sha256(CAST(ROW(" + ", ".join(f'"{c}"' for c in sorted(kept)) + ") AS VARCHAR))"
    return dict(relation.aggregate(f"{digest} AS digest, count(*) AS n", digest).fetchall())


def differing(one: Path, other: Path, layers: Sequence[str], left_out: set[str], of: datetime.date | None) -> list[str]:
    """The tables that do not hold the same rows, with how many rows the other one lacks."""
    found = []
    tables = {log.parent.relative_to(lake) for lake in (one, other) for log in lake.glob("*/*/_delta_log")}
    for table in sorted(tables):
        name = ".".join(table.parts)
        if table.parts[0] not in layers:
            continue
        if not (one / table).exists() or not (other / table).exists():
            found.append(f"{name} is in one lake only")
            continue
        here, there = (rows_of(lake / table, left_out, of) for lake in (one, other))
        lacking = sum(max(0, n - there.get(digest, 0)) for digest, n in here.items())
        more = sum(max(0, n - here.get(digest, 0)) for digest, n in there.items())
        if lacking or more:
            found.append(f"{name}: {lacking} rows of {sum(here.values())} are not in the other, which has {more} more")
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--dates", type=int, default=30)
    options.add_argument("--kills", type=int, default=3)
    options.add_argument("--users", type=int, default=150)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--folder", type=Path, default=None, help="where the lakes go; default: a temporary folder")
    chosen = options.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="many_days_"))
    folder.mkdir(parents=True, exist_ok=True)
    whole, cut, raw = folder / "whole", folder / "cut", folder / "raw"
    size = [f"generate.users={chosen.users}", "generate.products=80", f"generate.days={chosen.dates + 60}"]
    sizes = [word for value in size for word in ("--set", value)]
    ran(whole, folder / "generated", "generate", "--date", LAST.isoformat(), *sizes)
    cut_by_day(whole, cut)
    dates = [LAST - datetime.timedelta(days=n) for n in range(chosen.dates - 1, -1, -1)]
    moments = random.Random(chosen.seed)
    killed = set(moments.sample(dates[1:], min(chosen.kills, len(dates) - 1)))

    def daily(date: datetime.date) -> float:
        if date in killed:
            moment = moments.uniform(8, 60)
            process = submitted(raw, folder / "daily", "pipeline", "--date", date.isoformat())
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                print(f"daily: {date} killed after {moment:.1f} s", flush=True)
        return ran(raw, folder / "daily", "pipeline", "--date", date.isoformat())

    in_a_row(cut, raw, folder / "daily", dates, daily)
    for lake, of_lake, force in (("forced", dates, ["--force"]), ("rebuilt", dates[-1:], [])):
        in_a_row(cut, raw, folder / lake, of_lake, runs(raw, folder / lake, force))
    layers = ("silver", "features", "models", "decisions", "quarantine")
    wrong = differing(folder / "daily", folder / "forced", layers, set(), None)
    wrong += differing(folder / "daily", folder / "rebuilt", ("silver", "features"), OF_THE_RUN, LAST)
    print("\n".join(wrong) or f"{len(dates)} dates, {len(killed)} of them killed: all tables equal")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
