"""Runs a declared job: skips what is current, records what ran, takes back what failed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Literal

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from promo_spark.errors import PromoSparkError
from promo_spark.runtime.job import Context, Job
from promo_spark.runtime.progress import Step
from promo_spark.runtime.run_log import RunLog, run_id
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake


@dataclass(frozen=True)
class Executed:
    """How a job ended: `written`, or `current` when the tables held its result already."""

    outcome: Literal["written", "current"]
    run_id: str


def execute(
    job: Job,
    lake: Lake,
    settings: Settings,
    date: datetime.date,
    step: Step,
    run_log: RunLog,
    force: bool = False,
) -> Executed:
    """Runs one job for one date.

    Raises what the job raises, after taking its writes back and recording the failure in ops.runs.
    """
    section = getattr(settings, job.name)
    outside = job.inputs(section, lake.spark) if job.inputs else ""
    inputs = run_log.inputs(job, date)
    this_run = run_id(job, date, settings, inputs, outside)
    if not force and run_log.is_current(job, date, this_run, inputs):
        return Executed("current", this_run)
    earlier = run_log.earlier_rows(job, date)
    taken = run_log.taken(job)
    ctx: Context[Any] = Context(job, date, section, settings.business, this_run, lake, step, earlier, taken)
    started = datetime.datetime.now(datetime.timezone.utc)
    try:
        job.function(ctx)
    except (PromoSparkError, PySparkException, Py4JError, ValueError, OSError, ArithmeticError) as error:
        ctx.release()
        ctx.take_back()
        if ctx.versions_out:  # a job that stopped before its first write leaves no trace at all
            run_log.record(ctx, settings, inputs, started, error)
        raise
    ctx.release()
    run_log.record(ctx, settings, inputs, started)
    return Executed("written", this_run)
