"""Runs a declared job: skips what is current, records what ran, takes back what did not end well."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from promo_spark.runtime.context import Context
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.earlier_runs import made_by
from promo_spark.runtime.freshness import Freshness, Inputs, run_id, sections_beside
from promo_spark.runtime.interruption import Interruption
from promo_spark.runtime.progress import Step
from promo_spark.runtime.run_log import Attempt, RunLog
from promo_spark.settings import Settings
from promo_spark.storage.damage import damage_of
from promo_spark.storage.jvm import SparkFailure
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import logs_of
from promo_spark.storage.locks import held

_NO_SPACE = re.compile(r"No space left|ENOSPC|Disk quota exceeded|DSQuotaExceeded")
_UNKNOWN = "unknown"  # the run of an attempt that ended before its inputs were read


@dataclass(frozen=True)
class Executed:
    """How a job ended: `written`, or `current` when the tables held its result already, or `why` else it left them."""

    outcome: Literal["written", "current"]
    run_id: str
    why: str = "its tables hold this result already"


@dataclass(frozen=True)
class Run:
    """What the jobs of one call share: the lake, the settings, the run log, and whether they are to stop."""

    lake: Lake
    settings: Settings
    run_log: RunLog
    freshness: Freshness
    interruption: Interruption
    force: bool = False


def execute(job: Job, run: Run, date: datetime.date, step: Step) -> Executed:
    """Runs one job for one date.

    Raises whatever ended the job, after putting its tables back as they were and recording the failure in ops.runs.
    """
    attempt = Attempt(job, date, _UNKNOWN, _now(), Inputs({}, {}), {}, {}, {}, {})
    with _recorded(attempt, run, step), _locked(job, run, date, step) as began, _damage_explained(job, run):
        section = getattr(run.settings, job.name)
        outside = job.inputs(section, run.lake.spark, date) if job.inputs else ""
        attempt.inputs = run.freshness.inputs(job, date)
        attempt.run_id = run_id(job, date, run.settings, attempt.inputs, outside)
        recorded, rows_out = run.run_log.recorded(job, attempt.run_id)
        done = not (run.force or job.keeps_house or job.goes_on)
        if done and job.leaves and (why := job.leaves(logs_of(run.lake), date)):
            return Executed("current", attempt.run_id, why)
        if done and run.freshness.is_current(job, date, attempt.run_id, recorded, rows_out):
            return Executed("current", attempt.run_id)
        ctx: Context[Any] = Context(
            job,
            date,
            section,
            run.settings.business,
            attempt.run_id,
            run.lake,
            step,
            earlier_rows=run.run_log.earlier_rows(job, date),
            taken=run.run_log.taken(job),
            force=run.force,
            began=began,
            versions_in=attempt.inputs.versions,
            runs_in=attempt.inputs.runs,
            left_empty=run.run_log.left_empty(date),
            wait_seconds=run.settings.lake.wait_seconds,
            made_by=made_by(job, run.settings),
            sections=sections_beside(job, run.settings),
        )
        attempt.taken, attempt.versions_out, attempt.rows_out = ctx.takes, ctx.versions_out, ctx.rows_out
        attempt.sources = ctx.sources
        _ended_well_or_taken_back(ctx, run)
        run.run_log.record(attempt, run.settings)
    return Executed("written", attempt.run_id)


def _ended_well_or_taken_back(ctx: Context[Any], run: Run) -> None:
    try:
        with run.interruption.watched(ctx):
            ctx.job.function(ctx)
    except BaseException as error:  # also Ctrl-C: whatever ends a job, its tables are as before
        ctx.release()
        if _NO_SPACE.search(str(error)):
            ctx.make_room()  # else not even the commit that puts a table back could be written
        ctx.take_back()
        raise
    ctx.release()


@contextlib.contextmanager
def _recorded(attempt: Attempt, run: Run, step: Step) -> Iterator[None]:
    """Records the attempt if the block does not end well. Nothing that goes wrong with that hides the reason."""
    try:
        yield
    except BaseException as error:
        run.run_log.record_failure(attempt, run.settings, error, step.say)
        raise


@contextlib.contextmanager
def _damage_explained(job: Job, run: Run) -> Iterator[None]:
    """An error that comes of a damaged table, as one sentence that says which, and how to bring it back."""
    try:
        yield
    except SparkFailure as error:
        tables = (*job.reads, *job.optional, *job.earlier, *job.ahead, *job.by_hand, *job.writes)
        damage = damage_of(run.lake, error, tables)
        if damage is None:
            raise
        raise damage from error


def _locked(job: Job, run: Run, date: datetime.date, step: Step) -> contextlib.AbstractContextManager[int]:
    """The lock of what the job writes: of its date, or of all where its tables are not by date.

    It gives the time at which it was taken; 0 where there is no lock: in a catalog, or for a job that writes nothing.
    """
    lake = run.lake
    if lake.catalog or not (job.writes or job.pages):
        return contextlib.nullcontext(0)
    name = f"{job.name} {date}" if all(table.dated_by for table in job.writes) else job.name
    holder, wait = f"the run of {job.name} for {date}", run.settings.lake.wait_seconds
    return held(lake.spark, lake.root, name, holder, wait, step.say, alone=job.keeps_house)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
