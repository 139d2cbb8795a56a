"""Of two runs the second waits, or ends saying who holds the tables since when; a dead holder holds nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promo_spark.errors import BusyError, RequirementError
from promo_spark.storage import locks

HOLDER = """
import sys, time
from promo_spark.storage.locks import held
with held(None, sys.argv[1], "promote 2024-04-08", "the run of promote for 2024-04-08", 0, print):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(spark: SparkSession, root: str, wait_seconds: float = 0.0, say: list[str] | None = None) -> None:
    with locks.held(spark, root, "promote 2024-04-08", "the run of promote", wait_seconds, (say or []).append):
        pass


def test_the_second_run_ends_with_one_sentence_and_a_killed_holder_holds_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(BusyError) as busy:
        hold(spark, str(tmp_path))
    sentence = str(busy.value)
    assert sentence.startswith("the run of promote for 2024-04-08 holds the tables of promote 2024-04-08 since 20")
    assert re.search(rf"\(process {holder.pid} on \S+\); waited 0 s\.", sentence)
    holder.kill()
    holder.wait()
    with locks.held(spark, str(tmp_path), "promote 2024-04-08", "the run of promote", 0, print) as since:
        (tmp_path / "written").touch()  # nothing is left to clean up
    assert since <= (tmp_path / "written").stat().st_mtime_ns / 1_000_000


def test_a_lake_that_cannot_be_written_is_named(spark: SparkSession) -> None:
    """In /proc nobody can make a folder, root neither."""
    with pytest.raises(RequirementError, match=r"lake\.root is /proc/lake, which cannot be written"):
        hold(spark, "/proc/lake")


def test_the_second_run_waits_and_goes_on_when_the_first_has_ended(spark: SparkSession, tmp_path: Path) -> None:
    first_ends = threading.Event()
    first_holds = threading.Event()

    def first() -> None:
        with locks.held(spark, str(tmp_path), "ingest", "the run of ingest", 0, print):
            first_holds.set()
            first_ends.wait()

    running = threading.Thread(target=first)
    running.start()
    first_holds.wait()
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        first_ends.set()

    with locks.held(spark, str(tmp_path), "ingest", "the run of ingest", 60, tell):
        running.join()
    assert said[0].startswith("waiting for the run of ingest, which holds the tables since ")
    with locks.held(spark, str(tmp_path), "promote", "another job", 0, print):
        hold(spark, str(tmp_path))  # another name, another lock


def test_where_the_system_keeps_no_locks_a_lease_does_and_a_stale_one_is_free(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on HDFS or an object store: the file is the lock, renewed by its holder, by no machine's clock."""
    monkeypatch.setattr(locks, "_local_folder", lambda _root: None)
    monkeypatch.setattr(locks, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(locks, "STALE_AFTER", 1.5)
    root = f"file:{tmp_path}"
    with locks.held(spark, root, "promote 2024-04-08", "the run of promote", 0, print) as since:
        (tmp_path / "written").touch()
        time.sleep(0.5)  # it is renewed
        with pytest.raises(BusyError, match="the run of promote holds the tables"):
            hold(spark, root, wait_seconds=2.5)
    assert since <= (tmp_path / "written").stat().st_mtime_ns / 1_000_000  # when it was taken, not renewed
    lease = tmp_path / locks.FOLDER / "promote 2024-04-08"
    assert not lease.exists()
    lease.write_text('{"run": "a run that was killed", "since": "yesterday", "process": "elsewhere"}')
    hold(spark, root, wait_seconds=30)
    assert not lease.exists()


@pytest.mark.parametrize("local", [True, False])
def test_who_wants_the_lake_alone_waits_for_all_and_keeps_all_out(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    if not local:
        monkeypatch.setattr(locks, "_local_folder", lambda _root: None)
    root = f"file:{tmp_path}"

    def alone() -> AbstractContextManager[int]:
        return locks.held(spark, root, "maintain", "the run of maintain", 0, print, alone=True)

    with locks.held(spark, root, "promote 2024-04-08", "the run of promote", 0, print):
        with locks.held(spark, root, "ingest", "the run of ingest", 0, print):
            pass  # another name, beside it
        with pytest.raises(BusyError, match="the run of promote is open, and the run of maintain wants the lake"):
            alone().__enter__()
    with alone(), pytest.raises(BusyError, match=r"the run of maintain holds the tables of promote 2024-04-08"):
        hold(spark, root)
    hold(spark, root)
