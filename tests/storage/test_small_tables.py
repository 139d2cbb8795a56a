"""Small tables of a folder are read, and empty partitions written, without a query about files: with the same rows."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Metrics
from promo_spark.contracts.ops import Runs
from promo_spark.contracts.silver import OrderLines, PromoCalendar
from promo_spark.errors import ContractError
from promo_spark.storage import small_tables
from promo_spark.storage.arrow_tables import folder_of
from promo_spark.storage.commits import Mark
from promo_spark.storage.file_digests import local_path
from promo_spark.storage.lake import Lake

DAY, NEXT = datetime.date(2024, 5, 1), datetime.date(2024, 5, 2)
NOON = datetime.datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=datetime.timezone.utc)


def through_delta(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr(small_tables, "SMALL_BYTES", -1)
    return lake


def executions(spark: SparkSession) -> int:
    """The queries that Spark has begun so far: of those that it still knows, the newest one's number."""
    spark._jsparkSession.sparkContext().listenerBus().waitUntilEmpty()
    known = spark._jsparkSession.sharedState().statusStore().executionsList()
    return int(known.last().executionId()) + 1 if known.nonEmpty() else 0


def profile(day: datetime.date, user: str) -> dict[str, object]:
    return {
        "as_of": day,
        "user_id": user,
        "recency_days": 1,
        "discount_share": 0.25,
        "power_band": 3,
        "lifecycle": "loyal",
        "spend": 12,
        "interests": [{"category": "tea", "share": 1 / 3}],  # a list of structs, and a fraction that no text holds
        "repurchases": [],
    }


