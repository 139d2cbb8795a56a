"""The way from Python to the JVM, for what Spark's and Delta's Python has no call for. No other module takes it.

Hadoop's file systems: Python has none of its own for HDFS and object stores. Delta's log: its history by Python is a
Spark job, for one number. Errors: what the JVM raises outside of a query arrives as py4j's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from delta.tables import DeltaTable
from py4j.java_gateway import JavaClass, JavaObject
from py4j.protocol import INPUT_CONVERTER, Py4JError, Py4JJavaError, register_input_converter
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession

JvmError = Py4JJavaError  # an exception of the JVM that Spark has not translated
SparkFailure = (PySparkException, Py4JError)  # whatever a call into Spark may raise, a lost JVM included

# The classes that Spark's Python looks up anew, each with the member it wants, in every call on a column or a frame.
_LOOKED_UP = (
    "org.apache.spark.sql.functions",
    "functions",
    "PythonUtils",
    "PythonSQLUtils",
    "org.apache.spark.sql.classic.SparkSession",
    "org.apache.spark.sql.types.Metadata",
)
_MOST_AT_ONCE = 10  # entries that a List.of of Java takes


def jvm(spark: SparkSession) -> Any:
    return spark._jvm


def spare_round_trips(spark: SparkSession) -> None:
    """Spares calls on columns and frames most of what they ask the JVM beside: a tenth of a small run.

    To name a class or its member is a round trip, in which the JVM may search all of its JARs; a list is one for each
    of its entries.
    """
    for name in _LOOKED_UP:
        setattr(jvm(spark), name, _LookedUpOnce(getattr(jvm(spark), name)))
    place = jvm(spark)
    for name in ("io", "delta", "tables", "DeltaTable"):
        found = getattr(place, name)
        setattr(place, name, found)
        place = found
    if not any(isinstance(known, _ListsAtOnce) for known in INPUT_CONVERTER):
        register_input_converter(_ListsAtOnce(), prepend=True)


class _LookedUpOnce:
    """A class of the JVM that keeps the members which it was asked for."""

    def __init__(self, java_class: Any) -> None:
        # A second session of the same JVM finds what the first one kept.
        self._class: Any = java_class._class if isinstance(java_class, _LookedUpOnce) else java_class

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._class, name)
        setattr(self, name, found)
        return found

    def __call__(self, *arguments: Any) -> Any:
        return self._class(*arguments)


class _ListsAtOnce:
    """Hands a list of columns or names to the JVM in one call for ten of them; py4j's own does it one by one."""

    def __init__(self) -> None:
        self._of: tuple[Any, Any] = (None, None)  # a JVM, and its List.of

    def can_convert(self, value: object) -> bool:
        return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(v, (JavaObject, str)) for v in value)

    def convert(self, value: Sequence[Any], client: Any) -> Any:
        if self._of[0] is not client:
            self._of = client, JavaClass("java.util.List", client).of
        of = self._of[1]
        if len(value) <= _MOST_AT_ONCE:
            return of(*value)
        whole = JavaClass("java.util.ArrayList", client)()
        for start in range(0, len(value), _MOST_AT_ONCE):
            whole.addAll(of(*value[start : start + _MOST_AT_ONCE]))
        return whole


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
