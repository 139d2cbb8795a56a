"""The way from Python to the JVM, for what Spark's and Delta's Python has no call for. No other module takes it.

Hadoop's file systems: Python has none of its own for HDFS and object stores. Delta's log: its history by Python is a
Spark job, for one number. Errors: what the JVM raises outside of a query arrives as py4j's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from delta.tables import DeltaTable
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession

JvmError = Py4JJavaError  # an exception of the JVM that Spark has not translated
SparkFailure = (PySparkException, Py4JError)  # whatever a call into Spark may raise, a lost JVM included

# The classes, with their members, that Spark's Python looks up anew in each call on a column or a frame.
_LOOKED_UP: Mapping[str, Sequence[str]] = {
    "org.apache.spark.sql.functions": ("col", "lit", "when"),
    "functions": ("col", "lit", "when"),
    "PythonUtils": ("toSeq",),
    "PythonSQLUtils": (),
    "org.apache.spark.sql.classic.SparkSession": ("getActiveSession",),
    "org.apache.spark.sql.types.Metadata": ("fromJson",),
}


def jvm(spark: SparkSession) -> Any:
    return spark._jvm


def keep_looked_up(spark: SparkSession) -> None:
    """Spares each call on a column or a frame the search for its class: a tenth of a small run.

    It is a round trip to the JVM, which searches all of its JARs for a package of that name first.
    """
    for name, members in _LOOKED_UP.items():
        found = getattr(jvm(spark), name)
        for member in members:
            setattr(found, member, getattr(found, member))
        setattr(jvm(spark), name, found)
    place = jvm(spark)
    for name in ("io", "delta", "tables", "DeltaTable"):
        found = getattr(place, name)
        setattr(place, name, found)
        place = found


def hadoop_configuration(spark: SparkSession) -> Any:
    return spark._jsparkSession.sessionState().newHadoopConf()


def delta_log(table: DeltaTable) -> Any:
    return table._jdt.deltaLog()


def newest_snapshot(table: DeltaTable) -> Any:
    """The newest version of a Delta table, held."""
    none = jvm(table._spark).scala.Option.empty()
    return delta_log(table).update(False, none, none)


def data_files(spark: SparkSession, snapshot: Any) -> DataFrame:
    """One row per data file of a version: path, size, modificationTime, deletionVector, …"""
    return DataFrame(snapshot.allFiles().toDF(), spark)


def in_session(spark: SparkSession, rows: DataFrame) -> DataFrame:
    """The rows of a frame that Spark handed over in a session of its own, as a frame of this one."""
    return DataFrame(rows._jdf, spark)


def rows_of_data_files(table: DeltaTable, snapshot: Any, chosen: Column | None) -> DataFrame:
    """The rows of a version that lie in the data files of which a condition holds; None: in all."""
    spark, files = table._spark, snapshot.allFiles()
    files = files if chosen is None else files.filter(chosen._jc)
    converters = jvm(spark).scala.jdk.javaapi.CollectionConverters
    listed = converters.asScala(files.collectAsList()).toSeq()
    none = jvm(spark).scala.Option.empty()
    return DataFrame(delta_log(table).createDataFrame(snapshot, listed, False, none), spark)


def exception_class(error: Py4JJavaError) -> str:
    """The full name of the Java exception."""
    return str(error.java_exception.getClass().getName())


def java_array(spark: SparkSession, kind: Any, values: Sequence[Any]) -> Any:
    """An array of Java objects, for calls that take any number of them."""
    gateway: Any = spark.sparkContext._gateway
    array = gateway.new_array(kind, len(values))
    for place, value in enumerate(values):
        array[place] = value
    return array


def jdbc_connection(spark: SparkSession, driver: str, url: str, properties: Mapping[str, str]) -> Any:
    """A connection to a database, of java.sql: for statements that Spark has no call for. None: no url of the driver.

    The driver is asked itself: java.sql's own manager does not find one among JARs that came after the start.
    """
    java = jvm(spark).java
    loader = java.lang.Thread.currentThread().getContextClassLoader()
    given = java.util.Properties()
    for name, value in properties.items():
        given.setProperty(name, value)
    return loader.loadClass(driver).newInstance().connect(url, given)


def has_class(name: str) -> bool:
    """Whether the JVM that spark-submit or a session has started finds a class among its JARs."""
    SparkContext._ensure_initialized()
    started: Any = SparkContext._jvm
    try:
        started.java.lang.Thread.currentThread().getContextClassLoader().loadClass(name)
    except Py4JJavaError:
        return False
    return True


def given_to_spark_submit() -> SparkConf:
    """The properties that the spark-submit line and its defaults file set, before there is a session."""
    SparkContext._ensure_initialized()  # else none of them is seen
    return SparkConf()


def running_tasks(spark: SparkSession, tag: str) -> tuple[int, int] | None:
    """Tasks ended, and all tasks, of the largest Spark job that runs under a tag; None: none runs, or none is known."""
    try:
        statuses = jvm(spark).java.util.ArrayList()
        statuses.add(jvm(spark).org.apache.spark.JobExecutionStatus.RUNNING)
        counts = [(job.numCompletedTasks(), job.numTasks()) for job in _jobs_under(spark, tag, statuses)]
    except Py4JError:  # a platform without the store, a job that has just ended
        return None
    return max(counts, key=lambda count: count[1], default=None)


def unended_tasks(spark: SparkSession, tag: str) -> int:
    """How many tasks of the Spark jobs under a tag run on: those of a job that failed end some time after it."""
    try:
        store = _status_store(spark)
        stages = [job.stageIds() for job in _jobs_under(spark, tag, statuses=None)]
    except Py4JError:  # a platform without the store
        return 0
    return sum(_active_tasks(store, number) for number in {s.apply(n) for s in stages for n in range(s.size())})


def _status_store(spark: SparkSession) -> Any:
    return spark._jsparkSession.sparkContext().statusStore()


def _jobs_under(spark: SparkSession, tag: str, statuses: Any) -> list[Any]:
    """What the JVM knows of the Spark jobs under a tag, of these statuses or, with None, of all."""
    jobs = _status_store(spark).jobsList(statuses)
    return [job for job in (jobs.apply(n) for n in range(jobs.size())) if tag in job.jobTags().mkString(" ")]


def _active_tasks(store: Any, stage: int) -> int:
    try:
        return int(store.lastStageAttempt(stage).numActiveTasks())
    except Py4JError:  # never begun, or forgotten
        return 0
