"""A command does what was asked, says it in one sentence, and is recorded; its arguments are known without Spark."""

from __future__ import annotations

import datetime
import io

import pytest
from rich.console import Console

from promo_spark.contracts.decisions import Budget
from promo_spark.contracts.ops import Runs
from promo_spark.errors import MissingDataError
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands, all_jobs
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from promo_spark.submission.arguments import parser
from promo_spark.submission.spark_submit import command_arguments, job_descriptions

DAY = datetime.date(2024, 4, 8)


def test_restore_goes_back_says_so_and_is_recorded_also_when_it_fails(lake: Lake) -> None:
    for planned in (5, 6):
        row = {"date": DAY, "constraint": "daily", "planned": planned}
        lake.write(Budget, [row], {"date": DAY})
    screen = io.StringIO()
    progress, restore = Progress(Console(file=screen)), all_commands()["restore"]
    restore.start(lake, load(), {"table": "decisions.budget", "version": "0"}, progress)
    assert screen.getvalue().startswith("decisions.budget is as it was at version 0.")
    assert [r.planned for r in lake.read(Budget).collect()] == [5]
    with pytest.raises(MissingDataError, match="has no version 9"):
        restore.start(lake, load(), {"table": "decisions.budget", "version": "9"}, progress)
    runs = lake.read(Runs).orderBy(Runs.started_at).collect()
    assert [(r.job, r.outcome) for r in runs] == [("restore", "succeeded"), ("restore", "failed")]
    assert runs[0].settings == '{"table": "decisions.budget", "version": "0"}'


def test_commands_are_no_jobs_and_their_arguments_are_read_without_spark() -> None:
    for name, command in all_commands().items():
        assert name not in all_jobs()
        assert name in job_descriptions()
        assert command_arguments(name) == command.arguments
        shown = parser(name, command.description, command.arguments).format_help()
        assert all(meaning in " ".join(shown.split()) for meaning in command.arguments.values())
    assert command_arguments("promote") is None
