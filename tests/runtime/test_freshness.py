"""A date is current if its tables say so: by the rows, their files and who changed them, by no log and no clock."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import Metrics
from promo_spark.contracts.ops import Runs
from promo_spark.contracts.schema import Col, Table, WriteMode
from promo_spark.runtime.freshness import code_version
from promo_spark.runtime.job import Context, Job
from promo_spark.runtime.pipeline import Pipeline, run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import Section, load
from promo_spark.storage.lake import Lake

DAY, NEXT = datetime.date(2024, 4, 8), datetime.date(2024, 4, 9)


class Sales(Table):
    """One row per day and product."""

    layer, name = "silver", "order_lines"
    key = ("order_date", "product_id")
    partition = ("order_date",)
    write_mode = WriteMode.REPLACE_DAYS
    order_date = Col(T.DateType(), "the day", required=True)
    product_id = Col(T.StringType(), "the product", required=True)
    units = Col(T.LongType(), "units sold", required=True)
    source_file = Col(T.StringType(), "the file")
    run_id = Col(T.StringType(), "the run")


class Totals(Table):
    """One row per date and product."""

    layer, name = "models", "segments"
    key = ("as_of", "product_id")
    partition = ("as_of",)
    dated_by = "as_of"
    as_of = Col(T.DateType(), "the date", required=True)
    product_id = Col(T.StringType(), "the product", required=True)
    units = Col(T.LongType(), "units sold before the date", required=True)
    run_id = Col(T.StringType(), "the run")


def add_up(ctx: Context[Section]) -> None:
    sales = ctx.read(Sales).filter(F.col(Sales.order_date) < F.lit(ctx.date))
    totals = sales.groupBy(Sales.product_id).agg(F.sum(Sales.units).alias(Totals.units))
    before = ctx.read_earlier(Totals).count()
    ctx.write(Totals, totals)
    ctx.metrics(Metrics.frame(ctx.spark, [{"metric": "rows before", "slice": "all", "value": float(before)}]))


JOB = Job(
    "baskets",
    "Adds up.",
    (Sales,),
    (),
    (Totals, Metrics),
    type(load().baskets),
    add_up,
    earlier=(Totals,),
)


@pytest.fixture
def shop(lake: Lake) -> Lake:
    """A lake with sales of three days: apples of 1, 2 and 4 units."""
    deliver(lake, {"2024-04-06": 1, "2024-04-07": 2, "2024-04-08": 4})
    return lake


def deliver(lake: Lake, units: dict[str, int], run: str = "ingest-1", file: str = "a.csv") -> None:
    rows = [
        {"order_date": day, "product_id": "apple", "units": n, "source_file": file, "run_id": run}
        for day, n in units.items()
    ]
    lake.write(Sales, Sales.frame(lake.spark, rows))


def outcome(lake: Lake, date: datetime.date = DAY, *overrides: str) -> str:
    return run_in_order([JOB], lake, load(None, overrides), date, Progress())["baskets"].outcome


def units(lake: Lake, date: datetime.date = DAY) -> list[int]:
    return [r.units for r in lake.read(Totals).filter(F.col(Totals.as_of) == F.lit(date)).collect()]


def test_a_date_is_current_after_its_run_and_stays_so_after_later_dates(shop: Lake) -> None:
    assert [outcome(shop), outcome(shop)] == ["written", "current"]
    assert units(shop) == [3]  # 1 + 2, the days before the 8th
    assert [outcome(shop, NEXT), outcome(shop, NEXT), outcome(shop)] == ["written", "current", "current"]
    assert units(shop, NEXT) == [7]


def test_a_later_day_of_an_input_leaves_a_date_current_and_an_earlier_day_does_not(shop: Lake) -> None:
    outcome(shop)
    deliver(shop, {"2024-04-08": 5}, run="ingest-2")
    assert outcome(shop) == "current"
    deliver(shop, {"2024-04-07": 9}, run="ingest-3")
    assert outcome(shop) == "written"
    assert units(shop) == [10]  # 1 + 9


def test_a_delivery_that_repeats_days_leaves_them_and_what_follows_as_they_are(shop: Lake) -> None:
    outcome(shop)
    version = shop.version(Sales)
    deliver(shop, {"2024-04-06": 1, "2024-04-07": 2}, run="ingest-2", file="b.csv")
    assert shop.version(Sales) == version
    assert outcome(shop) == "current"


def test_a_date_that_is_run_late_makes_the_ones_after_it_stale(shop: Lake) -> None:
    """Dates out of order: the third was computed without the second, so it is computed again."""
    assert outcome(shop, NEXT) == "written"
    assert outcome(shop, DAY) == "written"
    assert outcome(shop, NEXT) == "written"
    assert outcome(shop, NEXT) == "current"


def test_other_settings_and_back_again_run_again(shop: Lake) -> None:
    """A, B, A: the rows of B are there, whatever the run log and its clock say of A."""
    assert outcome(shop, DAY, "baskets.min_baskets=7") == "written"
    assert outcome(shop, DAY, "baskets.min_baskets=8") == "written"
    two_hours_behind = F.col(Runs.started_at) - F.expr("INTERVAL 2 HOURS")
    log = shop.read(Runs).withColumn(Runs.started_at, two_hours_behind).localCheckpoint()
    shop.spark.sql(f"DELETE FROM {shop.address(Runs)}")
    shop.write(Runs, log)
    assert outcome(shop, DAY, "baskets.min_baskets=7") == "written"
    assert outcome(shop, DAY, "baskets.min_baskets=7") == "current"


def delete_rows(lake: Lake) -> None:
    lake.spark.sql(f"DELETE FROM {lake.address(Totals)} WHERE as_of = '{DAY}'")


def change_rows(lake: Lake) -> None:
    lake.spark.sql(f"UPDATE {lake.address(Totals)} SET units = 0 WHERE as_of = '{DAY}'")


def change_input(lake: Lake) -> None:
    lake.spark.sql(f"UPDATE {lake.address(Sales)} SET units = units + 0 WHERE order_date = '2024-04-06'")


def delete_files(lake: Lake) -> None:
    for file in (Path(lake.path(Totals)) / f"as_of={DAY}").glob("*.parquet"):
        file.unlink()


def cut_off_last_commit(lake: Lake) -> None:
    log = Path(lake.path(Totals)) / "_delta_log"
    commit = max(log.glob("*.json"))
    commit.write_text(commit.read_text()[:-30])
    (log / f".{commit.name}.crc").unlink(missing_ok=True)
    commit.with_suffix(".crc").unlink(missing_ok=True)


@pytest.mark.parametrize("tamper", [delete_rows, change_rows, change_input, delete_files])
def test_what_somebody_did_to_the_tables_is_seen_and_mended(shop: Lake, tamper: Callable[[Lake], None]) -> None:
    outcome(shop)
    tamper(shop)
    assert outcome(shop) == "written"
    assert units(shop) == [3]
    assert outcome(shop) == "current"


def test_a_log_that_is_cut_off_is_never_taken_for_current(shop: Lake, spark: SparkSession) -> None:
    outcome(shop)
    outcome(shop, NEXT)
    cut_off_last_commit(shop)
    without_cached_logs(spark)
    with pytest.raises(
        Exception, match=r"models.segments is damaged at version 1.* restore models.segments --version 0"
    ):
        outcome(Lake(spark, shop.root))


def without_cached_logs(spark: SparkSession) -> None:
    """What Delta remembers of tables is forgotten, as in another process."""
    jvm: Any = spark._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


def optimize(lake: Lake) -> Lake:
    for table in (Sales, Totals):
        lake.spark.sql(f"OPTIMIZE {lake.address(table)}")
    return lake


def without_run_log(lake: Lake) -> Lake:
    shutil.rmtree(lake.path(Runs))
    without_cached_logs(lake.spark)
    return lake


def without_old_log_entries(lake: Lake) -> Lake:
    """What Delta does after thirty days: a checkpoint stands for the commits before it."""
    for table in (Sales, Totals, Metrics):
        lake.log(table).checkpoint()
        newest = lake.version(table)
        for commit in (Path(lake.path(table)) / "_delta_log").glob("*.json"):
            if int(commit.stem) < (newest or 0):
                commit.unlink()
    without_cached_logs(lake.spark)
    return lake


def copied(lake: Lake) -> Lake:
    shutil.copytree(lake.root, f"{lake.root}-copied")
    return Lake(lake.spark, f"{lake.root}-copied")


@pytest.mark.parametrize("change", [optimize, without_run_log, without_old_log_entries, copied])
def test_what_changes_no_row_leaves_a_date_current(shop: Lake, change: Callable[[Lake], Lake]) -> None:
    for date in (DAY, NEXT):
        outcome(shop, date)
    changed = change(shop)
    assert [outcome(changed, DAY), outcome(changed, NEXT)] == ["current", "current"]


def test_a_row_is_traced_to_the_versions_it_was_made_of_and_time_travel_makes_it_again(shop: Lake) -> None:
    """N10: run_id of a row → ops.runs → input versions and code; reading those versions reproduces the row."""
    outcome(shop)
    deliver(shop, {"2024-04-06": 100}, run="ingest-2")  # what it was made of has changed since
    [row] = shop.read(Totals).collect()
    [traced] = shop.read(Runs).filter(F.col(Runs.run_id) == row.run_id).collect()
    assert traced.code_version == code_version()
    assert traced.input_runs["silver.order_lines"] == "ingest-1"
    then = shop.read(Sales, version=traced.input_versions["silver.order_lines"])
    assert shop.read(Sales).agg(F.sum(Sales.units)).collect()[0][0] == 106  # 100 + 2 + 4
    made_again = then.filter(F.col(Sales.order_date) < F.lit(traced.date)).agg(F.sum(Sales.units)).collect()[0][0]
    assert made_again == row.units == 3  # 1 + 2


def test_a_span_of_dates_is_run_in_order_and_goes_on_where_it_stopped(
    shop: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at its second date, the span leaves the first as it is and runs the second."""
    settings = load(None, ['pipeline.jobs=["baskets"]'])
    summaries: list[tuple[datetime.date, list[str]]] = []
    pipeline = Pipeline(
        "pipeline",
        "Runs.",
        lambda: {"baskets": JOB},
        lambda _lake, _settings, date, written, _seconds: summaries.append((date, list(written))),
    )
    write = Context.write

    def stopped(ctx: Context[Any], *arguments: Any, **named: Any) -> Any:
        if ctx.date == NEXT:
            raise KeyboardInterrupt
        return write(ctx, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Context, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            pipeline.start(shop, settings, [DAY, NEXT], Progress())
    first = shop.version(Totals)
    assert units(shop) == [3] and units(shop, NEXT) == [] and not summaries
    pipeline.start(shop, settings, [DAY, NEXT], Progress())
    assert shop.version(Totals) == (first or 0) + 1, "one more commit: that of the second date"
    assert units(shop, NEXT) == [7]
    assert summaries == [(NEXT, ["baskets"])]
