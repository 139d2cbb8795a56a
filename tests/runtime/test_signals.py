"""Ctrl-C and SIGTERM on a real job through scripts/submit.sh: its tables are as before, the attempt is recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from promo_spark.contracts.models import FrequentItemsets
from promo_spark.contracts.ops import Runs
from tests.runtime.standalone import JAVA_OPTIONS, PROJECT, QUERIES
from tests.runtime.test_cluster import write_baskets

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Process = subprocess.Popen[str]


def job(root: Path, least_baskets: int) -> Process:
    """The job in a process group of its own, as a shell starts it on a terminal."""
    properties = QUERIES | {"spark.driver.extraJavaOptions": JAVA_OPTIONS}
    conf = ", ".join(f'"{key}"="{value}"' for key, value in properties.items())
    arguments = ["--set", f"lake.root={root}", "--set", "baskets.level=product", "--set", f"spark.conf={{{conf}}}"]
    arguments += ["--set", f"baskets.min_baskets={least_baskets}", "--set", "spark.driver_memory=1g"]
    return subprocess.Popen(
        [str(PROJECT / "scripts" / "submit.sh"), "baskets", "--date", "2017-12-01", *arguments],
        stdout=subprocess.PIPE,  # where spark-submit sends what a Python driver says
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PROMO_SPARK_VENV": sys.prefix, "PYTHONPATH": str(PROJECT)},
        start_new_session=True,
    )


def ended(process: Process, when: str, end: Callable[[Process], None]) -> tuple[int, str]:
    """Ends the process once it has said something; its exit code and all that it said."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if when in line:
            end(process)
            break
    said += process.stdout.read()
    return process.wait(timeout=120), said


def ctrl_c(process: Process) -> None:
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to every process of the group


def terminate(process: Process) -> None:
    process.terminate()


def terminate_all(process: Process) -> None:
    os.killpg(process.pid, signal.SIGTERM)  # as `timeout` does, and many schedulers


def test_a_job_that_is_asked_to_stop_puts_its_tables_back_first(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    itemsets, runs_there = (str(root / table.layer / table.name) for table in (FrequentItemsets, Runs))
    write_baskets(root)
    assert ended(job(root, least_baskets=2), "baskets done", lambda _: None)[0] == 0
    before = pl.read_delta(itemsets).sort("items")

    for end, code in ((ctrl_c, 130), (terminate, 143), (terminate_all, 143)):
        # The itemsets of other settings are written, and rules are being derived from them.
        got, said = ended(job(root, least_baskets=5), "deriving rules", end)
        assert got == code, (end, said)
        assert "as they were before" in said and "Traceback" not in said, (end, said)
        assert pl.read_delta(itemsets).sort("items").equals(before), end
    runs = pl.read_delta(runs_there).sort(Runs.started_at)
    assert runs[Runs.outcome].to_list() == ["succeeded", "failed", "failed", "failed"]
