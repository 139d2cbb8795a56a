"""The options of every job: JOB [--env NAME] [--date D] [--set section.key=value]… [--force].

Read twice: by the submitter, in a hurry and without Spark, and by the job, wherever its driver runs.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path

from promo_spark.errors import SettingsError
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
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        dest="overrides",
        help="override one setting; may be repeated",
    )
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
