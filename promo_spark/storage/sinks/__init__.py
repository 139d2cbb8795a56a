"""Where exports go: files, databases, topics; by a target's kind."""

from __future__ import annotations

from pyspark.sql import SparkSession

from promo_spark.settings.export import TargetSettings
from promo_spark.storage.sinks import databases, files, kafka
from promo_spark.storage.sinks.batch import Batch, Sent

__all__ = ["Batch", "Sent", "check", "holds", "send"]

_FILES, _DATABASES = ("csv", "jsonl"), ("postgresql", "mysql")


def check(spark: SparkSession, batch: Batch, target: TargetSettings) -> None:
    """Raises TargetError where it can be told before anything is written that the target cannot take the rows."""
    if target.kind in _DATABASES:
        databases.check(spark, batch, target)


def holds(spark: SparkSession, batch: Batch, target: TargetSettings) -> bool:
    """Whether what was sent there is still there, as far as it can be told at little cost: of files."""
    return files.holds(spark, batch, target) if target.kind in _FILES else True


def send(spark: SparkSession, batch: Batch, target: TargetSettings) -> Sent:
    """Sends the rows. Raises TargetError where that failed."""
    if target.kind in _FILES:
        return files.send(spark, batch, target)
    if target.kind in _DATABASES:
        return databases.send(spark, batch, target)
    return kafka.send(batch, target)
