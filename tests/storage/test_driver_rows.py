"""Rows of the driver are written without a query: the same rows, tables, marks and refusals as by Spark."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.housekeeping import ERASURE
from promo_spark.contracts.models import Metrics, Registry
from promo_spark.contracts.ops import DataQuality, IdKey, Runs, SourceFiles
from promo_spark.contracts.schema import Table
from promo_spark.contracts.segments import SegmentCentres
from promo_spark.contracts.silver import QUARANTINE, Holidays, OrderLines, Products
from promo_spark.errors import ContractError
from promo_spark.storage import driver_rows, small_tables
from promo_spark.storage.arrow_tables import folder_of
from promo_spark.storage.commits import Mark
from promo_spark.storage.erasure import delete_rows
from promo_spark.storage.lake import Lake
from promo_spark.storage.literals import SliceValue
from promo_spark.storage.small_tables import ROWS_OF_DRIVER
from tests.storage.test_small_tables import DAY, NEXT, NOON, executions

RUN = {
    "run_id": "r1",
    "job": "promote",
    "date": DAY,
    "started_at": NOON,
    "seconds": 1.5,
    "outcome": "failed",
    "message": "no space",
    "settings": "{}",
    "code_version": "1",
    "input_runs": {"silver.users": "r0"},
    "input_versions": {"silver.users": 3},
    "rows_out": {},
    "sources": {"till": (10, 8, 1, 1, {"unknown_product": 1}), "web": (1, 1, 0, 0, {})},
}
FIT = {"as_of": DAY, "job": "segment", "model": "segments", "format": "table", "features": ["orders", "spend"]}
CENTRE = {"as_of": DAY, "segment_id": 1, "segment_name": "frequent", "scaled_centre": {"spend": 1 / 3, "orders": -0.5}}
CASES: list[tuple[type[Table], list[Mapping[str, Any]], Mapping[str, SliceValue]]] = [
    (Runs, [RUN], {}),
    (Registry, [FIT | {"metrics": {"silhouette": 0.25}, "trained_from": DAY, "trained_rows": 7}], {"job": "segment"}),
    (SegmentCentres, [CENTRE, CENTRE | {"segment_id": 2}], {}),
    (Metrics, [], {"job": "segment"}),
    (IdKey, [{"key_id": "k", "run_id": "r1"}], {}),
]


def metric(job: str, value: float | None, name: str = "m") -> dict[str, Any]:
    return {"as_of": DAY, "job": job, "metric": name, "slice": "all", "value": value, "n": 1}


def stored(lake: Lake, table: type[Table]) -> DeltaTable:
    return DeltaTable(f"{folder_of(lake.root)}/{table.layer}/{table.name}")


def by_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_tables, "committed", lambda *_: None)


@pytest.mark.parametrize(("table", "rows", "of"), CASES)
def test_a_table_is_as_spark_makes_it(
    table: type[Table],
    rows: list[Mapping[str, Any]],
    of: Mapping[str, SliceValue],
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = {**of, "as_of": DAY} if "as_of" in table.partition else of
    other = Lake(lake.spark, f"{lake.root}/other")
    before = executions(lake.spark)
    written = lake.write(table, rows, of, mark=Mark("r1", "segment"))
    assert executions(lake.spark) == before
    by_spark(monkeypatch)
    assert other.write(table, rows, of, mark=Mark("r1", "segment")) == written
    ours, spark_s = stored(lake, table), stored(other, table)
    assert json.loads(ours.schema().to_json()) == json.loads(spark_s.schema().to_json())
    assert ours.metadata().configuration == spark_s.metadata().configuration
    assert ours.metadata().partition_columns == spark_s.metadata().partition_columns
    assert ours.protocol().min_writer_version == spark_s.protocol().min_writer_version
    order = list(table.key)
    assert lake.read(table).orderBy(order).collect() == other.read(table).orderBy(order).collect()
    monkeypatch.setattr(small_tables, "SMALL_BYTES", -1)  # read by Spark
    assert lake.read(table).orderBy(order).collect() == other.read(table).orderBy(order).collect()
    [commit], [of_spark] = lake.commits_since(table, -1), other.commits_since(table, -1)
    assert commit is not None and of_spark is not None
    assert (commit.mark, commit.rows_written) == (of_spark.mark, of_spark.rows_written)


@pytest.mark.parametrize(("table", "rows", "of"), CASES)
def test_a_frame_of_a_small_input_is_written_as_spark_writes_it(
    table: type[Table], rows: list[Mapping[str, Any]], of: Mapping[str, SliceValue], lake: Lake
) -> None:
    of = {**of, "as_of": DAY} if "as_of" in table.partition else of
    other, frame = Lake(lake.spark, f"{lake.root}/other"), table.frame(lake.spark, rows)
    written = other.write(table, frame, of, mark=Mark("r1", "segment"))
    lake.spark.conf.set(ROWS_OF_DRIVER, "true")
    assert lake.write(table, frame, of, mark=Mark("r1", "segment")) == written
    assert [c["operation"] for c in stored(lake, table).history()] == ["CREATE TABLE"]
    assert stored(lake, table).metadata().configuration == stored(other, table).metadata().configuration
    order = list(table.key)
    assert lake.read(table).orderBy(order).collect() == other.read(table).orderBy(order).collect()
    [commit], [of_spark] = lake.commits_since(table, -1), other.commits_since(table, -1)
    assert commit is not None and of_spark is not None
    assert (commit.mark, commit.rows_written) == (of_spark.mark, of_spark.rows_written)


def test_a_frame_of_many_rows_is_left_to_spark(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.spark.conf.set(ROWS_OF_DRIVER, "true")
    monkeypatch.setattr(small_tables, "MOST_ROWS", 1)
    of: dict[str, SliceValue] = {"as_of": DAY, "job": "segment"}
    assert lake.write(Metrics, Metrics.frame(lake.spark, [metric("segment", 1.0)]), of).rows == 1
    two = Metrics.frame(lake.spark, [metric("segment", 1.0), metric("segment", 2.0, "other")])
    assert lake.write(Metrics, two, of).rows == 2
    made_by = [c.get("engineInfo", "") for c in stored(lake, Metrics).history()]
    assert ["Spark" in name for name in made_by] == [True, False]  # the newest first
    assert sorted(r.value for r in lake.read(Metrics).collect()) == [1.0, 2.0]


def test_a_frame_that_breaks_its_contract_or_is_of_another_slice_is_refused(lake: Lake) -> None:
    """By Spark itself, which is asked where the driver does not take the rows; what was there stays."""
    lake.spark.conf.set(ROWS_OF_DRIVER, "true")
    of: dict[str, SliceValue] = {"as_of": DAY, "job": "segment"}
    lake.write(Registry, Registry.frame(lake.spark, [FIT]), of)
    unknown = Registry.frame(lake.spark, [FIT | {"format": "pickle"}])
    with pytest.raises(ContractError, match=r"models.registry: .*format_known.* fails at .*model=segments"):
        lake.write(Registry, unknown, of)
    with pytest.raises(ContractError, match=r"as_of = .2024-05-01. AND job = .segment"):
        lake.write(Registry, Registry.frame(lake.spark, [FIT | {"as_of": NEXT}]), of)
    assert [(r.as_of, r.format) for r in lake.read(Registry).collect()] == [(DAY, "table")]


def test_a_slice_is_replaced_by_either_whoever_wrote_it(lake: Lake) -> None:
    for job in ("segment", "promote"):
        lake.write(Metrics, [metric(job, 1.0), metric(job, 2.0, "other")], {"as_of": DAY, "job": job})
    frame = Metrics.frame(lake.spark, [metric("segment", 3.0)])
    assert lake.write(Metrics, frame, {"as_of": DAY, "job": "segment"}).version == 2
    assert lake.write(Metrics, [metric("segment", None)], {"as_of": DAY, "job": "segment"}).version == 3
    assert lake.write(Metrics, [], {"as_of": NEXT, "job": "segment"}).version == 4
    rows = lake.read(Metrics).orderBy("job", "metric").collect()
    assert [(r.job, r.metric, r.value) for r in rows] == [
        ("promote", "m", 1.0),
        ("promote", "other", 2.0),
        ("segment", "m", None),
    ]
    assert lake.write(Metrics, [], {"as_of": DAY, "job": "promote"}).rows == 0
    assert [r.job for r in lake.read(Metrics).collect()] == ["segment"]


def file(name: str, **values: Any) -> dict[str, Any]:
    """A row of ops.files."""
    counts = {"rows_in": 2, "accepted": 1, "quarantined": 0, "blank": 1}
    of = {"source": "till", "file": name, "source_file": f"/in/{name}", "table": "silver.order_lines", "run_id": "r1"}
    return {**of, "size": 9, "modified_at": NOON, "checksum": None, "read_as": "a", **counts, **values}


@pytest.mark.parametrize(
    "delivery",
    [
        [file("2", size=10, run_id="r2"), file("3", run_id="r2")],  # changed; new
        [file("2", checksum="c"), file("1", run_id="r2", source_file="/other/1")],  # of 1 only the run and the place
        [file("1", run_id="r2")],  # nothing new
        [],
    ],
    ids=["changed and new", "changed and not", "not changed", "none"],
)
def test_a_merge_is_as_spark_makes_it(
    delivery: list[Mapping[str, Any]], lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, version, mark and counts; no query, and no commit where nothing changes."""
    other = Lake(lake.spark, f"{lake.root}/other")
    first = [file("1"), file("2"), file("1", source="web")]
    assert lake.write(SourceFiles, first) == other.write(SourceFiles, first)
    before = executions(lake.spark)
    written = lake.write(SourceFiles, delivery, mark=Mark("r2", "ingest"))
    assert executions(lake.spark) == before
    by_spark(monkeypatch)
    assert other.write(SourceFiles, delivery, mark=Mark("r2", "ingest")) == written
    order = list(SourceFiles.key)
    assert lake.read(SourceFiles).orderBy(order).collect() == other.read(SourceFiles).orderBy(order).collect()
    ours, of_spark = lake.commits_since(SourceFiles, 0), other.commits_since(SourceFiles, 0)
    assert [(c.mark, c.rows_written) for c in ours if c] == [(c.mark, c.rows_written) for c in of_spark if c]
    monkeypatch.setattr(small_tables, "SMALL_BYTES", -1)  # read by Spark
    assert lake.read(SourceFiles).orderBy(order).collect() == other.read(SourceFiles).orderBy(order).collect()


