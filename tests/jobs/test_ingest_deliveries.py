"""Deliveries of single rows end to end: change feeds of Delta tables, and late files."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chispa import assert_df_equality
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from jobs.ingest import run as ingest
from promo_spark.contracts.silver import QUARANTINE, OrderLines
from promo_spark.errors import SettingsError, SourceError
from promo_spark.runtime.execution import Executed
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.settings import Settings, load, validated
from promo_spark.sources.changes import no_longer_there
from promo_spark.storage import change_feed
from promo_spark.storage.lake import Lake
from tests.jobs.delivered_files import LINE_COLUMNS as COLUMNS

DATE = datetime.date(2024, 6, 5)


def run(lake: Lake, settings: Settings) -> Executed:
    return run_in_order([ingest], lake, settings, DATE, Progress())["ingest"]


def shop(tmp_path: Path, **order_lines: Any) -> Settings:
    """A shop whose product list is a file; its order lines come as said."""
    products = tmp_path / "products.parquet"
    if not products.exists():
        pl.DataFrame({"sku": ["milk", "bread"]}).write_parquet(products)
    values = load(None, ["business.privacy.pseudonymise=false"]).model_dump(mode="json")
    values["ingest"]["sources"] = {
        "products": {"path": str(products), "format": "parquet", "columns": {"product_id": "sku"}},
        "order_lines": {"columns": COLUMNS, "timestamp_format": "yyyy-MM-dd HH:mm"} | order_lines,
    }
    return validated(values)


def silver(lake: Lake) -> set[tuple[str, str, str, float]]:
    return {
        (r.order_id, r.order_date.strftime("%d"), r.product_id, float(r.quantity))
        for r in lake.read(OrderLines).collect()
    }


def counts(lake: Lake) -> tuple[int, int, int, int, dict[str, int]]:
    found = RunLog(lake).succeeded()[-1].sources["order_lines"]
    return found.rows_in, found.accepted, found.quarantined, found.blank, found.reasons


class Till:
    """A Delta table of order lines with a change feed, as a till would keep it."""

    def __init__(self, spark: SparkSession, path: Path, feed: bool = True) -> None:
        self.spark, self.path = spark, str(path)
        empty = spark.createDataFrame([], "o string, n int, sku string, pieces int, paid double, at timestamp")
        on = str(feed).lower()
        empty.write.format("delta").option("delta.enableChangeDataFeed", on).save(self.path)
        self.insert("o1", "o2", "o3", "o4")

    def insert(self, *orders: str, pieces: int = 1) -> None:
        at = datetime.datetime(2024, 6, 1, 10)
        rows = [(o, 1, "milk", pieces, 1.5, at) for o in orders]
        schema = "o string, n int, sku string, pieces int, paid double, at timestamp"
        self.spark.createDataFrame(rows, schema).coalesce(1).write.format("delta").mode("append").save(self.path)

    def update(self, order: str, **values: str) -> None:
        DeltaTable.forPath(self.spark, self.path).update(f"o = '{order}'", dict(values))

    def delete(self, order: str) -> None:
        DeltaTable.forPath(self.spark, self.path).delete(f"o = '{order}'")


def test_a_change_feed_is_followed_and_no_change_is_lost_or_taken_twice(
    spark: SparkSession, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A12 (incremental): inserts, updates, deletes of a Delta table since the last succeeded run, exactly once."""
    till = Till(spark, tmp_path / "till")
    settings = shop(tmp_path, path=till.path, format="delta_changes")
    run(lake, settings)  # the first time: all rows there are
    assert silver(lake) == {(o, "01", "milk", 1.0) for o in ("o1", "o2", "o3", "o4")}
    assert counts(lake) == (4, 4, 0, 0, {})
    assert run(lake, settings).outcome == "current"

    till.update("o1", pieces="2")
    till.update("o1", pieces="3")  # the newest change counts
    till.update("o2", at="timestamp'2024-06-03 10:00'")  # moves to another day
    till.update("o3", o="'renamed'")  # its old key is gone
    till.insert("o5")
    till.insert("back and forth")
    till.delete("back and forth")
    till.delete("o4")
    till.insert("bad", pieces=0)

    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RunLog, "record", killed)  # after silver was written, before anything says that it was
        run(lake, settings)
    till.update("o5", sku="'bread'")
    run(lake, settings)
    expected = {
        ("o1", "01", "milk", 3.0),
        ("o2", "03", "milk", 1.0),
        ("renamed", "01", "milk", 1.0),
        ("o5", "01", "bread", 1.0),
    }
    assert silver(lake) == expected
    # Keys as they are now: o1, o2, renamed, o5 and bad; gone: o3, o4 and the one that went back and forth.
    assert counts(lake) == (8, 7, 1, 0, {"quantity_zero": 1, "deleted_at_source": 3})
    assert [r.source_file for r in lake.read(QUARANTINE[OrderLines]).collect()] == [f"{till.path}@10"]

    settings = shop(tmp_path, path=till.path, format="delta_changes", deletes="keep")
    till.delete("o1")
    run(lake, settings)
    assert silver(lake) == expected  # said, counted, and not followed
    assert counts(lake) == (1, 0, 0, 1, {"deleted_at_source": 1})
    assert lake.read(QUARANTINE[OrderLines]).count() == 1  # what an earlier version brought stays rejected


