"""The only session builder: the same Spark settings in every job, on every master and in the tests."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping

from pyspark.sql import SparkSession

from promo_spark.errors import RequirementError
from promo_spark.installation import launcher
from promo_spark.runtime.executor_python import check_executor_python
from promo_spark.secret_references import resolved
from promo_spark.settings import Settings
from promo_spark.settings.spark import SparkSettings
from promo_spark.storage.catalogs import refuse_unknown_catalog
from promo_spark.storage.jvm import SparkFailure, given_to_spark_submit, has_class, spare_round_trips
from promo_spark.storage.maintenance import CHECKPOINTS, delete_own_checkpoints
from promo_spark.submission.jars import suite_jars
from promo_spark.submission.local_mode import JAVA_OPTIONS, is_local, java_options, local_conf, refuse_unshared_lake

DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
PLATFORM_VARIABLE = "DATABRICKS_RUNTIME_VERSION"  # set where Spark runs already, though no session is active yet
_JVM_OPTIONS = (JAVA_OPTIONS, "spark.driver.extraClassPath", "spark.driver.memory")

# SQL-level settings that results and reliability depend on; each with its reason.
SESSION_CONF: dict[str, str] = {
    "spark.sql.extensions": DELTA_EXTENSION,
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",  # else the JVM's zone decides what a timestamp means
    "spark.sql.ansi.enabled": "true",  # a bad cast or an overflow is an error, never a silent null
    "spark.sql.legacy.javaCharsets": "true",  # else files in GB18030 or windows-1252 cannot be decoded
    "spark.sql.legacy.codingErrorAction": "true",  # a byte that is no text shows as U+FFFD; the row is quarantined
    "spark.databricks.delta.snapshotPartitions": "2",  # the default of 50 adds a 50-task stage to each write
    # Polars, DuckDB and Presto cannot read deletion vectors, and the tables are for them too.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
    # A generated method above this size the JVM does not compile: Spark then generates several smaller ones.
    "spark.sql.codegen.hugeMethodLimit": "8000",
    # Lists and exact medians by group: from 128 groups on, Spark's default sorts the rows of every task instead.
    "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "500000",
    "spark.cleaner.referenceTracking.cleanCheckpoints": "true",
    # What Spark takes out of event logs and pages: its own words, and those of the object stores' keys.
    "spark.redaction.regex": "(?i)secret|password|token|access[.]?key|account[.]key|passphrase",
    # And out of the options of what is written elsewhere, as plans show them: addresses, users, log-ins.
    "spark.sql.redaction.options.regex": "(?i)url|user|jaas",
    # A check of Spark's own optimiser after each rule: a twentieth of the time of small queries.
    "spark.sql.lightweightPlanChangeValidation": "false",
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
    spare_round_trips(session)
    return session


@contextlib.contextmanager
def session_of(
    app_name: str, settings: Settings, given: SparkSession | None = None, dates: int = 1
) -> Iterator[SparkSession]:
    """The session that a job runs in for so many dates: one of its own, ended with the block, or one beside another.

    A session that somebody else made (`given`, else the active one, else a platform's) is left as it is: the job
    gets a sibling that shares its Spark, with SQL settings of its own.
    """
    theirs = given or SparkSession.getActiveSession()
    if theirs is None and PLATFORM_VARIABLE in os.environ:
        theirs = SparkSession.builder.getOrCreate()  # noqa: TID251 - the platform's own
    if theirs is not None:
        yield _sibling(theirs, settings)
        return
    own = started_session(app_name, settings, dates)
    try:
        yield own
    finally:
        with contextlib.suppress(*SparkFailure):  # what is left, maintain deletes
            delete_own_checkpoints(own)
        own.stop()


def started_session(app_name: str, settings: Settings, dates: int = 1) -> SparkSession:
    """The session of a job for so many dates: as spark-submit configured it, or on this machine alone without it."""
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # spark-submit sets it for the driver it starts, on every master
        conf = _left_open_by_spark_submit(settings)
    else:
        options = [*java_options(settings, dates), *filter(None, [settings.spark.conf.get(JAVA_OPTIONS)])]
        conf = {
            **local_conf(settings),
            "spark.master": settings.spark.master,
            "spark.driver.memory": settings.spark.driver_memory,
            "spark.driver.extraClassPath": os.pathsep.join(suite_jars(settings)),
            **settings.spark.conf,
            **({JAVA_OPTIONS: " ".join(options)} if options else {}),
        }
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = spark_session(app_name, {**conf, **hadoop_secrets(settings.spark)})
    _check(session, settings)
    return session


def cores(spark: SparkSession) -> int:
    """Tasks that run at a time."""
    return spark.sparkContext.defaultParallelism


def _left_open_by_spark_submit(settings: Settings) -> dict[str, str]:
    """What the suite sets for a master, and [spark.conf], where the spark-submit line says nothing else.

    Options of the driver's JVM are left out: it runs already.
    """
    _refuse_without_jars(settings.spark)
    given = given_to_spark_submit()
    wanted = {**(local_conf(settings) if is_local(given.get("spark.master", "local")) else {}), **settings.spark.conf}
    return {k: v for k, v in wanted.items() if not given.contains(k) and not k.startswith(_JVM_OPTIONS)}


def _sibling(theirs: SparkSession, settings: Settings) -> SparkSession:
    session = theirs.newSession()
    for key, value in {**SESSION_CONF, **settings.spark.conf}.items():
        if session.conf.isModifiable(key):
            session.conf.set(key, value)
    _check(session, settings)
    return session


def refuse_without_delta(session: SparkSession, spark: SparkSettings) -> None:
    """Raises RequirementError, saying what is missing, where a session cannot read Delta tables."""
    _refuse_without_jars(spark)
    if DELTA_EXTENSION not in (session.conf.get("spark.sql.extensions", "") or ""):
        raise RequirementError(
            f"the session that was given lacks Delta: build it with spark.sql.extensions = {DELTA_EXTENSION} and "
            f"spark.sql.catalog.spark_catalog = {SESSION_CONF['spark.sql.catalog.spark_catalog']}"
        )


def _refuse_without_jars(spark: SparkSettings) -> None:
    if not has_class(DELTA_EXTENSION):
        raise RequirementError(
            "Spark was started without Delta's JARs: give spark-submit (or the builder of the session)\n"
            f"  --packages {','.join(spark.packages)} --exclude-packages {','.join(spark.excludes)}\n"
            f"or --jars with their files; {launcher()} does it by itself"
        )


def _check(session: SparkSession, settings: Settings) -> None:
    """Raises RequirementError or SettingsError if jobs cannot run in the session; readies it for iterative fits."""
    refuse_without_delta(session, settings.spark)
    if settings.lake.catalog:
        refuse_unknown_catalog(session, settings.lake.catalog)
    master = str(session.conf.get("spark.master", "local"))
    refuse_unshared_lake(master, settings.lake)
    check_executor_python(session)
    folder = _checkpoints(master, settings)
    if folder is not None and not session.sparkContext.getCheckpointDir():
        session.sparkContext.setCheckpointDir(folder)


def hadoop_secrets(spark: SparkSettings) -> dict[str, str]:
    """The Hadoop properties that are given by reference: looked up here, so that no command line shows them.

    Raises SettingsError naming the key of a secret that is not there.
    """
    return {
        f"spark.hadoop.{name}": resolved(reference, f"spark.hadoop_secret.{name}")
        for name, reference in spark.hadoop_secret.items()
    }


def _checkpoints(master: str, settings: Settings) -> str | None:
    """Where rows lie that are computed once, see measures/computed.py: here, or beside the tables, for all executors.

    With a catalog on a cluster there is no such place that is known; then a lost executor's are lost.
    """
    if is_local(master):
        folder = tempfile.mkdtemp(prefix="promo_spark_checkpoints_")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # rows of users stand in it
        return folder
    return None if settings.lake.catalog else f"{settings.lake.root}/{CHECKPOINTS}"
