"""Whatever ends a job, its tables are as they were before it, the attempt is recorded, and the next run does it all.

scripts/ends.py does the same to every table that a real job writes.
"""

from __future__ import annotations

import datetime
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark import TaskContext
from pyspark.errors import PythonException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.models import Metrics
from promo_spark.contracts.ops import Runs
from promo_spark.contracts.schema import Table
from promo_spark.errors import SourceError
from promo_spark.runtime.context import Context
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.settings.promote import PromoteSettings
from promo_spark.storage.jvm import unended_tasks
from promo_spark.storage.lake import Lake

DAY, DAY_BEFORE = datetime.date(2024, 4, 8), datetime.date(2024, 4, 7)
End = Callable[[SparkSession], None]


def decide(ctx: Context[PromoteSettings]) -> None:
    """One offer that costs what the budget is, and a figure that says the same."""
    budget = ctx.settings.daily_budget
    ctx.metrics(Metrics.frame(ctx.spark, [{"metric": "budget", "slice": "all", "value": budget}]))
    ctx.write(Budget, Budget.frame(ctx.spark, [{"constraint": "daily", "planned": budget, "reserved": budget}]))
    offer = {"user_id": "u1", "promotion_id": "p1", "scenario": "win_back", "mechanic": "coupon", "arm": "treatment"}
    ctx.write(Promotions, Promotions.frame(ctx.spark, [offer | {"expected_cost": budget}]))


PROMOTE = Job("promote", "Decides.", (), (), (Metrics, Budget, Promotions), PromoteSettings, decide)
TABLES: tuple[type[Table], ...] = PROMOTE.writes


def raising(error: BaseException) -> End:
    def end(_spark: SparkSession) -> None:
        raise error

    return end


def in_spark(spark: SparkSession) -> None:
    spark.sql("SELECT raise_error('an executor is lost')").collect()


def in_python_worker(spark: SparkSession) -> None:
    spark.range(1).mapInArrow(lambda _batches: 1 / 0, "id long").collect()  # type: ignore[arg-type, return-value]  # it fails


ENDS: dict[str, End] = {
    **{kind.__name__: raising(kind("broken on purpose")) for kind in (KeyError, AssertionError, MemoryError)},
    "SourceError": raising(SourceError("broken on purpose")),
    "KeyboardInterrupt": raising(KeyboardInterrupt()),
    "SystemExit": raising(SystemExit(143)),
    "OSError": raising(OSError(28, "No space left on device")),
    "Spark": in_spark,
    "Python worker": in_python_worker,
}


def run(lake: Lake, budget: float, date: datetime.date = DAY) -> str:
    settings = load(None, [f"promote.daily_budget={budget}"])
    return run_in_order([PROMOTE], lake, settings, date, Progress())["promote"].outcome


def amounts(lake: Lake, date: datetime.date = DAY) -> list[Any]:
    """What each table says of the date's budget."""
    columns: list[tuple[type[Table], str]] = [
        (Metrics, Metrics.value),
        (Budget, Budget.planned),
        (Promotions, Promotions.expected_cost),
    ]
    return [
        float(r[0])
        for table, column in columns
        for r in lake.read(table).filter(F.col(table.dated_by or "") == F.lit(date)).select(column).collect()
    ]


