"""An executor that is killed in the middle: what was computed is not lost with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from promo_spark.submission.jars import spark_home
from promo_spark.submission.requirements import java_home

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).resolve().parents[2]

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
