"""The options of every job: JOB [--env NAME] [--date D] [--set section.key=value]… [--force].

Read twice: by the submitter, in a hurry and without Spark, and by the job, wherever its driver runs. The pipeline
takes --from and --to beside --date; a command takes its own arguments instead.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promo_spark.errors import SettingsError
from promo_spark.installation import launcher
from promo_spark.settings import Settings, environments, load, parsed_date, validated

INGEST, MAINTAIN, PIPELINE = "ingest", "maintain", "pipeline"
LONGEST_SPAN = 1000  # days


def parser(name: str, description: str, command: Mapping[str, str] | None = None) -> argparse.ArgumentParser:
    """The options that all jobs share; of a command its arguments, each with its meaning, and the shared ones.

    An argument in brackets, such as [--reason], may be left out.
    """
    options = argparse.ArgumentParser(
        prog=f"{launcher()} {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Settings and their meaning: conf/base.toml. Tables and their meaning: docs/tables.md.",
    )
    for argument, meaning in (command or {}).items():
        if argument.startswith("["):  # as in a line of usage: it may be left out
            options.add_argument(argument.strip("[]"), help=meaning, default="")
        elif argument.startswith("-"):
            options.add_argument(argument, help=meaning, required=True)
        else:
            options.add_argument(argument, help=meaning)
    options.add_argument("--env", help=f"which conf/NAME.toml to use: {', '.join(environments()) or 'none'}")
    options.add_argument("--conf", metavar="DIR", help="a folder of settings files of your own, looked into first")
    options.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        dest="overrides",
        help="override one setting; may be repeated",
    )
    options.add_argument("--dry-run", action="store_true", help="print the spark-submit line and stop")
    options.add_argument("--settings-file", help=argparse.SUPPRESS)
    if command is None:
        options.add_argument("--date", help="the date decisions are for, YYYY-MM-DD; only earlier days are used")
        options.add_argument("--force", action="store_true", help="run even if the tables are current")
    if name == INGEST:
        meaning = "show how each column is understood and what would be rejected, by the first rows; write nothing"
        options.add_argument("--check", action="store_true", help=meaning)
    if name == MAINTAIN:  # each is a setting, in fewer letters
        meaning = "erase the persons whose ids stand in FILE, one a line, and nothing else"
        options.add_argument("--persons", metavar="FILE", action=_Setting, help=meaning)
        meaning = "take in again what sources deliver of the persons whose ids stand in FILE, and nothing else"
        options.add_argument("--readmit", metavar="FILE", action=_Setting, help=meaning)
    if name == PIPELINE:
        options.add_argument("--from", dest="first", help="the first date of a span that is run day by day, in order")
        options.add_argument("--to", dest="last", help="the last date of the span")
    return options


class _Setting(argparse.Action):
    """An option that sets a setting of maintain, as --set would."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        value: Any,
        _option: str | None = None,
    ) -> None:
        namespace.overrides = [*namespace.overrides, f"{MAINTAIN}.{self.dest}={json.dumps(value)}"]


def argument_name(argument: str) -> str:
    """
    >>> argument_name("table"), argument_name("--date"), argument_name("[--reason]")
    ('table', 'date', 'reason')
    """
    return argument.strip("[]").lstrip("-")


def resolved_settings(arguments: argparse.Namespace) -> Settings:
    """The settings an invocation means: resolved by the submitter, or from conf/ on this machine."""
    if arguments.settings_file:
        return validated(json.loads(_shipped(arguments.settings_file).read_text(encoding="utf-8")))
    return load(arguments.env, arguments.overrides, arguments.conf)


def job_options(arguments: argparse.Namespace, settings: Settings) -> list[str]:
    """The options as the job itself gets them, its date made plain.

    Raises SettingsError for a date that is none, and for a job without one.
    """
    shared = {"env", "conf", "overrides", "dry_run", "settings_file"}
    if not hasattr(arguments, "force"):  # a command: it is never forced, and its date is its own
        own = {k: v for k, v in vars(arguments).items() if k not in shared}
        if own.get("date"):
            parsed_date(own["date"])
        named = [f"--{k}={v}" for k, v in own.items() if k != "table" and v]
        return [*([own["table"]] if "table" in own else []), *named]
    dates = requested_dates(arguments, settings)
    span = ["--date", dates[0].isoformat()]
    if len(dates) > 1:
        span = ["--from", dates[0].isoformat(), "--to", dates[-1].isoformat()]
    flags = [f"--{name}" for name in ("force", "check") if getattr(arguments, name, False)]
    return [*span, *flags]


def requested_dates(arguments: argparse.Namespace, settings: Settings) -> list[datetime.date]:
    """The dates to run for, in order: one, or every day of a span."""
    first, last = getattr(arguments, "first", None), getattr(arguments, "last", None)
    if first is None and last is None:
        return [required_date(arguments, settings)]
    if first is None or last is None or arguments.date is not None:
        raise SettingsError("--from and --to go together, and without --date: the first and the last day of a span")
    start, end = parsed_date(first), parsed_date(last)
    if not start <= end or (end - start).days >= LONGEST_SPAN:
        raise SettingsError(f"--from {start} --to {end}: --from comes first, with {LONGEST_SPAN} days at most")
    return [start + datetime.timedelta(n) for n in range((end - start).days + 1)]


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
