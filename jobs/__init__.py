"""The jobs: one file each, named like the job. A module here with a `run` is a job; nothing else registers it."""

from __future__ import annotations

import importlib
import pkgutil
import sys

from jobs import commands
from promo_spark.runtime.command import Command
from promo_spark.runtime.command_line import run_job
from promo_spark.runtime.job import Job
from promo_spark.runtime.pipeline import Pipeline


def all_jobs() -> dict[str, Job | Pipeline]:
    """Every job by name, in alphabetical order."""
    modules = [m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg and not m.name.startswith("_")]
    return {name: importlib.import_module(f"{__name__}.{name}").run for name in sorted(modules)}


def all_commands() -> dict[str, Command]:
    """Every command by name."""
    modules = sorted(m.name for m in pkgutil.iter_modules(commands.__path__))
    return {name: importlib.import_module(f"{commands.__name__}.{name}").run for name in modules}


def main() -> None:
    """Runs the job that the command line names and exits with its code."""
    sys.exit(run_job({**all_jobs(), **all_commands()}, sys.argv[1:]))
