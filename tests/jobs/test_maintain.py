"""Keeping house: what is too old goes, files are merged and deleted, and the dates that were computed stay current."""

from __future__ import annotations

import datetime
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.housekeeping import Maintenance, RemovedRuns
from promo_spark.contracts.ops import Runs
from promo_spark.errors import BusyError, MissingDataError, SettingsError
from promo_spark.runtime.freshness import Freshness
from promo_spark.runtime.invocation import invoked, refuse_settings
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import single_jobs
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import logs_of
from promo_spark.storage.locks import held
from promo_spark.submission.arguments import parser, resolved_settings
from tests.jobs.export_rows import decide, offer

DAY = datetime.date(2024, 4, 8)
HOUR = 3600

Maintain = Callable[[Mapping[str, Any]], None]


@pytest.fixture
def maintain(spark: SparkSession, lake: Lake) -> Maintain:
    def run(overrides: Mapping[str, Any]) -> None:
        settings = load(None, {"lake.root": lake.root, "lake.wait_seconds": 0, **overrides})
        invoked(single_jobs()["maintain"], settings, spark, dates=[DAY], progress=Progress())

    return run


def days_before(days: int) -> datetime.date:
    return DAY - datetime.timedelta(days=days)


def files(lake: Lake) -> set[Path]:
    return set(Path(lake.path(Promotions)).rglob("*.parquet"))


def promotions(lake: Lake) -> list[Any]:
    return sorted(lake.read(Promotions).collect())


def done(lake: Lake) -> list[tuple[Any, ...]]:
    columns = [Maintenance.step, Maintenance.table, Maintenance.rows_removed]
    return sorted(tuple(row) for row in lake.read(Maintenance).select(*columns).collect())


def test_days_older_than_the_limit_are_taken_out_and_dates_that_read_them_stay_current(
    lake: Lake, maintain: Maintain
) -> None:
    """N05: the retention job removes partitions older than the limit; the files of the other dates stay as they are."""
    decide(lake, [offer(1, of=1), offer(2, of=2)], days_before(31), "promote-31")
    decide(lake, [offer(3, of=1)], days_before(30), "promote-30")
    decide(lake, [offer(4, of=1)], DAY, "promote-0")
    promote = single_jobs()["promote"]
    read_before = Freshness(logs_of(lake)).inputs(promote, DAY).runs
    kept = {file for file in files(lake) if days_before(31).isoformat() not in str(file)}

    maintain({"maintain.retention": {"decisions.promotions": 30}})
    assert [r.date for r in promotions(lake)] == [days_before(30), DAY]
    current = {file for file in files(lake) if str(file) in {f.removeprefix("file:") for f in _current(lake)}}
    assert current == kept
    assert done(lake) == [("retention", "decisions.promotions", 2)]
    # What promote read of earlier dates is told as before: the runs that wrote it.
    assert Freshness(logs_of(lake)).inputs(promote, DAY).runs == read_before
    assert [r.removed_run for r in lake.read(RemovedRuns).collect()] == ["promote-31"]

    maintain({"maintain.retention": {"decisions.promotions": 30}})  # again: there is nothing left to do
    assert done(lake) == [("retention", "decisions.promotions", 2)]


def _current(lake: Lake) -> set[str]:
    return {file.replace("file://", "file:") for file in lake.files(Promotions)}


def test_small_files_are_merged_and_no_row_is_another(lake: Lake, maintain: Maintain) -> None:
    for number in range(3):  # each run appends a file
        lake.write(Runs, [{"run_id": f"run-{number}", "job": "promote", "date": DAY}])
    before = sorted(lake.read(Runs).select("run_id").collect())
    maintain({"maintain.optimize_files": 4})
    assert len(lake.files(Runs)) == 4  # 3, and the row of maintain itself: it came after
    maintain({"maintain.optimize_files": 4})
    assert len(lake.files(Runs)) == 2  # 1, and the row of the second
    assert set(before) <= set(lake.read(Runs).select("run_id").collect())
    assert done(lake) == [("optimize", "ops.runs", 0)]


