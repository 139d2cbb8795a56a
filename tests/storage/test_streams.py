"""Micro-batches: what ends a batch comes out as it was raised, and the batch comes again as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promo_spark.errors import SourceError
from promo_spark.storage.streams import Batch, take_files, take_rows


def arrived(folder: Path, *names: str) -> str:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("a\n1\n", encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("error", [KeyboardInterrupt("SIGTERM"), SourceError("no header")], ids=["signal", "error"])
def test_a_batch_that_was_ended_comes_again(spark: SparkSession, tmp_path: Path, error: BaseException) -> None:
    """A signal in the midst of a batch ends the query, instead of leaving the JVM waiting for an answer."""
    place, checkpoint = arrived(tmp_path / "in", "1.csv", "2.csv", "_part.csv"), str(tmp_path / "checkpoint")
    seen: list[tuple[int, list[str]]] = []

    def take(batch: Batch) -> None:
        seen.append((batch.number, [file.rsplit("/", 1)[-1] for file in batch.files]))
        if len(seen) == 1:
            raise error

    with pytest.raises(type(error)) as raised:
        take_files(spark, "clicks", place, checkpoint, 10, take)
    assert raised.value is error
    arrived(tmp_path / "in", "3.csv")
    take_files(spark, "clicks", place, checkpoint, 10, take)
    assert seen == [(0, ["1.csv", "2.csv"]), (0, ["1.csv", "2.csv"]), (1, ["3.csv"])]


def test_a_folder_may_come_later_and_a_table_may_not(spark: SparkSession, tmp_path: Path) -> None:
    def take(batch: Batch) -> None:
        raise AssertionError(batch)

    take_files(spark, "clicks", str(tmp_path / "none"), str(tmp_path / "checkpoint"), 10, take)
    with pytest.raises(SourceError, match=r"source clicks \(.*/none\) cannot be read: "):
        take_rows(spark, "clicks", str(tmp_path / "none"), str(tmp_path / "other"), 10, take)
