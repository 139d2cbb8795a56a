"""The daily run: every job in the order its declarations imply, in one Spark application."""

from __future__ import annotations

import datetime
import graphlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from promo_spark.errors import SettingsError
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.execution import Executed, Run, execute
from promo_spark.runtime.freshness import Freshness
from promo_spark.runtime.interruption import Interruption
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import logs_of
from promo_spark.storage.table_logs import TableLogs


@dataclass(frozen=True)
class Pipeline:
    """Several jobs run as one; `jobs` gives them by name when it starts, `summary` shows what there is at its end."""

    name: str
    description: str
    jobs: Callable[[], Mapping[str, Job]]
    summary: Callable[[TableLogs, Settings, datetime.date, Sequence[str], float], None]

    def start(
        self,
        lake: Lake,
        settings: Settings,
        dates: Sequence[datetime.date],
        progress: Progress,
        force: bool = False,
    ) -> dict[datetime.date, dict[str, Executed]]:
        """Runs what is not current, date by date, then shows what there is now for the last one. How each job ended.

        Jobs that do not need one another run side by side: one job's waiting is another's work. A span that was
        stopped goes on where it stopped: the dates before are current.
        """
        jobs = list(self.named(settings).values())
        ended = {}
        for n, date in enumerate(dates, start=1):
            if len(dates) > 1:
                progress.note(f"{date} ({n} of {len(dates)})")
            started = time.monotonic()
            ended[date] = run_in_order(jobs, lake, settings, date, progress, force)
        written = [name for name, done in ended[dates[-1]].items() if done.outcome == "written"]
        self.summary(logs_of(lake), settings, dates[-1], written, time.monotonic() - started)
        return ended

    def named(self, settings: Settings) -> dict[str, Job]:
        """The jobs that the settings name and give something to do. Raises SettingsError for one that there is not."""
        jobs = self.jobs()
        unknown = [name for name in settings.pipeline.jobs if name not in jobs]
        if unknown:
            raise SettingsError(f"pipeline.jobs names {', '.join(unknown)}; the jobs are: {', '.join(jobs)}")
        return {n: jobs[n] for n in settings.pipeline.jobs if not _why_idle(jobs[n], settings)}


def _why_idle(job: Job, settings: Settings) -> str:
    return job.idle(getattr(settings, job.name)) if job.idle else ""


def dependencies(jobs: Sequence[Job]) -> dict[str, set[str]]:
    """job → the jobs among the given ones that write what it reads.

    What is for the day after is read the day after, but by who reads ahead.
    """
    read = {job.name: {t for t in (*job.reads, *job.optional) if not t.days_ahead} | {*job.ahead} for job in jobs}
    return {name: {j.name for j in jobs if tables & {*j.writes}} - {name} for name, tables in read.items()}


def run_in_order(
    jobs: Sequence[Job], lake: Lake, settings: Settings, date: datetime.date, progress: Progress, force: bool = False
) -> dict[str, Executed]:
    """Runs each job once its inputs are written; after a failure what runs is let finish, nothing new starts.

    Ctrl-C and SIGTERM stop what runs: each job puts its tables back before the call ends.
    """
    jobs = [job.asked_by(getattr(settings, job.name)) for job in jobs]
    by_name = {job.name: job for job in jobs}
    order = graphlib.TopologicalSorter(dependencies(jobs))
    order.prepare()
    run = Run(lake, settings, RunLog(lake), Freshness(logs_of(lake)), Interruption(lake.spark), force)
    ended: dict[str, Executed] = {}
    positions = {job.name: i for i, job in enumerate(jobs, start=1)}

    def run_one(job: Job) -> Executed:
        with progress.step(job.name, positions[job.name], len(jobs)) as step:
            done = execute(job, run, date, step)
            if done.outcome == "current":
                step.outcome = f"unchanged, {done.why}"
            return done

    running: dict[Future[Executed], str] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(max_workers=settings.pipeline.side_by_side) as pool:
        try:
            while order.is_active():
                if failure is None:
                    for name in sorted(order.get_ready(), key=positions.__getitem__):
                        running[pool.submit(run_one, by_name[name])] = name
                if not running:
                    break
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    name = running.pop(future)
                    failure = failure or future.exception()
                    if future.exception() is None:
                        ended[name] = future.result()
                        order.done(name)
        except BaseException:
            _stop(running, run.interruption, progress)
            raise
    if failure is not None:
        raise failure
    return ended


def _stop(running: Mapping[Future[Executed], str], interruption: Interruption, progress: Progress) -> None:
    progress.note(f"stopping {', '.join(sorted(running.values()))}: tables are put back as they were")
    unfinished = set(running)
    while unfinished:
        interruption.ask()
        _, unfinished = wait(unfinished, timeout=1.0)
