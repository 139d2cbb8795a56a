"""What the second day costs beside the first: every job of the daily run, on a generated retailer.

    .venv/bin/python benchmarks/second_day.py [--users 2000] [--products 500] [--days 120] [--json FILE] [--folder F]
        [--first-day] [--jobs ingest,profile] [--set KEY=VALUE ...]

Generates a retailer, runs the jobs for the day after its history, plays that day (`simulate`) and runs the jobs for the
next one. Each job is a call of its own, with the start of its JVM in its figures. Prints a row per day and job: wall
and CPU seconds of the call with all its processes; the memory of the largest of them; rows and files that Spark's
tasks read (a small table that the driver reads is not counted). --json writes the same rows, after each job. A retail
chain: --users 100000 --products 5000 --days 365, some hours on two cores. --first-day leaves the second one out, --jobs
all jobs but these. A retailer that --folder has already is not made again.
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calls import PROJECT, event_log, events, submitted

from promo_spark.settings import load

FIRST, SECOND = datetime.date(2024, 6, 1), datetime.date(2024, 6, 2)
JOBS = tuple(load().pipeline.jobs)


def files_metrics(plan: Mapping[str, Any]) -> Iterator[int]:
    """The accumulators of a plan that count the files a scan reads."""
    yield from (m["accumulatorId"] for m in plan.get("metrics", ()) if m["name"] == "number of files read")
    for child in plan.get("children", ()):
        yield from files_metrics(child)


def read_by(log: Path) -> tuple[int, int]:
    """The rows and the files that the tasks of a call read, by its Spark events."""
    counted: set[int] = set()
    rows = files = 0
    for event in events(log):
        kind = str(event["Event"]).rsplit(".", 1)[-1]
        if kind == "SparkListenerTaskEnd":
            rows += ((event.get("Task Metrics") or {}).get("Input Metrics") or {}).get("Records Read", 0)
        elif "sparkPlanInfo" in event:
            counted.update(files_metrics(event["sparkPlanInfo"]))
        elif kind == "SparkListenerDriverAccumUpdates":
            files += sum(value for accumulator, value in event["accumUpdates"] if accumulator in counted)
    return rows, files


def cost(job: str, date: datetime.date, folder: Path, settings: list[str]) -> dict[str, Any]:
    """One row: a job of a day, what it took and what it read."""
    log, conf = event_log(folder)
    used = submitted(PROJECT, job, "--env", "world", "--date", date.isoformat(), *settings, "--set", conf)
    rows, files = read_by(log)
    return {
        "day": date.isoformat(),
        "job": job,
        "wall_s": round(used.wall, 1),
        "cpu_s": round(used.cpu, 1),
        "peak_mb": used.peak >> 20,
        "rows_read": rows,
        "files_read": files,
    }


def shown(row: Mapping[str, Any]) -> str:
    return (
        f"{row['day']}  {row['job']:10} {row['wall_s']:8.1f} s wall {row['cpu_s']:8.1f} s CPU "
        f"{row['peak_mb']:7,} MB {row['rows_read']:14,} rows {row['files_read']:8,} files"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=2000)
    options.add_argument("--products", type=int, default=500)
    options.add_argument("--days", type=int, default=120)
    options.add_argument("--json", type=Path)
    options.add_argument("--folder", type=Path, help="where the retailer and its lake are kept; default: nowhere")
    options.add_argument("--first-day", action="store_true", help="leave the second day out")
    options.add_argument("--jobs", type=lambda text: tuple(text.split(",")), default=JOBS, help="only these")
    options.add_argument("--set", action="append", default=[], dest="set_to", metavar="KEY=VALUE", help="a setting")
    chosen = options.parse_args()
    dates = (FIRST,) if chosen.first_day else (FIRST, SECOND)
    with tempfile.TemporaryDirectory(prefix="promo_spark_second_day_") as name:
        folder = chosen.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        sizes = {"users": chosen.users, "products": chosen.products, "days": chosen.days}
        set_to = [f"ingest.folder={folder}/raw", f"lake.root={folder}/lake"]
        set_to += [*(f"generate.{size}={value}" for size, value in sizes.items()), *chosen.set_to]
        settings = [word for value in set_to for word in ("--set", value)]
        rows: list[dict[str, Any]] = []
        if not (folder / "raw").exists():
            submitted(PROJECT, "generate", "--env", "world", "--date", FIRST.isoformat(), *settings)
        for date in dates:
            if date == SECOND:
                submitted(PROJECT, "simulate", "--env", "world", "--date", FIRST.isoformat(), *settings)
            for job in chosen.jobs:
                rows.append(cost(job, date, Path(name), settings))
                print(shown(rows[-1]), flush=True)
                if chosen.json:
                    chosen.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print()
    without = [job for job in chosen.jobs if job != "promote"]
    both = [job for job in chosen.jobs if job in JOBS[:2]]
    for what, jobs in {"all": chosen.jobs, "without promote": without, "ingest and profile": both}.items():
        if not jobs:
            continue
        of_day = {date: cpu_seconds(rows, date, jobs) for date in dates}
        ratio = f", ratio {of_day[SECOND] / of_day[FIRST]:.2f}" if SECOND in of_day else ""
        print(f"{what:20} CPU seconds: {', '.join(f'{day} {cpu:9.1f}' for day, cpu in of_day.items())}{ratio}")


def cpu_seconds(rows: Sequence[Mapping[str, Any]], date: datetime.date, jobs: Sequence[str]) -> float:
    """What the jobs took on the date."""
    return sum(float(row["cpu_s"]) for row in rows if row["day"] == date.isoformat() and row["job"] in jobs)


if __name__ == "__main__":
    main()
