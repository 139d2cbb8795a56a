"""One Spark for each test process, started on first use; its lake is always in tmp_path."""

from __future__ import annotations

import datetime
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from promo_spark import settings as promo_settings
from promo_spark.runtime.earlier_runs import made_by
from promo_spark.runtime.freshness import sections_beside
from promo_spark.runtime.job import Context, Job
from promo_spark.runtime.progress import Progress, Step
from promo_spark.runtime.session import spark_session
from promo_spark.storage.lake import Lake
from promo_spark.storage.small_tables import ROWS_OF_DRIVER
from promo_spark.submission.jars import delta_jars, driver_jars
from promo_spark.submission.local_mode import (
    LARGER_INPUT_JAVA_OPTIONS,
    LOCAL_CONF,
    LOCAL_JAVA_OPTIONS,
    SMALL_INPUT_CONF,
)
from promo_spark.submission.requirements import machine_memory

# Thousands of small queries: a collector beside the work costs more than it saves. A process works for half an hour, so
# that compiling the hottest of Spark's planning a second time, and better, pays: a sixth of a pipeline's time.
JAVA_OPTIONS = ("-XX:+UseParallelGC", *LOCAL_JAVA_OPTIONS, *LARGER_INPUT_JAVA_OPTIONS)

COMPILED = {"decisions", "features", "measures", "models"}  # folders of tests
AS_FOR_LARGER_INPUTS = {
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.constraintPropagation.enabled": "true",
    "spark.sql.shuffle.partitions": "2",
    ROWS_OF_DRIVER: "false",
}


@pytest.fixture(scope="session")
def settings() -> promo_settings.Settings:
    return promo_settings.load()


