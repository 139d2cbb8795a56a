"""A source is the same as long as its files are: what they hold, not where they lie or when they were copied."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promo_spark.errors import SourceError
from promo_spark.storage import file_digests
from promo_spark.storage.file_digests import files_digest


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout" / "orders"
    (folder / "2024").mkdir(parents=True)
    (folder / "a b%20c.csv").write_text("o,1\n", encoding="utf-8")
    (folder / "2024" / "b.csv").write_text("o,2\n", encoding="utf-8")
    return folder


def test_a_copied_folder_has_the_same_digest(spark: SparkSession, orders: Path, tmp_path: Path) -> None:
    """M03: another folder and another time of the files change nothing; a byte, a name or a file more does."""
    before = files_digest(spark, str(orders))
    copied = tmp_path / "another" / "place"
    shutil.copytree(orders, copied)
    os.utime(copied / "2024" / "b.csv", (1, 1))
    assert files_digest(spark, str(copied)) == before
    assert files_digest(spark, f"{copied}/2024/b.csv") == files_digest(spark, f"{orders}/2024/*.csv")

    (copied / "2024" / "b.csv").write_text("o,3\n", encoding="utf-8")  # as many bytes as before
    changed = files_digest(spark, str(copied))
    (copied / "2024" / "b.csv").rename(copied / "2024" / "c.csv")
    renamed = files_digest(spark, str(copied))
    (copied / "d.csv").write_text("o,4\n", encoding="utf-8")
    assert len({before, changed, renamed, files_digest(spark, str(copied))}) == 4
    with pytest.raises(SourceError, match="nowhere: there is no such file or folder"):
        files_digest(spark, str(tmp_path / "nowhere"))


def test_of_large_files_the_time_counts(spark: SparkSession, orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_digests, "HASHED_BYTES", 7)  # one less than the two files have
    before = files_digest(spark, str(orders))
    os.utime(orders / "2024" / "b.csv", (1, 1))
    assert files_digest(spark, str(orders)) != before
