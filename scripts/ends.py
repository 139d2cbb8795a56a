"""Ends jobs in every way at every table that they write, and checks that the date is as it was before.

    .venv/bin/python scripts/ends.py LAKE [--env demo] [--date YYYY-MM-DD] [--jobs promote,segment]

LAKE is a lake in which the daily run has ended; a copy of it is worked on. For each job, each of its tables and each
kind of end the job is run with --force and ended once the table is written: its rows of the date must be as before in
every table, and ops.runs must tell. At last each job runs to its end, and must write what it had written. The tests do
the same on a job of three tables, at two moments. Exit code 1 when a table differs.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # jobs/ is part of no installation

from promo_spark.contracts.ops import Runs
from promo_spark.contracts.schema import Table
from promo_spark.runtime.context import Context
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import single_jobs
from promo_spark.runtime.session import started_session
from promo_spark.settings import Settings, load, parsed_date
from promo_spark.storage.lake import Lake

KINDS: tuple[type[BaseException], ...] = (
    KeyError,
    TypeError,
    RuntimeError,
    IndexError,
    AttributeError,
    AssertionError,
    OSError,
    KeyboardInterrupt,
    SystemExit,
)


def state(lake: Lake, job: Job) -> dict[str, tuple[int, Any]]:
    """table → rows and an order-free checksum of what a job's tables hold."""
    found = {}
    for table in job.writes:
        if lake.exists(table):
            rows = lake.read(table)
            hashed = rows.selectExpr("cast(xxhash64(to_json(struct(*))) as decimal(38, 0)) as hash")
            found[table.full_name()] = hashed.selectExpr("count(*)", "sum(hash)").collect()[0][0:2]
    return found


def ended(lake: Lake, settings: Settings, date: datetime.date, job: Job, table: type[Table], kind: Any) -> bool:
    """Whether the job ended as it was to; one that does not write the table for this date ends well."""
    write = Context.write

    def ending(ctx: Context[Any], to: type[Table], *arguments: Any, **named: Any) -> Any:
        written = write(ctx, to, *arguments, **named)
        if to is table:
            raise kind("ended on purpose")
        return written

    Context.write = ending  # type: ignore[method-assign, assignment]  # for this one run
    try:
        run_in_order([job], lake, settings, date, Progress(), force=True)
    except BaseException as error:  # noqa: BLE001 - whatever ends a job is what is tried here
        return isinstance(error, kind)
    finally:
        Context.write = write  # type: ignore[method-assign]  # as it was
    return False


def told(same: bool, what: str) -> None:
    print(f"{'ok    ' if same else 'BROKEN'}  {what}", flush=True)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("lake", type=Path)
    options.add_argument("--env", default="demo")
    options.add_argument("--date")
    options.add_argument("--jobs", help="comma-separated; default: all of the daily run")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="promo_spark_ends_") as folder:
        copy = shutil.copytree(chosen.lake, Path(folder) / "lake")
        settings = load(chosen.env, [f"lake.root={copy}"])
        date = parsed_date(chosen.date or settings.pipeline.date)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        spark = started_session("ends", settings)
        lake, jobs = Lake(spark, settings.lake.root), single_jobs()
        broken = 0
        for name in chosen.jobs.split(",") if chosen.jobs else settings.pipeline.jobs:
            job = jobs[name]
            run_in_order([job], lake, settings, date, Progress(), force=True)
            before = state(lake, job)
            for table in job.writes:
                for kind in KINDS:
                    recorded = lake.read(Runs).count()
                    if ended(lake, settings, date, job, table, kind):
                        same = state(lake, job) == before and lake.read(Runs).count() == recorded + 1
                        print(
                            f"{'ok    ' if same else 'BROKEN'}  {name} {table.full_name()} {kind.__name__}", flush=True
                        )
                        broken += not same
            run_in_order([job], lake, settings, date, Progress(), force=True)
            same = state(lake, job) == before
            told(same, f"{name} runs to its end")
            broken += not same
        spark.stop()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
