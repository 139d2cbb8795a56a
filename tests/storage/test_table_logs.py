"""What the tables say of themselves is the same whether Spark is asked or the files are read without it."""

from __future__ import annotations

import datetime
import decimal
import shutil
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.models import Metrics
from promo_spark.contracts.ops import Runs
from promo_spark.contracts.silver import Users
from promo_spark.storage.arrow_tables import UNREADABLE
from promo_spark.storage.commits import Mark
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import LocalLogs, logs_of
from promo_spark.storage.table_logs import Condition, RowsOf, SparkLogs, TableLogs, Totals

GIVEN = {"mechanic": "bundle", "arm": "treatment", "discount_rate": 0.1, "expected_conversion": 0.1}
MONDAY, TUESDAY = datetime.date(2024, 6, 3), datetime.date(2024, 6, 4)


def figure(date: datetime.date, job: str, run: str, value: float = 1.0) -> dict[str, object]:
    return {"as_of": date, "job": job, "metric": "m", "slice": "all", "value": value, "run_id": run}


@pytest.fixture
def both(lake: Lake, tmp_path: Path) -> tuple[TableLogs, TableLogs]:
    return SparkLogs(lake), LocalLogs(str(tmp_path / "lake"))


def write_metrics(lake: Lake, *rows: dict[str, Any], mark: str = "r") -> None:
    for row in rows:
        slice_of_row = {"as_of": row["as_of"], "job": row["job"]}
        lake.write(Metrics, Metrics.frame(lake.spark, [row]), slice_of_row, mark=Mark(run=mark))


def test_runs_of_rows_by_partition_and_by_other_columns(lake: Lake, both: tuple[TableLogs, TableLogs]) -> None:
    write_metrics(
        lake, figure(MONDAY, "segment", "r1"), figure(MONDAY, "promote", "r2"), figure(TUESDAY, "segment", "r3")
    )
    spark = lake.spark
    lake.write(Users, Users.frame(spark, [{"user_id": "a", "run_id": "u1"}]))
    lake.write(Users, Users.frame(spark, [{"user_id": "b", "run_id": "u2"}]))  # merged: a file may hold both
    lake.write(Users, Users.frame(spark, [{"user_id": "c"}]))  # of nobody: as rows of version 0.1
    for logs in both:
        version = logs.version(Metrics)
        assert version == 2 and logs.version(Promotions) is None
        day = RowsOf(Metrics, version, (Condition("as_of", "=", MONDAY),))
        job = RowsOf(Metrics, version, (Condition("as_of", "=", MONDAY), Condition("job", "=", "promote")))
        before = RowsOf(Metrics, version, (Condition("as_of", "<", TUESDAY),))
        early = RowsOf(Metrics, 0)
        never = RowsOf(Metrics, version, (Condition("as_of", "<", MONDAY),))
        one_user = RowsOf(Users, logs.version(Users) or 0, (Condition("user_id", "=", "b"),))
        users = RowsOf(Users, logs.version(Users) or 0)
        assert logs.runs_of([day, job, before, early, never, one_user, users]) == {
            day: ("r1", "r2"),
            job: ("r2",),
            before: ("r1", "r2"),
            early: ("r1",),
            never: (),
            one_user: ("u2",),
            users: (None, "u1", "u2"),
        }