def test_a_merge_that_is_large_or_not_plain_is_left_to_spark(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.write(SourceFiles, [file("1")])
    folder = Path(folder_of(lake.root), "ops", "files")
    twice = [file("2"), file("2", size=1)]
    newer = [file("1", size=10)]
    assert driver_rows.committed(folder, SourceFiles, twice, {}, None) is None
    monkeypatch.setattr(small_tables, "SMALL_BYTES", 0)
    before = executions(lake.spark)
    assert lake.write(SourceFiles, newer).version == 1
    assert executions(lake.spark) > before
    assert [r.size for r in lake.read(SourceFiles).collect()] == [10]


def test_a_row_that_breaks_its_contract_is_refused_as_by_spark(lake: Lake) -> None:
    lake.write(Registry, [FIT], {"as_of": DAY, "job": "segment"})
    for wrong, told in ((FIT | {"format": "pickle"}, "format_known"), (FIT | {"model": None}, "model is null")):
        with pytest.raises(ContractError, match=told):
            lake.write(Registry, [wrong], {"as_of": DAY, "job": "segment"})
    with pytest.raises(ContractError, match="no column colour"):
        lake.write(Registry, [FIT | {"colour": "red"}], {"as_of": DAY, "job": "segment"})
    assert lake.version(Registry) == 0


def test_what_is_not_plain_is_left_to_spark(lake: Lake) -> None:
    folder = Path(folder_of(lake.root), "x")
    quality = {"date": DAY, "source": "till", "rule": "r", "criticality": "warn", "passed": True}
    cases: list[tuple[type[Table], list[Mapping[str, Any]], Mapping[str, SliceValue]]] = [
        (Metrics, [metric("segment", 1.0)], {"as_of": DAY}),  # not one partition
        (Metrics, [metric("segment", 1.0)], {"as_of": DAY, "job": "segment", "metric": ["m"]}),  # a part of one
        (Metrics, [metric("segment", 1.0)], {"as_of": DAY, "job": "../promote"}),
        (Metrics, [metric("segment", 1.0)], {"as_of": NEXT, "job": "segment"}),  # a row of another slice
        (Runs, [RUN | {"started_at": datetime.datetime(2024, 5, 1)}], {}),  # of which zone?
        (Runs, [RUN | {"rows_out": {"silver.users": "many"}}], {}),
        (DataQuality, [quality | {"criticality": "sometimes"}], {"date": DAY}),
        (UserProfile, [{"as_of": DAY, "user_id": 7}], {"as_of": DAY}),
    ]
    for table, rows, of in cases:
        assert driver_rows.committed(folder, table, rows, of, None) is None
    assert not list(folder.rglob("*.parquet"))


def test_a_commit_that_fails_leaves_no_file(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    of: dict[str, SliceValue] = {"as_of": DAY, "job": "segment"}
    lake.write(Metrics, [metric("segment", 1.0)], of)
    files = sorted(Path(folder_of(lake.root)).rglob("*.parquet"))

    def fails(*_: object, **__: object) -> None:
        raise CommitFailedError("another writer was faster")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", fails)
    folder = Path(folder_of(lake.root), "models", "metrics")
    assert driver_rows.committed(folder, Metrics, [metric("segment", 2.0)], of, None) is None
    assert sorted(Path(folder_of(lake.root)).rglob("*.parquet")) == files
    assert lake.write(Metrics, [metric("segment", 2.0)], of).version == 1  # by Spark
    assert [r.value for r in lake.read(Metrics).collect()] == [2.0]


def line(order: str, day: datetime.date, run: str = "r1", file: str = "a.csv", paid: str = "1.00") -> dict[str, Any]:
    of = {"order_id": order, "line_no": 1, "product_id": "p", "quantity": 1, "order_date": day, "ts": NOON}
    return {**of, "amount_paid": paid, "cleaned": [("user_id", None)], "source_file": file, "run_id": run}


def rejected(raw: str, file: str | None, run: str = "r1") -> dict[str, Any]:
    return {"source": "till", "raw": raw, "reasons": ["quantity_zero"], "source_file": file, "run_id": run}


def product(product_id: str, price: str | None = None, run: str = "r1") -> dict[str, Any]:
    return {"product_id": product_id, "list_price": price, "source_file": "p.csv", "run_id": run}


def holiday(name: str, run: str = "r1") -> dict[str, Any]:
    return {"country": "US", "day": DAY, "holiday": name, "source_file": "h", "run_id": run}


OTHER = DAY + datetime.timedelta(2)
Write = tuple[list[Mapping[str, Any]], Mapping[str, SliceValue]]
WRITES: dict[str, tuple[type[Table], list[Write]]] = {
    "days": (
        OrderLines,
        [
            ([line("o1", DAY), line("o2", NEXT), line("o3", NEXT)], {}),
            ([line("o1", DAY, "r2", "b.csv"), line("o2", NEXT, "r2")], {}),  # the first day is held already
            ([line("o1", DAY, "r3")], {"order_date": [DAY, NEXT]}),  # the second has no rows any more
            ([line("o1", DAY, "r4")], {"order_date": [DAY]}),  # nothing new
            ([line("o4", OTHER, "r5", paid="2.00")], {}),
            ([], {"order_date": [DAY, OTHER]}),
        ],
    ),
    "some files of a source": (
        QUARANTINE[OrderLines],
        [
            ([rejected("1", "a.csv"), rejected("2", "b.csv"), rejected("3", None)], {"source": "till"}),
            ([rejected("4", "b.csv", "r2")], {"source": "till", "source_file": ["b.csv", "c.csv"]}),
            ([], {"source": "till", "source_file": ["a.csv"]}),
            ([{**rejected("5", "a.csv"), "source": "web"}], {"source": "web", "source_file": ["a.csv"]}),
            ([rejected("6", "a.csv")], {"source": "till", "source_file": []}),  # nothing is replaced
        ],
    ),
    "merged": (
        Products,
        [
            ([product("tea", "1.00"), product("cup")], {}),
            ([product("tea", "1.00", "r2")], {}),  # only the run differs
            ([product("tea", "2.00", "r3"), product("pot", run="r3")], {}),
        ],
    ),
    "whole": (
        Holidays,
        [
            ([holiday("May Day"), holiday("Other")], {}),
            ([holiday("Other", "r2"), holiday("May Day", "r2")], {}),  # the same in another order
            ([holiday("May Day", "r3")], {}),
            ([], {}),
        ],
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_frames_of_every_way_of_writing_come_to_what_spark_makes_of_them(name: str, lake: Lake) -> None:
    """Silver too, of which what is held already stays: rows, versions, counts and marks, write by write."""
    table, writes = WRITES[name]
    other = Lake(lake.spark, f"{lake.root}/other")
    order = [*table.key, *(c for c in ("source", "raw") if c in table.columns())]
    for n, (rows, of) in enumerate(writes):
        mark, frame = Mark(f"r{n}", "ingest"), table.frame(lake.spark, rows)
        lake.spark.conf.set(ROWS_OF_DRIVER, "false")
        written = other.write(table, frame, of, mark=mark)
        lake.spark.conf.set(ROWS_OF_DRIVER, "true")
        assert lake.write(table, frame, of, mark=mark) == written, n
        assert lake.read(table).orderBy(order).collect() == other.read(table).orderBy(order).collect(), n
    ours, of_spark = lake.commits_since(table, -1), other.commits_since(table, -1)
    assert [(c.mark, c.rows_written) for c in ours if c] == [(c.mark, c.rows_written) for c in of_spark if c]
    engines = {c.get("engineInfo", "") for c in stored(lake, table).history()}
    assert not any("Spark" in engine for engine in engines), engines


@pytest.mark.parametrize(
    ("table", "rows", "of", "by", "stay"),
    [
        # of a day only those of one order, and a day of which nothing is left; o2's day stays as it is
        (
            OrderLines,
            [line("o1", DAY), line("o4", DAY), line("o2", NEXT), line("o3", OTHER)],
            {"o1", "o3"},
            ["order_id", "line_no"],
            ["o2", "o4"],
        ),
        # a key that has a null is found, too
        (Products, [product("tea", "1.00"), product("cup")], {"cup"}, ["product_id", "list_price"], ["tea"]),
    ],
)
def test_rows_are_taken_out_as_by_spark(
    table: type[Table],
    rows: list[Mapping[str, Any]],
    of: set[str],
    by: list[str],
    stay: list[str],
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other, mark = Lake(lake.spark, f"{lake.root}/other"), Mark("erasing", "maintain", keeps_content=True)
    monkeypatch.setattr(other.small, "without", lambda *_: False)
    for one in (lake, other):
        one.write(table, table.frame(lake.spark, rows), mark=Mark("r1", "ingest"))
        gone = one.read(table).filter(F.col(table.key[0]).isin(of))
        assert delete_rows(one, table, gone, by, mark, ERASURE) == len(of)
        assert sorted(r[0] for r in one.read(table).select(table.key[0]).collect()) == stay
    order = list(table.key)
    assert lake.read(table).orderBy(order).collect() == other.read(table).orderBy(order).collect()
    newest, by_spark = (one.commits_since(table, 0)[-1] for one in (lake, other))
    assert newest and by_spark and newest.mark == by_spark.mark == mark
    assert "delta-rs" in stored(lake, table).history()[0]["engineInfo"]
    if table is OrderLines:
        assert [Path(file).parent.name for file in lake.files(table)] == [f"order_date={DAY}", f"order_date={NEXT}"]


def test_rows_of_what_is_not_plain_are_taken_out_by_spark(lake: Lake) -> None:
    """Of a partition that is no day, and of a table that is added to."""
    for table, rows, of in ((QUARANTINE[OrderLines], [rejected("1", "a.csv")], "raw"), (Runs, [RUN], "run_id")):
        lake.write(table, table.frame(lake.spark, rows), {"source": "till"} if table is not Runs else {})
        assert delete_rows(lake, table, lake.read(table), [of], Mark("erasing"), ERASURE) == 1
        assert lake.read(table).collect() == []
        assert "Spark" in stored(lake, table).history()[0]["engineInfo"]