def test_a_feed_that_is_off_or_has_gaps_is_refused_with_what_to_do(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    silent = Till(spark, tmp_path / "silent", feed=False)
    with pytest.raises(SourceError, match=r"keeps no change feed; have its owner run ALTER TABLE"):
        run(lake, shop(tmp_path, path=silent.path, format="delta_changes"))
    with pytest.raises(SourceError, match=r"source order_lines: .*nowhere cannot be read"):
        run(lake, shop(tmp_path, path=str(tmp_path / "nowhere"), format="delta_changes"))

    till = Till(spark, tmp_path / "till")
    till.update("o1", pieces="2")  # version 2
    newest = change_feed.newest(spark, "till", till.path)
    for file in (tmp_path / "till" / "_change_data").rglob("*.parquet"):
        file.unlink()  # as VACUUM does once they are old
    rows = change_feed.changed_rows(spark, "till", till.path, 1, newest, ["o"])
    with pytest.raises(SourceError, match=r"no longer has all changes .* Give the source another name"):
        change_feed.refusing_unreadable("till", till.path, rows.count)
    with pytest.raises(SourceError, match=r"at version 2, but version 9 of it was taken before"):
        change_feed.changed_rows(spark, "till", till.path, 9, newest, ["o"])
    with pytest.raises(SourceError, match=r"lacks the columns colour; it has: o, n, sku"):
        change_feed.changed_rows(spark, "till", till.path, 1, newest, ["colour"])


def test_a_late_file_adds_its_rows_and_keeps_what_was_rejected_before(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    """A12: a file of single rows; the other rows of their days stay, and so do rows rejected from other files."""
    line = {"line_no": 1, "product_id": "milk", "quantity": 1, "order_date": datetime.date(2024, 6, 1)}
    lake.write(OrderLines, OrderLines.frame(spark, [line | {"order_id": "o1"}, line | {"order_id": "o2"}]))
    earlier = {"source": "order_lines", "source_file": "first.csv", "raw": "o3,1,milk,0"}
    quarantine = QUARANTINE[OrderLines]
    lake.write(quarantine, quarantine.frame(spark, [earlier]), {"source": "order_lines"})
    (tmp_path / "late.csv").write_text(
        "o,n,sku,pieces,paid,at\n"
        "o9,1,milk,1,1.50,2024-06-01 09:00\n"  # late
        "o1,1,milk,5,7.50,2024-06-01 10:00\n"  # corrected
        "o8,1,milk,0,0.00,2024-06-01 10:00\n",  # rejected
        encoding="utf-8",
    )
    run(lake, shop(tmp_path, path=str(tmp_path / "late.csv"), format="csv", delivery="rows"))
    assert silver(lake) == {("o1", "01", "milk", 5.0), ("o2", "01", "milk", 1.0), ("o9", "01", "milk", 1.0)}
    rejected = {Path(r.source_file).name for r in lake.read(quarantine).collect()}
    assert rejected == {"first.csv", "late.csv"}


def test_all_rows_of_a_feed_also_tell_which_are_gone(spark: SparkSession) -> None:
    """After a run that was killed before it could say so, the next first run takes back what went meanwhile."""
    line = {"line_no": 1, "order_date": datetime.date(2024, 6, 1)}
    before = OrderLines.frame(
        spark,
        [
            line | {"order_id": "stays", "source_file": "/till@3"},
            line | {"order_id": "gone", "source_file": "/till@3"},
            line | {"order_id": "of another source", "source_file": "/till2@3"},
        ],
    )
    now = OrderLines.frame(spark, [line | {"order_id": "stays"}, line | {"order_id": "new"}])
    expected = OrderLines.frame(spark, [line | {"order_id": "gone"}]).select(*OrderLines.key)
    assert_df_equality(no_longer_there(OrderLines, before, now, "/till"), expected, ignore_metadata=True)


def test_single_rows_need_line_numbers_of_the_source(lake: Lake, tmp_path: Path) -> None:
    without = {ours: theirs for ours, theirs in COLUMNS.items() if ours != "line_no"}
    with pytest.raises(SettingsError, match=r"order_lines: a delivery of rows .* needs line_no from the source"):
        run(lake, shop(tmp_path, path=str(tmp_path), format="csv", delivery="rows", columns=without))