@pytest.fixture(scope="module")
def decided(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake in which 20 were planned for the day, and 5 for the day before; as an end leaves it as it was, for all."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("ends") / "lake"))
    run(lake, 5.0, DAY_BEFORE)
    run(lake, 20.0)
    return lake


def end_at(monkeypatch: pytest.MonkeyPatch, table: type[Table], end: End, after: bool) -> None:
    """Ends the job when it writes the table: before it is written, or after."""
    write = Context.write

    def ending(ctx: Context[Any], to: type[Table], *arguments: Any, **named: Any) -> Any:
        if to is table and not after:
            end(ctx.spark)
        written = write(ctx, to, *arguments, **named)
        if to is table:
            end(ctx.spark)
        return written

    monkeypatch.setattr(Context, "write", ending)


def failures(lake: Lake) -> list[str]:
    return [r.message for r in lake.read(Runs).filter(F.col(Runs.outcome) == "failed").collect()]


def check_end(monkeypatch: pytest.MonkeyPatch, lake: Lake, table: type[Table], end: End, after: bool) -> None:
    recorded = len(failures(lake))
    with monkeypatch.context() as patch:
        end_at(patch, table, end, after)
        with pytest.raises(BaseException):  # noqa: B017 - each kind of end raises its own
            run(lake, 90.0)
    assert amounts(lake) == [20.0, 20.0, 20.0]
    assert amounts(lake, DAY_BEFORE) == [5.0, 5.0, 5.0]
    assert len(failures(lake)) == recorded + 1
    assert all(failures(lake))


@pytest.mark.parametrize("kind", ENDS)
def test_every_kind_of_end_between_two_tables_leaves_them_as_they_were(
    decided: Lake, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The budget of 90 is written and the offers of 20 stand still: none of it stays."""
    check_end(monkeypatch, decided, Budget, ENDS[kind], after=True)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_end_at_any_table_leaves_all_as_they_were(
    decided: Lake, monkeypatch: pytest.MonkeyPatch, table: type[Table]
) -> None:
    check_end(monkeypatch, decided, table, ENDS["KeyboardInterrupt"], after=table is Promotions)


def test_after_an_end_the_rows_are_those_of_the_run_before_and_the_next_run_does_it_all(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(lake, 20.0)
    with monkeypatch.context() as patch:
        end_at(patch, Budget, ENDS["KeyboardInterrupt"], after=True)
        with pytest.raises(KeyboardInterrupt):
            run(lake, 90.0)
    assert run(lake, 20.0) == "current"
    assert run(lake, 90.0) == "written"
    assert amounts(lake) == [90.0, 90.0, 90.0]


def test_an_end_after_others_wrote_the_same_table_takes_back_its_own_rows_alone(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """models.metrics is written by many jobs: one that fails does not take the others' figures along."""

    run(lake, 20.0)

    def other_job_then_failure(spark: SparkSession) -> None:
        row = {"as_of": DAY, "job": "baskets", "metric": "rules", "slice": "all", "value": 7.0}
        lake.write(Metrics, Metrics.frame(spark, [row]), {"as_of": DAY, "job": "baskets"})
        raise RuntimeError

    end_at(monkeypatch, Budget, other_job_then_failure, after=False)
    with pytest.raises(RuntimeError):
        run(lake, 90.0)
    figures = lake.read(Metrics).filter(F.col(Metrics.as_of) == F.lit(DAY)).collect()
    assert sorted((r.job, r.value) for r in figures) == [("baskets", 7.0), ("promote", 20.0)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_full_leaves_the_tables_as_they_were(
    spark: SparkSession, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run itself left on the disk makes the room for putting them back. Needs root, for a small disk."""
    lake = Lake(spark, str(small_disk / "lake"))
    run(lake, 5.0, DAY_BEFORE)
    run(lake, 20.0)
    write = Context.write

    def too_much(ctx: Context[Any], to: type[Table], df: Any, *arguments: Any, **named: Any) -> Any:
        if to is Promotions:  # 200,000 offers with 128 random digits: far more than the disk holds
            ids = spark.range(0, 200_000, 1, 2).select(F.sha2(F.col("id").cast("string"), 256).alias("random"))
            df = df.drop(Promotions.promotion_id, Promotions.text).crossJoin(
                ids.select(F.col("random").alias(Promotions.promotion_id), F.reverse("random").alias(Promotions.text))
            )
        return write(ctx, to, df, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Context, "write", too_much)
        with pytest.raises(Exception, match="No space left"):
            run(lake, 90.0)
    assert amounts(lake) == [20.0, 20.0, 20.0]
    assert amounts(lake, DAY_BEFORE) == [5.0, 5.0, 5.0]
    assert run(lake, 90.0) == "written"
    assert amounts(lake) == [90.0, 90.0, 90.0]


def slow_beside_broken(batches: Iterator[Any]) -> Iterator[Any]:
    """Of two tasks the first fails at once; the second works on for 3 seconds."""
    partition = TaskContext.get().partitionId()  # type: ignore[union-attr]  # it runs in a task
    time.sleep(3 * partition)
    if partition == 0:
        raise ArithmeticError
    yield from batches


def test_tables_are_put_back_when_no_task_of_the_failed_job_runs_on(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that writes on would take the room on a full disk that putting back needs."""
    running: list[int] = []

    def break_off(_spark: SparkSession) -> None:
        spark.range(0, 4, 1, 2).mapInArrow(slow_beside_broken, "id long").collect()

    def take_back(*_: Any) -> None:
        running.append(unended_tasks(spark, "promo_spark-promote-"))

    monkeypatch.setattr(Context, "take_back", take_back)
    end_at(monkeypatch, Budget, break_off, after=True)
    with pytest.raises(PythonException):
        run(lake, 20.0)
    assert running == [0]


def test_a_file_that_is_still_open_gives_its_room_back(spark: SparkSession, small_disk: Path) -> None:
    """A writer that fails on a full disk may leave its file open: deleted only, it would keep its 4 MB.

    Others had only begun, before it and after it: of their files there is nothing to empty.
    """
    lake = Lake(spark, str(small_disk / "lake"))
    run(lake, 20.0)
    folder = small_disk / "lake" / "decisions" / "promotions"
    (folder / "part-0.parquet").touch()
    with (folder / "part-1.parquet").open("wb") as still_open:
        still_open.write(bytes(4 << 20))
        still_open.flush()
        (folder / "part-2.parquet").touch()
        (small_disk / "others").write_bytes(bytes(shutil.disk_usage(small_disk).free))
        assert shutil.disk_usage(small_disk).free == 0
        assert lake.make_room(Promotions, 0) >= 4 << 20
        assert shutil.disk_usage(small_disk).free >= (4 << 20) - 65_536
    assert amounts(lake) == [20.0, 20.0, 20.0]
