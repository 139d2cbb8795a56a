"""The command line of every job: JOB [--env NAME] [--date D] [--set section.key=value]… [--force]."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from promo_spark.errors import PromoSparkError, SettingsError
from promo_spark.settings import Settings, environments, load, parsed_date, validated


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The options that all jobs share."""
    options = argparse.ArgumentParser(
        prog=f"scripts/submit.sh {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Settings and their meaning: conf/base.toml. Tables and their meaning: docs/tables.md.",
    )
    options.add_argument("--env", help=f"which conf/NAME.toml to use: {', '.join(environments()) or 'none'}")
    options.add_argument("--date", help="the date decisions are for, YYYY-MM-DD; only earlier days are used")
    options.add_argument(
        "--set", action="append", default=[], metavar="section.key=value", dest="overrides",
        help="override one setting; may be repeated",
    )  # fmt: skip
    options.add_argument("--force", action="store_true", help="run even if the tables are current")
    options.add_argument("--dry-run", action="store_true", help="print the spark-submit line and stop")
    options.add_argument("--settings-file", help=argparse.SUPPRESS)
    return options


def resolved_settings(arguments: argparse.Namespace) -> Settings:
    """The settings an invocation means: resolved by the submitter, or from conf/ on this machine."""
    if arguments.settings_file:
        return validated(json.loads(_shipped(arguments.settings_file).read_text(encoding="utf-8")))
    return load(arguments.env, arguments.overrides)


def _shipped(name: str) -> Path:
    """The settings file where the submitter put it, or where the cluster laid it: the working folder."""
    for candidate in (Path(name), Path(Path(name).name)):
        if candidate.is_file():
            return candidate
    raise SettingsError(f"--settings-file {name}: there is no such file on this machine")


def required_date(arguments: argparse.Namespace, settings: Settings) -> datetime.date:
    if arguments.date is None and not settings.pipeline.date:
        raise SettingsError("--date is missing: say for which date to decide, such as --date 2017-12-01")
    return parsed_date(arguments.date or settings.pipeline.date)


def exit_code(error: BaseException) -> int:
    return error.exit_code if isinstance(error, PromoSparkError) else 1


def run_job(jobs: Mapping[str, object], argv: Sequence[str]) -> int:
    """Parses, starts Spark, runs the job, and says in one message what went wrong if it did."""
    from promo_spark.runtime.execution import execute, opened_lake
    from promo_spark.runtime.job import Job
    from promo_spark.runtime.progress import Progress
    from promo_spark.runtime.run_log import RunLog
    from promo_spark.runtime.session import started_session

    try:
        if not argv or argv[0] not in jobs:
            raise SettingsError(f"there is no job {argv[0] if argv else ''!r}; there are: {', '.join(jobs)}")
        job = jobs[argv[0]]
        assert isinstance(job, Job)
        arguments = parser(job.name, job.description).parse_args(argv[1:])
        settings = resolved_settings(arguments)
        date = required_date(arguments, settings)
        spark = started_session(job.name, settings)
    except PromoSparkError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the user's terminal
        return exit_code(error)
    progress = Progress()
    try:
        lake = opened_lake(spark, settings)
        with progress.step(job.name):
            done = execute(job, lake, settings, date, progress, RunLog(lake), arguments.force)
        if done.outcome == "current":
            progress.note(f"{job.name}: the tables already hold this result for {date}; nothing changed")
        return 0
    except PromoSparkError as error:
        progress.note(f"error: {error}")
        return exit_code(error)
    finally:
        spark.stop()


