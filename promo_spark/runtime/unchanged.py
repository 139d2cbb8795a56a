"""A call that has nothing to do: known by the tables themselves, in a second, before Spark is started."""

from __future__ import annotations

import datetime
import graphlib
from collections.abc import Sequence

from promo_spark.runtime.declaration import Job
from promo_spark.runtime.freshness import Freshness, run_id
from promo_spark.runtime.pipeline import Pipeline, dependencies
from promo_spark.runtime.run_log import PastRuns
from promo_spark.settings import Settings
from promo_spark.storage.arrow_tables import UNREADABLE, folder_of
from promo_spark.storage.file_digests import SparkNeededError
from promo_spark.storage.local_logs import LocalLogs


def nothing_to_do(job: Job | Pipeline, settings: Settings, dates: Sequence[datetime.date]) -> bool:
    """Whether the tables of every job hold already what it would write for every date.

    False, too, where that cannot be known without Spark: for tables of a catalog or of another file system, sources in
    databases, damaged tables. What then starts finds it out.
    """
    folder = "" if settings.lake.catalog else folder_of(settings.lake.root)
    if not folder or (isinstance(job, Job) and job.keeps_house):
        return False
    logs = LocalLogs(folder)
    try:
        past, freshness = PastRuns(logs), Freshness(logs)
        jobs = _in_order(job, settings)
        return all(_is_current(one, date, settings, past, freshness, logs) for date in dates for one in jobs)
    except (SparkNeededError, *UNREADABLE):
        return False


def _in_order(job: Job | Pipeline, settings: Settings) -> list[Job]:
    named = {job.name: job} if isinstance(job, Job) else job.named(settings)
    by_name = {name: one.asked_by(getattr(settings, name)) for name, one in named.items()}
    return [by_name[name] for name in graphlib.TopologicalSorter(dependencies(list(by_name.values()))).static_order()]


def _is_current(
    job: Job, date: datetime.date, settings: Settings, past: PastRuns, freshness: Freshness, logs: LocalLogs
) -> bool:
    if job.goes_on:
        return False
    if job.leaves and job.leaves(logs, date):
        return True
    outside = job.inputs(getattr(settings, job.name), None, date) if job.inputs else ""
    run = run_id(job, date, settings, freshness.inputs(job, date), outside)
    return freshness.is_current(job, date, run, *past.recorded(job, run))
