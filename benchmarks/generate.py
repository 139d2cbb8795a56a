"""Synthetic retailers: rows per second and peak memory at growing sizes, after the checksums at 1, 8 and 64 tasks.

    .venv/bin/python benchmarks/generate.py [USERS …] [--keep FOLDER]      default: 10000 100000

Each size makes all raw files (20,000 products, 365 days) on two cores. They are thrown away, or stay in a folder per
size: what benchmarks/world_statistics.py reads. Memory is the sum over this process, the JVM and the Python
workers, sampled; and the largest Python worker by itself.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from local_session import local_session
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.settings import load
from promo_spark.storage.raw_files import write_raw
from promo_spark.worlds.frames import raw_table, raw_tables
from promo_spark.worlds.spec import WorldSpec, world_spec

DATE = datetime.date(2024, 6, 1)
MIB = 1 << 20


def world(users: int, *changes: str) -> WorldSpec:
    settings = load("world", [f"generate.users={users}", "generate.products=20000", *changes])
    return world_spec(settings.generate, DATE)


def checksums(spark: SparkSession) -> str:
    """The same content at every number of tasks; exits when it is not."""
    spec = world(3000, "generate.users_per_block=200", "generate.products=1000")
    found = set()
    for partitions in (1, 8, 64):
        sums = []
        for table in ("users", "order_lines", "events", "promo_calendar"):
            rows = raw_table(spark, spec, table, partitions)
            [total] = rows.agg(F.count("*"), F.sum(F.xxhash64(*rows.columns).cast("decimal(38,0)"))).collect()
            sums.append(tuple(total))
        found.add(tuple(sums))
    if len(found) != 1:
        sys.exit(f"the rows depend on the number of tasks: {found}")
    return f"{sum(n for n, _ in next(iter(found))):,} rows, one checksum at 1, 8 and 64 tasks"


class Memory(threading.Thread):
    """Samples the resident memory of this process and all that descend from it."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.worker, self.ended = 0, 0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            total, mine = 0, {os.getpid()}
            for process in sorted((p for p in Path("/proc").iterdir() if p.name.isdigit()), key=lambda p: int(p.name)):
                try:
                    stat = (process / "stat").read_text().rsplit(")", 1)[1].split()
                    name = (process / "comm").read_text().strip()
                    resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                except (OSError, IndexError):
                    continue  # it ended while being looked at
                if int(stat[1]) in mine or int(process.name) in mine:
                    mine.add(int(process.name))
                    total += resident
                    if name.startswith("python") and int(process.name) != os.getpid():
                        self.worker = max(self.worker, resident)
            self.peak = max(self.peak, total)


def measured(spark: SparkSession, users: int, keep: Path | None) -> None:
    spec, folder = world(users), str(keep / str(users)) if keep else tempfile.mkdtemp(prefix="generate_")
    memory, all_rows, started = Memory(), 0, time.perf_counter()
    memory.start()
    try:
        for table in raw_tables(spec):
            begun = time.perf_counter()
            rows = write_raw(raw_table(spark, spec, table, 16), folder, table, "parquet")
            seconds = time.perf_counter() - begun
            all_rows += rows
            if table in ("order_lines", "events"):
                print(f"{users:>9,} users  {table:12}{rows:>13,} rows {seconds:8.1f} s {rows / seconds:>10,.0f} rows/s")
        written = sum(f.stat().st_size for f in Path(folder).rglob("*.parquet"))
    finally:
        if keep is None:
            shutil.rmtree(folder)
        memory.ended.set()
        memory.join()
    seconds = time.perf_counter() - started
    print(
        f"{users:>9,} users  all files   {all_rows:>13,} rows {seconds:8.1f} s {all_rows / seconds:>10,.0f} rows/s, "
        f"{written / MIB:,.0f} MiB written; peak memory {memory.peak / MIB:,.0f} MiB, "
        f"largest Python worker {memory.worker / MIB:,.0f} MiB"
    )


def main(sizes: list[int], keep: Path | None) -> None:
    spark = local_session("generate_benchmark", memory="2g")
    print(f"equal content: {checksums(spark)}")
    for users in sizes:
        measured(spark, users, keep)
    spark.stop()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("users", nargs="*", type=int, default=[10_000, 100_000])
    options.add_argument("--keep", type=Path, default=None, help="folder in which the files of each size stay")
    chosen = options.parse_args()
    main(chosen.users, chosen.keep)
