"""A job, the pipeline or a command, run in a session that is there: what the command line and Python both call."""

from __future__ import annotations

import datetime
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.errors import SettingsError
from promo_spark.runtime.command import Command
from promo_spark.runtime.context import Context
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.execution import Executed
from promo_spark.runtime.pipeline import Pipeline, run_in_order
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake


@dataclass(frozen=True)
class Ran:
    """What a call did: of each date, how each job ended; of a command, what it says that it did."""

    name: str
    dates: Mapping[datetime.date, Mapping[str, Executed]]
    said: str
    seconds: float


def invoked(
    job: Job | Pipeline | Command,
    settings: Settings,
    spark: SparkSession,
    *,
    dates: Sequence[datetime.date] = (),
    arguments: Mapping[str, str] | None = None,
    force: bool = False,
    progress: Progress,
) -> Ran:
    """Runs a job or the pipeline for its dates, or a command with its arguments.

    Raises whatever ended it, after its tables were put back and the failure was recorded in ops.runs.
    """
    started, said = time.monotonic(), ""
    lake = Lake(spark, settings.lake.root, settings.lake.catalog, settings.lake.schema_prefix)
    ended: Mapping[datetime.date, Mapping[str, Executed]] = {}
    if isinstance(job, Command):
        said = job.start(lake, settings, arguments or {}, progress)
    elif isinstance(job, Pipeline):
        ended = job.start(lake, settings, dates, progress, force)
    else:
        ended = {date: run_in_order([job], lake, settings, date, progress, force) for date in dates}
    return Ran(job.name, ended, said, time.monotonic() - started)


def refuse_settings(job: Job | Pipeline, settings: Settings) -> None:
    """Raises SettingsError for what a job knows to be wrong before Spark starts."""
    for one in job.named(settings).values() if isinstance(job, Pipeline) else [job]:
        if one.refuse is not None:
            one.refuse(getattr(settings, one.name), settings.business)


def looked(job: Job, settings: Settings, date: datetime.date, spark: SparkSession) -> str:
    """What a job would make of its inputs, as text. Its lake is an empty one, so that nothing is written to any.

    Raises SettingsError for a job that has nothing to show.
    """
    if job.look is None:
        raise SettingsError(f"--check: {job.name} has nothing to show before it runs")
    with tempfile.TemporaryDirectory(prefix="promo_spark_look_") as folder:
        step = Step(Progress(), job.name)
        section = getattr(settings, job.name)
        ctx: Context[Any] = Context(job, date, section, settings.business, "look", Lake(spark, folder), step)
        try:
            return job.look(ctx)
        finally:
            ctx.release()
