"""A long step says how far it is."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from promo_spark.runtime import task_progress
from promo_spark.runtime.progress import Progress, Step
from promo_spark.storage.jvm import running_tasks


def slow(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        time.sleep(0.4)
        yield batch


def test_a_long_step_tells_how_many_of_its_tasks_have_ended(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_progress, "PLAIN_SECONDS", 0.1)
    screen = io.StringIO()
    step = Step(Progress(Console(file=screen)), "[1/7] ingest")
    step.say("judging orders")
    spark.addTag("promo_spark-test")
    try:
        with task_progress.tasks_shown(spark, "promo_spark-test", step):
            spark.range(0, 8, numPartitions=8).mapInArrow(slow, "id long").count()
    finally:
        spark.removeTag("promo_spark-test")
    said = screen.getvalue().splitlines()
    # Two at a time, eight and the one that adds up: at some look some had ended, others not.
    assert any(f"[1/7] ingest judging orders: {n} of 9 tasks" in said for n in range(1, 8))


def test_what_belongs_to_another_step_is_not_counted(spark: SparkSession) -> None:
    assert running_tasks(spark, "promo_spark-nobody") is None