@pytest.fixture(scope="session")
def spark(settings: promo_settings.Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # two task slots, two threads
    jars = delta_jars(settings.spark) + driver_jars(settings.spark, sorted(settings.spark.drivers))
    session = spark_session(
        "tests",
        {
            **LOCAL_CONF,
            **SMALL_INPUT_CONF,  # test frames are tiny: compiling a query takes longer than running it
            "spark.master": "local[2]",
            "spark.driver.memory": "3g",  # plans of a thousand tests, and pipelines on one of two workers
            **{f"spark.{kept}": "20" for kept in ("sql.ui.retainedExecutions", "ui.retainedJobs", "ui.retainedStages")},
            "spark.driver.extraJavaOptions": " ".join(JAVA_OPTIONS),
            "spark.driver.extraClassPath": os.pathsep.join(map(str, jars)),
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        },
    )
    session.sparkContext.setCheckpointDir(str(tmp_path_factory.mktemp("checkpoints")))
    yield session
    session.stop()


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    return Lake(spark, str(tmp_path / "lake"))


@pytest.fixture
def run_job(lake: Lake) -> Callable[..., Context[Any]]:
    """Runs one job for a date on the test's lake, with settings overridden as on the command line."""

    def run(job: Job, date: datetime.date, *overrides: str) -> Context[Any]:
        settings = promo_settings.load(None, overrides)
        step = Step(Progress(), job.name)
        section, made = getattr(settings, job.name), made_by(job, settings)
        ctx: Context[Any] = Context(job, date, section, settings.business, "run-1", lake, step, made_by=made)
        ctx.sections = sections_beside(job, settings)
        job.function(ctx)
        ctx.release()
        return ctx

    return run


@pytest.fixture(autouse=True)
def _compiled_as_for_larger_inputs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every other test of single frames, by its name, runs its queries as those of larger inputs do.

    So both ways are tried, in half of the time that compiling all of them takes.
    """
    compiled = COMPILED & set(request.path.parts) and zlib.crc32(request.node.nodeid.encode()) % 2
    stored = "storage" in request.path.parts
    if "spark" not in request.fixturenames or not (compiled or stored):
        yield
        return
    conf = request.getfixturevalue("spark").conf
    larger = AS_FOR_LARGER_INPUTS if compiled else {ROWS_OF_DRIVER: AS_FOR_LARGER_INPUTS[ROWS_OF_DRIVER]}
    small = {key: conf.get(key) for key in larger}
    for key, value in larger.items():
        conf.set(key, value)
    yield
    for key, value in small.items():
        conf.set(key, value)


@pytest.fixture(autouse=True)
def _nothing_left_cached(request: pytest.FixtureRequest) -> Iterator[None]:
    """A frame that one test persisted must not change another's plan.

    Delta keeps the log of each table it has met for an hour, plans included: those of thousands of tests' tables fill
    the heap.
    """
    yield
    if "spark" in request.fixturenames:
        spark = request.getfixturevalue("spark")
        spark.catalog.clearCache()
        spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


# What a test process takes at most: its driver's heap and all beside it, Python workers, and the JVMs that tests start.
PROCESS_MEMORY = 7 << 30
MOST_PROCESSES = 4  # more of them would only wait for the longest test

# The files that take longest, longest first, by `--durations=0`; a file more or less only lengthens the end a little.
LONGEST = (
    "jobs/test_every_mapping.py",
    "jobs/test_ingest_files.py",
    "jobs/test_promote.py",
    "jobs/test_profile_follows.py",
    "jobs/test_policy_in_force.py",
    "jobs/test_stream_welcomes.py",
    "jobs/test_small_shops.py",
    "jobs/test_pipeline.py",
    "jobs/test_promote_lists.py",
    "jobs/test_actions.py",
    "jobs/test_erasure.py",
    "jobs/test_uplift.py",
    "jobs/test_evaluate.py",
    "jobs/test_forecast_refit.py",
    "jobs/test_promote_limits.py",
    "jobs/test_recommend_ranking.py",
    "jobs/test_stream_kafka.py",
    "storage/test_catalogs.py",
    "jobs/test_ingest_bad_deliveries.py",
    "jobs/test_stream_scores.py",
    "jobs/test_ingest_deliveries.py",
    "jobs/test_stream.py",
    "jobs/test_export_secrets.py",
    "jobs/test_recommend.py",
    "jobs/test_stream_renewals.py",
)

# Long files that ask nothing of the tests' Spark: they start processes of their own, or only compute. Longest first.
WITHOUT_SPARK = (
    "installation/test_built_package.py",
    "runtime/test_cluster.py",
    "runtime/test_signals.py",
    "worlds/test_posterior.py",
    "worlds/test_true_offers.py",
    "models/uplift/test_effects.py",
    "test_canaries.py",
    "models/uplift/test_engines.py",
    "runtime/test_lost_executor.py",
    "runtime/test_executor_python.py",
    "test_docs.py",
    "models/forecasts/test_any_series.py",
    "models/forecasts/test_local_models.py",
    "models/recommenders/test_top_n.py",
    "worlds/test_simulation.py",
    "worlds/test_shopping.py",
    "learners/test_boosting.py",
    "learners/test_lstm.py",
    "learners/test_meta_learners.py",
    "test_demo_loop.py",
    "models/propensity/test_fitting.py",
    "submission/test_spark_submit.py",
    "test_settings_judged.py",
)


def processes_with_spark() -> int:
    """As many as there are cores and memory for."""
    return max(1, min(os.cpu_count() or 1, machine_memory() // PROCESS_MEMORY, MOST_PROCESSES))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, for -n auto; a run of few tests does without it
def pytest_xdist_auto_num_workers() -> int:
    """Those with a Spark each, and one for the files that need none.

    One more with a Spark takes as long: what it waits less, its JVM compiles more.
    """
    return processes_with_spark() + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return FilesBySpark(config, log)


class FilesBySpark(LoadFileScheduling):
    """The process after those with a Spark takes the files that need none, and ends after them.

    Whatever is started later, in place of a process that crashed, takes every file.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        if node.gateway.id == f"gw{processes_with_spark()}":
            file = next((f"tests/{name}" for name in WITHOUT_SPARK if f"tests/{name}" in self.workqueue), None)
            if file is None:
                node.shutdown()
                return
            self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What starts a cluster or runs the whole pipeline comes last, so that a plain mistake shows within seconds.

    In one of several processes the longest files come first: the others do the rest meanwhile, and none waits for one
    at the end.
    """
    tests = Path(__file__).parent
    place = {tests / name: number for number, name in enumerate((*LONGEST, *WITHOUT_SPARK))}
    without_spark = {tests / name for name in WITHOUT_SPARK}
    for item in items:
        if item.path in without_spark and "spark" in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(f"{item.nodeid} asks for Spark, but conftest.py lists its file in WITHOUT_SPARK")

    def longest_first(item: pytest.Item) -> tuple[int, bool]:
        return place.get(item.path, len(place)), item.get_closest_marker("slow") is None

    def slow_last(item: pytest.Item) -> bool:
        return item.get_closest_marker("slow") is not None

    items.sort(key=longest_first if hasattr(config, "workerinput") else slow_last)
