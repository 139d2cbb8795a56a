"""A Delta table without a change feed: what is new in a version is told by its data files."""

from __future__ import annotations

from pathlib import Path

import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from promo_spark.contracts.silver import OrderLines
from promo_spark.errors import SourceError
from promo_spark.storage.delta_files import delta_files
from promo_spark.storage.lake import Lake
from tests.jobs.test_ingest_deliveries import Till, counts, run, shop


def test_a_table_is_followed_by_its_data_files(spark: SparkSession, lake: Lake, tmp_path: Path) -> None:
    """A12 (incremental): rows inserted, updated, deleted, only moved to another file; then an older version."""
    till = Till(spark, tmp_path / "till", feed=False)
    settings = shop(tmp_path, path=till.path, format="delta", read="new")

    def orders() -> dict[str, int]:
        run(lake, settings)
        return {r.order_id: int(r.quantity) for r in lake.read(OrderLines).collect()}

    first = dict.fromkeys(("o1", "o2", "o3", "o4"), 1)
    assert orders() == first
    till.insert("o5", "o6")
    assert orders() == first | {"o5": 1, "o6": 1}
    assert counts(lake) == (2, 2, 0, 0, {})  # of the new file alone
    till.update("o1", pieces="2")  # writes the four rows into another file
    spark.sql(f"ALTER TABLE delta.`{till.path}` SET TBLPROPERTIES (delta.enableDeletionVectors = true)")
    till.delete("o6")  # is noted beside the file, which stays
    now = {"o1": 2, "o2": 1, "o3": 1, "o4": 1, "o5": 1}
    assert orders() == now
    assert counts(lake) == (5, 5, 0, 0, {})
    DeltaTable.forPath(spark, till.path).optimize().executeCompaction()
    assert orders() == now
    assert lake.read(OrderLines).select("source_file").distinct().count() == 1
    DeltaTable.forPath(spark, till.path).restoreToVersion(1)
    assert orders() == first


def test_files_of_a_version_are_read_one_by_one(spark: SparkSession, tmp_path: Path) -> None:
    till = Till(spark, tmp_path / "till", feed=False)
    before = delta_files(spark, till.path)
    till.insert("o5")
    now = delta_files(spark, till.path)
    new = [name for name in now.files if name not in before.files]
    assert [row.o for row in now.rows(new).collect()] == ["o5"]
    assert before.rows(before.files).count() == 4 and now.rows(now.files).count() == 5
    with pytest.raises(SourceError, match="nowhere cannot be read"):
        delta_files(spark, str(tmp_path / "nowhere"))
