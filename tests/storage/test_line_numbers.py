"""Rejected lines know their number in the file, however the file was cut up to be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.storage import json_lines, landing


@pytest.fixture
def cut_to_pieces(spark: SparkSession) -> Iterator[None]:
    """Every file is read in pieces of 64 bytes, several pieces by one task."""
    spark.conf.set("spark.sql.files.maxPartitionBytes", "64")
    spark.conf.set("spark.sql.files.openCostInBytes", "0")
    yield
    spark.conf.unset("spark.sql.files.maxPartitionBytes")
    spark.conf.unset("spark.sql.files.openCostInBytes")


@pytest.mark.usefixtures("cut_to_pieces")
@pytest.mark.parametrize("reader", ["csv", "json"])
def test_lines_are_numbered_as_an_editor_does(spark: SparkSession, tmp_path: Path, reader: str) -> None:
    """B06 (quarantine keeps file and line): short and long lines, blank ones, repeated ones, two files."""
    folder = tmp_path / "delivery"
    folder.mkdir()
    texts = {
        "one.txt": ["order,sku"] + [f"{n},{'x' * (n * 7 % 150)}" for n in range(60)] + ["", "7,same", "7,same", ""],
        "two.txt": ["order,sku"] + ["", "1,a"] * 25,
    }
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if reader == "csv":
        rows = landing.csv_rows(spark, str(folder), ["order"])
    else:
        rows = json_lines.json_rows(spark, str(folder), ["order"])
    assert rows.select(RawRow.file, f"{RawRow.position}.block").distinct().count() > 10  # the files were cut up
    # Filtered, moved and made anew as rejected rows are, they still find their places.
    some = rows.filter(F.length(RawRow.raw) < 100).repartition(3)
    found = landing.numbered(spark, str(folder), some, "line").select(RawRow.file, "line", RawRow.raw).collect()
    expected = [(name, n, text) for name, lines in texts.items() for n, text in enumerate(lines, 1) if len(text) < 100]
    assert sorted((Path(r[RawRow.file]).name, r.line, r[RawRow.raw]) for r in found) == sorted(expected)
