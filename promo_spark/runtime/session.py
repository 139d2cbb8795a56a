"""The only session builder: the same Spark settings in every job, on every master and in the tests."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping

from pyspark.sql import SparkSession

from promo_spark.runtime.executor_python import check_executor_python
from promo_spark.secret_references import resolved
from promo_spark.settings import Settings
from promo_spark.settings.spark import SparkSettings
from promo_spark.submission.jars import suite_jars
from promo_spark.submission.local_mode import LOCAL_CONF, is_local

# SQL-level settings that results and reliability depend on; each with its reason.
SESSION_CONF: dict[str, str] = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",  # else the JVM's zone decides what a timestamp means
    "spark.sql.ansi.enabled": "true",  # a bad cast or an overflow is an error, never a silent null
    "spark.sql.legacy.javaCharsets": "true",  # else files in GB18030 or windows-1252 cannot be decoded
    "spark.sql.legacy.codingErrorAction": "true",  # a byte that is no text shows as U+FFFD; the row is quarantined
    "spark.databricks.delta.snapshotPartitions": "2",  # the default of 50 adds a 50-task stage to each write
    # Polars, DuckDB and Presto cannot read deletion vectors, and the tables are for them too.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
    # Lists and exact medians by group: from 128 groups on, Spark's default sorts the rows of every task instead.
    "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "500000",
    "spark.cleaner.referenceTracking.cleanCheckpoints": "true",
    # What Spark takes out of event logs and pages: its own words, and those of the object stores' keys.
    "spark.redaction.regex": "(?i)secret|password|token|access[.]?key|account[.]key|passphrase",
    # Else each call on a column or a frame first asks the JVM four things and walks the stack, to tell in an error
    # where it stood: two thirds of the time that building a frame takes.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.ui.showConsoleProgress": "false",  # the suite shows its own progress
}


def spark_session(app_name: str, conf: Mapping[str, str] | None = None) -> SparkSession:
    """The session of a job. Master, memory and JARs come from spark-submit, or from `conf` without it."""
    builder = SparkSession.builder.appName(app_name)  # noqa: TID251 - the one place
    for key, value in {**SESSION_CONF, **(conf or {})}.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def started_session(app_name: str, settings: Settings) -> SparkSession:
    """The session of a job: as spark-submit configured it, or on this machine alone when run without it."""
    conf = dict(settings.spark.conf)
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # spark-submit sets it for the driver it starts, on every master
        conf = {
            **LOCAL_CONF,
            "spark.master": settings.spark.master,
            "spark.driver.memory": settings.spark.driver_memory,
            "spark.driver.extraClassPath": os.pathsep.join(suite_jars(settings)),
            **conf,
        }
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = spark_session(app_name, {**conf, **hadoop_secrets(settings.spark)})
    check_executor_python(session)
    session.sparkContext.setCheckpointDir(_checkpoints(settings))
    return session


def hadoop_secrets(spark: SparkSettings) -> dict[str, str]:
    """The Hadoop properties that are given by reference: looked up here, so that no command line shows them.

    Raises SettingsError naming the key of a secret that is not there.
    """
    return {
        f"spark.hadoop.{name}": resolved(reference, f"spark.hadoop_secret.{name}")
        for name, reference in spark.hadoop_secret.items()
    }


def _checkpoints(settings: Settings) -> str:
    """Where iterative fits cut their lineage: beside the tables, where every executor can reach, or on this machine."""
    if is_local(settings.spark) or settings.lake.catalog:
        return tempfile.mkdtemp(prefix="promo_spark_checkpoints_")
    return f"{settings.lake.root}/.checkpoints"
