"""An executor that is killed in the middle: what was computed is not lost with it."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deltalake import DeltaTable

from promo_spark.contracts.silver import OrderLines, Products, Users
from promo_spark.submission.jars import spark_home
from promo_spark.submission.requirements import java_home
from tests.runtime.standalone import LOOPBACK, PROJECT, spark_submit, standalone_cluster, started, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# In a process of its own, of two executors: the session of a test process is one machine's.
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from pyspark.sql import SparkSession, functions as F
from promo_spark.measures.computed import computed

def executors():
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes().decode()
            except OSError:
                continue
            if "CoarseGrainedExecutorBackend" in line and f"--app-id\\0{spark.sparkContext.applicationId}" in line:
                found.append(int(folder.name))
    return sorted(found)

conf = {
    "spark.master": "local-cluster[2,1,512]", "spark.executor.memory": "512m", "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.sql.shuffle.partitions": "4",
}
spark = SparkSession.builder.config(map=conf).getOrCreate()
spark.sparkContext.setCheckpointDir(sys.argv[1])
rows = spark.range(0, 4000, 1, 4).groupBy((F.col("id") % 100).alias("key")).agg(F.sum("id").alias("sum"))
made = computed(rows)
before = executors()
os.kill(before[0], signal.SIGKILL)
told = made.agg(F.count("*"), F.sum("sum")).collect()[0]
print(json.dumps({"executors": len(before), "rows": told[0], "sum": told[1]}))
"""


def answer(folder: Path) -> dict[str, int]:
    environment = {**os.environ, "JAVA_HOME": str(java_home(os.environ)), "SPARK_HOME": str(spark_home())}
    environment |= {"PYTHONPATH": str(PROJECT), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    command = [sys.executable, "-c", PROGRAM, str(folder / "checkpoints")]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[:3000]
    return dict(json.loads(ran.stdout.strip().splitlines()[-1]))


def test_rows_that_were_computed_outlive_their_executor(tmp_path: Path) -> None:
    """O03 (part): of two executors one is killed; Σ 0 … 3999 = 7,998,000 in 100 groups, from files."""
    assert answer(tmp_path) == {"executors": 2, "rows": 100, "sum": 7_998_000}


DAY = datetime.date(2017, 12, 1)
USERS, LINES = 200, 40_000
NOT_COMPARED = ["run_id", "made_by"]
# Of what a task sorts and sums, less than two megabytes fit into memory, and the rest goes to the disk.
LITTLE_MEMORY = {"spark.memory.fraction": "0.008", "spark.buffer.pageSize": "64k"}


def write_shop(root: Path) -> None:
    """Half of all lines are one user's, as of a till's dummy account; the others buy in turn. Of 40 products."""
    draw = np.random.default_rng(8)
    user = np.where(np.arange(LINES) % 2 == 0, 0, draw.integers(1, USERS, LINES))
    product = np.minimum(40 * draw.random(LINES) ** 2, 39).astype(int)
    ago, units = draw.integers(1, 120, LINES), draw.integers(1, 4, LINES)
    lines = [
        {
            "order_id": f"o{who}-{days}",
            "line_no": number,
            "user_id": f"u{who:03}",
            "product_id": f"p{what:02}",
            "quantity": Decimal(int(many)),
            "amount_paid": Decimal(int(many)) * (what + 1),
            "order_date": DAY - datetime.timedelta(int(days)),
        }
        for number, (who, what, days, many) in enumerate(zip(user, product, ago, units, strict=True))
    ]
    products = [{"product_id": f"p{n:02}", "title": f"P{n}", "category": f"c{n % 5}"} for n in range(40)]
    users = [{"user_id": f"u{n:03}", "consent_profiling": True, "consent_marketing": True} for n in range(USERS)]
    write_rows(root, {Users: users, Products: products, OrderLines: lines})


def tables(root: Path) -> dict[str, list[str]]:
    """The rows of features and models, sorted."""
    found = {}
    for layer in ("features", "models"):
        for folder in sorted((root / layer).iterdir()):
            rows = DeltaTable(str(folder)).to_pyarrow_table()
            kept = rows.drop_columns([name for name in NOT_COMPARED if name in rows.column_names])
            found[f"{layer}.{folder.name}"] = sorted(repr(row) for row in kept.to_pylist())
    return found


def executors(work: Path) -> list[int]:
    """The processes of executors that workers of this folder have started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line, here = (folder / "cmdline").read_bytes().decode(), (folder / "cwd").readlink()
            except OSError:
                continue
            if "CoarseGrainedExecutorBackend" in line and here.is_relative_to(work):
                found.append(int(folder.name))
    return sorted(found)


def kill_one(folder: Path, job: subprocess.Popen[str]) -> None:
    """Kills an executor as soon as there is something shuffled that is lost with it."""
    until = time.monotonic() + 240
    while time.monotonic() < until and job.poll() is None:
        there = executors(folder / "work")
        if len(there) == 2 and len(list((folder / "local").rglob("shuffle_*.data"))) >= 6:
            os.kill(there[0], signal.SIGKILL)
            return
        time.sleep(0.05)
    said = "" if job.poll() is None else "".join(job.communicate())
    pytest.fail(f"nothing was shuffled by two executors before the job ended: {said[-2000:]}")


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in folder.rglob("events_*") for line in file.read_text().splitlines()]


def test_a_lost_executor_a_user_of_half_the_lines_and_little_memory_change_nothing(tmp_path: Path) -> None:
    """O03 (part): profile and baskets on a cluster of two executors, of which one is killed in the middle.

    One user has half of the lines, and what is sorted does not fit into memory. The tables are those of one machine
    that has enough.
    """
    jobs = ["--date", str(DAY), "--env", "standalone", "--set", 'pipeline.jobs=["profile", "baskets"]']
    jobs += ["--set", "baskets.level=product", "--set", "baskets.min_support=0.05"]
    log = tmp_path / "events"
    log.mkdir()
    logged = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": log.as_uri(), "spark.eventLog.compress": "false"}
    for name in ("one", "lost"):
        write_shop(tmp_path / name)
    alone = spark_submit("local[2]", tmp_path, LOOPBACK, "pipeline", *jobs, "--set", f"lake.root={tmp_path / 'one'}")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    with standalone_cluster(tmp_path, workers=2) as master:
        conf = {**LOOPBACK, **LITTLE_MEMORY, **logged, "spark.sql.shuffle.partitions": "4"}
        job = started(master, tmp_path, conf, "pipeline", *jobs, "--set", f"lake.root={tmp_path / 'lost'}")
        kill_one(tmp_path, job)
        said, errors = job.communicate()
    assert job.returncode == 0, said + errors

    told = events(log)
    assert any(event["Event"] == "SparkListenerExecutorRemoved" for event in told)
    lost = [event["Task End Reason"]["Reason"] for event in told if event["Event"] == "SparkListenerTaskEnd"]
    assert {"FetchFailed", "ExecutorLostFailure", "Resubmitted"} & set(lost)
    tasks = [event["Task Metrics"] for event in told if event.get("Task Metrics")]
    assert sum(metrics["Disk Bytes Spilled"] for metrics in tasks) > 0
    expected, found = tables(tmp_path / "one"), tables(tmp_path / "lost")
    assert set(expected) >= {"features.user_profile", "features.product_profile", "models.basket_rules"}
    assert all(expected["features.user_profile"]) and len(expected["features.user_profile"]) == USERS
    assert found == expected