def test_rows_that_others_changed_and_runs_that_only_removed(lake: Lake, both: tuple[TableLogs, TableLogs]) -> None:
    write_metrics(lake, figure(MONDAY, "segment", "r1"), figure(TUESDAY, "segment", "r2"))
    lake.write(Users, Users.frame(lake.spark, [{"user_id": "a"}, {"user_id": "b"}]), mark=Mark(run="u1"))
    gone = Users.frame(lake.spark, [{"user_id": "a"}])
    lake.write(Users, Users.frame(lake.spark), by_key=True, gone=gone, mark=Mark(run="u2"))
    DeltaTable(lake.path(Metrics)).optimize.compact()
    DeltaTable(lake.path(Metrics)).delete("as_of = '2024-06-03'")  # somebody else
    for logs in both:
        assert logs.removed_by(Users) == "u2" and logs.removed_by(Metrics) == ""
        assert logs.changed_by_others(Users, 0, lambda _values: True) is None
        found = logs.changed_by_others(Metrics, 1, lambda values: values["as_of"] == "2024-06-03")
        assert found is not None and found.operation == "DELETE"
        assert logs.changed_by_others(Metrics, 1, lambda values: values["as_of"] == "2024-06-04") is None
        assert logs.changed_by_others(Metrics, logs.version(Metrics) or 0, lambda _values: True) is None


def test_rows_and_totals(spark: SparkSession, lake: Lake, both: tuple[TableLogs, TableLogs]) -> None:
    counts = {"orders": (10, 8, 2, 0, {"quantity_zero": 2})}
    lake.write(Runs, Runs.frame(spark, [{"run_id": "r1", "job": "ingest", "sources": counts, "rows_out": {"t": 8}}]))
    offers = [("u1", "bundle", "1.50"), ("u1", "bundle", "0.25"), ("u2", "bundle", "1.00"), ("u2", "none", "0.00")]
    rows = [
        {"date": MONDAY, "user_id": user, "promotion_id": f"p{n}", "scenario": name, "expected_cost": cost, **GIVEN}
        for n, (user, name, cost) in enumerate(offers)
    ]
    rows.append(
        {"date": TUESDAY, "user_id": "u3", "promotion_id": "p9", "scenario": "bundle", "expected_cost": "9", **GIVEN}
    )
    for date in (MONDAY, TUESDAY):
        frame = Promotions.frame(spark, rows).filter(F.col("date") == F.lit(date))
        lake.write(Promotions, frame, {"date": date})
    totals = Totals(by=("scenario",), different="user_id", sums=("expected_cost",))
    for logs in both:
        [run] = logs.rows(Runs)
        assert (run.run_id, run.rows_out, run.sources["orders"].accepted) == ("r1", {"t": 8}, 8)
        assert run.sources["orders"].reasons == {"quantity_zero": 2}
        found = logs.totals(Promotions, (Condition("date", "=", MONDAY),), totals)
        # bundle: three rows of two users, 1.50 + 0.25 + 1.00
        assert {(r.scenario, r.rows, r.user_id, r.expected_cost) for r in found} == {
            ("bundle", 3, 2, decimal.Decimal("2.75")),
            ("none", 1, 1, decimal.Decimal("0.00")),
        }
        assert logs.rows(Users) == [] and logs.totals(Users, (), totals) == []


def test_what_cannot_be_read_here_is_asked_of_spark(lake: Lake, tmp_path: Path) -> None:
    write_metrics(lake, figure(MONDAY, "segment", "r1"))
    for file in (tmp_path / "lake" / "models" / "metrics").rglob("*.parquet"):
        file.rename(file.with_suffix(".moved"))
    wanted = RowsOf(Metrics, 0)
    with pytest.raises(UNREADABLE):
        LocalLogs(str(tmp_path / "lake")).runs_of([wanted])
    asked: list[object] = []

    class Asked(SparkLogs):
        def runs_of(self, wanted: object) -> dict[RowsOf, tuple[str | None, ...]]:
            asked.append(wanted)
            return {}

    LocalLogs(str(tmp_path / "lake"), Asked(lake)).runs_of([wanted])
    assert asked == [[wanted]]
    shutil.rmtree(tmp_path / "lake")


def test_a_lake_elsewhere_or_in_a_catalog_is_asked_by_spark(spark: SparkSession, lake: Lake) -> None:
    assert isinstance(logs_of(lake), LocalLogs)
    assert isinstance(logs_of(Lake(spark, "s3a://shop/lake")), SparkLogs)
    assert isinstance(logs_of(Lake(spark, lake.root, "spark_catalog")), SparkLogs)
