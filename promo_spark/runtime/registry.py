"""The jobs and commands there are: each is a file of `jobs/`, and nothing else registers it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Mapping

from promo_spark.installation import jobs_package
from promo_spark.runtime.command import Command
from promo_spark.runtime.command_line import run_job
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.pipeline import Pipeline


def all_jobs() -> dict[str, Job | Pipeline]:
    """Every job by name, in alphabetical order."""
    return {name: importlib.import_module(f"{jobs_package()}.{name}").run for name in _modules(jobs_package())}


def single_jobs() -> Mapping[str, Job]:
    """All jobs but the pipeline, which runs them."""
    return {name: job for name, job in all_jobs().items() if isinstance(job, Job)}


def all_commands() -> dict[str, Command]:
    """Every command by name."""
    package = f"{jobs_package()}.commands"
    return {name: importlib.import_module(f"{package}.{name}").run for name in _modules(package)}


def main() -> None:
    """Runs the job that the command line names and exits with its code."""
    sys.exit(run_job({**all_jobs(), **all_commands()}, sys.argv[1:]))


def _modules(package: str) -> list[str]:
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return sorted(m.name for m in found if not m.ispkg and not m.name.startswith("_"))