def test_rows_are_those_that_delta_reads(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = OrderLines.frame(
        lake.spark,
        [
            # decimals of two and three digits, a time with microseconds, a list, nulls
            {"order_id": "1", "line_no": 1, "quantity": 2, "amount_paid": 3, "ts": NOON, "order_date": DAY},
            {"order_id": "2", "line_no": 1, "quantity": 1, "flags": ["a", "b"], "ts": NOON, "order_date": NEXT},
        ],
    )
    runs = Runs.frame(
        lake.spark,
        [
            {"run_id": "r", "job": "promote", "started_at": NOON, "outcome": "succeeded", "rows_out": {"a.b": 3}}
        ],  # a map
    )
    profiles = UserProfile.frame(lake.spark, [profile(DAY, "u1")])
    lake.write(OrderLines, lines)
    lake.write(Runs, runs)
    lake.write(UserProfile, profiles, {"as_of": DAY})
    for table in (OrderLines, Runs, UserProfile):
        before = executions(lake.spark)
        small = lake.read(table)
        assert executions(lake.spark) == before, f"a query ran to find the files of {table.full_name()}"
        with monkeypatch.context() as patch:
            large = through_delta(lake, patch).read(table)
            assert "LocalRelation" in small._jdf.queryExecution().optimizedPlan().toString()
            assert "LocalRelation" not in large._jdf.queryExecution().optimizedPlan().toString()
            assert small.schema == large.schema
            assert [f.metadata for f in small.schema] == [f.metadata for f in large.schema]
            assert sorted(small.collect(), key=str) == sorted(large.collect(), key=str)


def test_a_date_and_a_version_are_read_as_asked(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.write(UserProfile, UserProfile.frame(lake.spark, [profile(DAY, "u1")]), {"as_of": DAY})
    first = lake.version(UserProfile)
    lake.write(UserProfile, UserProfile.frame(lake.spark, [profile(NEXT, "u2")]), {"as_of": NEXT})

    def users(version: int | None, date: datetime.date | None) -> list[str]:
        return sorted(row.user_id for row in lake.read(UserProfile, version, date).collect())

    for _ in ("small", "through Delta"):
        assert users(None, None) == ["u1", "u2"]
        assert users(None, NEXT) == ["u2"]
        assert users(first, None) == ["u1"]
        assert users(first, NEXT) == []
        through_delta(lake, monkeypatch)


def test_a_table_whose_files_are_gone_fails_as_spark_tells_it(lake: Lake) -> None:
    lake.write(UserProfile, UserProfile.frame(lake.spark, [profile(DAY, "u1")]), {"as_of": DAY})
    [file] = lake.files(UserProfile)
    Path(local_path(file)).unlink()
    with pytest.raises(Exception, match=r"FILE_NOT_EXIST|DELTA_FILE_NOT_FOUND"):
        lake.read(UserProfile).collect()


def test_an_empty_slice_is_added_to_and_a_filled_one_replaced(lake: Lake) -> None:
    def metrics(job: str, value: float) -> None:
        row = {"as_of": DAY, "job": job, "metric": "m", "slice": "all", "value": value}
        lake.write(Metrics, Metrics.frame(lake.spark, [row]), {"as_of": DAY, "job": job})

    metrics("segment", 1.0)
    metrics("baskets", 2.0)  # nothing of its own is there
    metrics("segment", 3.0)  # again: takes the place of 1.0
    history = lake.spark.sql(f"DESCRIBE HISTORY {lake.address(Metrics)}").orderBy("version").collect()
    assert [row.operationParameters["mode"] for row in history] == ["Append", "Append", "Overwrite"]
    assert sorted((row.job, row.value) for row in lake.read(Metrics).collect()) == [("baskets", 2.0), ("segment", 3.0)]


def test_rows_of_another_slice_are_refused_where_nothing_is_replaced(lake: Lake) -> None:
    lake.write(UserProfile, UserProfile.frame(lake.spark, [profile(DAY, "u1")]), {"as_of": DAY})
    with pytest.raises(ContractError, match=r"features.user_profile: rows are written that are not of as_of"):
        lake.write(UserProfile, UserProfile.frame(lake.spark, [profile(DAY, "u2")]), {"as_of": NEXT})


def test_a_new_table_of_days_takes_one_pass_over_the_rows(lake: Lake) -> None:
    """A write is Delta's command and the query in it: no third query looks for days that are replaced."""
    row = {"order_id": "1", "line_no": 1, "quantity": 2, "ts": NOON, "order_date": DAY}
    lines = OrderLines.frame(lake.spark, [row])
    lines.collect()  # a number is also taken by a query that fails as it is planned, and Spark forgets those
    before = executions(lake.spark)
    assert lake.write(OrderLines, lines).rows == 1
    assert executions(lake.spark) - before == 2


def test_a_small_table_of_many_rows_is_read_with_its_nulls(spark: SparkSession, lake: Lake) -> None:
    rows = 140_000  # more than Arrow reads in one piece; alike, so that they are few bytes
    days = PromoCalendar.frame(spark, [{"product_id": "p1", "start_date": DAY, "end_date": NEXT}])
    cleaned = F.when(F.col("n") % 2 == 0, F.array(F.struct(F.lit("price").alias("column"), F.lit("9").alias("was"))))
    numbered = spark.range(rows).withColumnRenamed("id", "n").crossJoin(days)
    numbered = numbered.withColumns({"store_id": F.col("n").cast("string"), "cleaned": cleaned}).drop("n")
    lake.write(PromoCalendar, PromoCalendar.shaped(numbered).coalesce(1))
    assert small_tables.SmallTables(spark, lake.root).frame(PromoCalendar, None, None) is not None
    assert lake.read(PromoCalendar).filter(F.col("cleaned").isNull()).count() == rows // 2


def test_small_files_are_merged_with_the_same_rows_and_the_log_names_nobody(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [profile(day, f"user-{n}") for day in (DAY, NEXT) for n in range(6)]
    frame = UserProfile.frame(lake.spark, rows).repartition(3)  # a file of each day in each part
    writer = frame.write.format("delta").partitionBy("as_of").option("delta.dataSkippingNumIndexedCols", "0")
    writer.save(lake.path(UserProfile))
    before, mark = sorted(lake.read(UserProfile).collect(), key=str), Mark("m1", "maintain", keeps_content=True)
    assert len(lake.files(UserProfile)) > 2
    assert lake.small.files_merged(UserProfile, mark)
    assert len(lake.files(UserProfile)) == 2
    newest = lake.commits_since(UserProfile, 0)[-1]
    assert newest and (newest.operation, newest.mark, newest.may_change_rows) == ("OPTIMIZE", mark, False)
    logs = Path(folder_of(lake.path(UserProfile)), "_delta_log").glob("*.json")
    assert not any("user-1" in log.read_text(encoding="utf-8") for log in logs)
    assert sorted(lake.read(UserProfile).collect(), key=str) == before
    through_delta(lake, monkeypatch)
    assert sorted(lake.read(UserProfile).collect(), key=str) == before


def test_files_are_those_that_delta_names(lake: Lake) -> None:
    for day in (DAY, NEXT):
        lake.write(UserProfile, UserProfile.frame(lake.spark, [profile(day, "u1")]), {"as_of": day})
    by_spark = lake.spark.read.format("delta").load(lake.path(UserProfile)).inputFiles()
    assert sorted(lake.files(UserProfile)) == sorted(by_spark)
