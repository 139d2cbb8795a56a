"""From a job's command line to its end: Spark started, the job run, what went wrong said in one message."""

from __future__ import annotations

import datetime
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from rich.console import Console

from promo_spark.contracts.schema.personal import redacted
from promo_spark.errors import Alarm, PromoSparkError, SettingsError
from promo_spark.installation import launcher
from promo_spark.runtime.command import Command
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.invocation import invoked, looked, refuse_settings
from promo_spark.runtime.pipeline import Pipeline
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.session import session_of
from promo_spark.runtime.unchanged import nothing_to_do
from promo_spark.settings import Settings
from promo_spark.storage.arrow_tables import folder_of
from promo_spark.storage.jvm import SparkFailure
from promo_spark.storage.local_logs import LocalLogs
from promo_spark.submission.arguments import argument_name, parser, requested_dates, resolved_settings

STOPPED = {signal.SIGINT: 130, signal.SIGTERM: 143}  # as a shell reports a process that a signal ended


class Stopped(BaseException):
    """Raised in the main thread when Ctrl-C or SIGTERM asks the job to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = STOPPED[signal.Signals(number)]


def run_job(jobs: Mapping[str, Job | Pipeline | Command], argv: Sequence[str]) -> int:
    """Parses, starts Spark, runs the job, and says in one message what went wrong if it did."""
    progress = Progress()
    try:
        if not argv or argv[0] not in jobs:
            raise SettingsError(f"there is no job {argv[0] if argv else ''!r}; there are: {', '.join(jobs)}")
        job = jobs[argv[0]]
        own = job.arguments if isinstance(job, Command) else None
        arguments = parser(job.name, job.description, own).parse_args(argv[1:])
        if arguments.dry_run:
            raise SettingsError(f"--dry-run shows what {launcher()} would start; this call runs without it")
        settings = resolved_settings(arguments)
        dates = [] if isinstance(job, Command) else requested_dates(arguments, settings)
        if isinstance(job, Job) and getattr(arguments, "check", False):
            with session_of(job.name, settings) as spark:
                Console(highlight=False).print(looked(job, settings, dates[0], spark), markup=False, soft_wrap=True)
            return 0
        asked = {name: str(vars(arguments)[name]) for name in (argument_name(n) for n in own or {})}
        force = getattr(arguments, "force", False)
        if isinstance(job, Command):
            if job.refuse is not None:
                job.refuse(asked, settings)
        else:
            refuse_settings(job, settings)
            if not force and nothing_to_do(job, settings, dates):
                return _told_unchanged(job, settings, dates, progress)
        with session_of(job.name, settings, dates=max(len(dates), 1)) as spark:
            _raise_on_signals(progress)
            invoked(job, settings, spark, dates=dates, arguments=asked, force=force, progress=progress)
    except Stopped as stopped:
        progress.note(f"{stopped}: the tables of what was running are as they were before; what had ended stands")
        return stopped.exit_code
    except Alarm as alarm:
        progress.note(str(alarm))
        return alarm.exit_code
    except PromoSparkError as error:
        progress.note(f"error: {redacted(str(error))}")
        return error.exit_code
    except SparkFailure as error:
        progress.note(f"error: a call into Spark failed: {redacted(_cause(error))}")
        return 1
    except OSError as error:  # a full disk, a folder that may not be written
        progress.note(f"error: {redacted(str(error))}")
        return 1
    return 0


def _told_unchanged(job: Job | Pipeline, settings: Settings, dates: Sequence[datetime.date], progress: Progress) -> int:
    for name in [job.name] if isinstance(job, Job) else settings.pipeline.jobs:
        progress.note(f"{name} unchanged, its tables hold this result already")
    if isinstance(job, Pipeline):
        job.summary(LocalLogs(folder_of(settings.lake.root)), settings, dates[-1], (), 0.0)
    return 0


def main(job: Job | Pipeline | Command) -> None:
    """Runs the job of a file that spark-submit was given, and exits with its code."""
    sys.exit(run_job({job.name: job}, [job.name, *sys.argv[1:]]))


def _raise_on_signals(progress: Progress) -> None:
    """The first Ctrl-C or SIGTERM stops the job; what it then does to end well is not stopped by a second one."""
    asked: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) == 1:
            raise Stopped(number)
        progress.note("still putting tables back; kill -9 would leave that to the next run")

    for number in STOPPED:
        signal.signal(number, stop)


def _cause(error: Exception) -> str:
    """What went wrong, without the stacks: the last error a Python worker told of, else Spark's first line."""
    lines = str(error).strip().splitlines()
    errors = [
        line.strip(" :\t") for line in lines if re.match(r"[:\s]*([A-Za-z_]+\.)*[A-Za-z_]+(Error|Exception): \S", line)
    ]
    of_python = [line for line in errors if not line.startswith(("org.", "java.", "pyspark."))]
    said = (of_python or errors or lines)[-1 if of_python else 0]
    of_files = [match[1] for line in lines if (match := _OF_FILES.match(line))]
    return said if not of_files or of_files[-1] in said else f"{said} ({of_files[-1]})"


# As of a full disk, or a folder that may only be read.
_OF_FILES = re.compile(r"Caused by: [\w.]*(?:IO|AccessDenied)Exception: (.+)")