def test_files_of_killed_runs_are_deleted_and_earlier_versions_can_be_read(lake: Lake, maintain: Maintain) -> None:
    """A15 (part): orphan files go to 0, live rows are unchanged, time travel still returns the earlier version."""
    decide(lake, [offer(1, of=1)])
    decide(lake, [offer(1, of=1, rank=2)])
    rows, named = promotions(lake), files(lake)
    for hours, name in ((2, "part-killed"), (0, "part-of-another")):  # one writes still, outside the suite
        orphan = min(named).with_name(f"{name}.snappy.parquet")
        shutil.copy(min(named), orphan)
        os.utime(orphan, (time.time() - hours * HOUR,) * 2)
    maintain({})
    assert {file.name for file in files(lake) - named} == {"part-of-another.snappy.parquet"}
    assert named <= files(lake)
    half = Path(lake.root, "reports", "tmp1.part")
    fit = Path(lake.root, ".checkpoints", "of-a-killed-run", "rdd-1")
    for left in (half, fit):
        left.parent.mkdir(parents=True)
        left.touch()
    maintain({"maintain.orphan_hours": 0})
    assert not half.exists() and not fit.parent.exists()
    assert files(lake) == named
    assert promotions(lake) == rows
    assert [r.rank for r in lake.read(Promotions, version=0).collect()] == [1]
    assert done(lake) == [("orphans", "decisions.promotions", 0)] * 2


def test_files_that_were_not_needed_for_long_are_vacuumed(lake: Lake, maintain: Maintain) -> None:
    decide(lake, [offer(1, of=1)])
    named, rows = files(lake), promotions(lake)
    old = min(named).with_name("part-old.snappy.parquet")
    shutil.copy(min(named), old)
    os.utime(old, (time.time() - 169 * HOUR,) * 2)
    maintain({"maintain.orphan_hours": 1000})  # so that nothing else deletes it
    assert files(lake) == named
    assert promotions(lake) == rows
    assert done(lake) == [("vacuum", "decisions.promotions", 0)]


def test_an_open_run_is_named_and_nothing_is_done(spark: SparkSession, lake: Lake, maintain: Maintain) -> None:
    decide(lake, [offer(1, of=1)], days_before(31))
    with (
        held(spark, lake.root, f"promote {DAY}", f"the run of promote for {DAY}", 0, print),
        pytest.raises(
            BusyError, match=f"the run of promote for {DAY} is open, and the run of maintain for {DAY} wants the"
        ),
    ):
        maintain({"maintain.retention": {"decisions.promotions": 30}})
    assert len(promotions(lake)) == 1


def test_the_files_of_persons_are_settings_in_fewer_letters() -> None:
    asked = parser("maintain", "").parse_args(["--persons", 'of "may".txt', "--set", "lake.wait_seconds=0"])
    settings = resolved_settings(asked)
    assert (settings.maintain.persons, settings.maintain.readmit, settings.lake.wait_seconds) == ('of "may".txt', "", 0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"maintain.persons": "a", "maintain.readmit": "b"},
            r"maintain\.persons and maintain\.readmit: .* in two runs",
        ),
        ({"maintain.persons": "/nowhere"}, r"maintain\.persons: there is no file /nowhere; nothing was done"),
        (
            {"maintain.persons": __file__},
            r"business\.privacy\.suppression_key_secret = 'env:PROMO_SPARK_SUPPRESSION_KEY'",
        ),
        (
            {"maintain.retention": {"decisions.promotion": 30}},
            r"maintain\.retention: there is no such table as decisions\.promotion; did you mean decisions\.promotions",
        ),
        (
            {"maintain.retention": {"silver.users": 30}},
            r"maintain\.retention: silver\.users has no rows by day or date",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_spark_starts(overrides: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        refuse_settings(single_jobs()["maintain"], load(None, overrides))


def test_a_lake_without_a_table_is_told(maintain: Maintain) -> None:
    with pytest.raises(MissingDataError, match=r"the lake \S+ has no table: there is no house to keep"):
        maintain({})
