"""A command does what was asked, says it in one sentence, and is recorded; its arguments are known without Spark."""

from __future__ import annotations

import datetime
import io

import pytest
from rich.console import Console

from promo_spark.contracts.decisions import Budget
from promo_spark.contracts.ops import Runs
from promo_spark.errors import MissingDataError
from promo_spark.runtime.command_line import _cause
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands, all_jobs
from promo_spark.runtime.run_log import RunLog
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


def test_what_failed_first_is_raised_where_the_run_log_cannot_be_written_either(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunLog, "record", full)
    screen = io.StringIO()
    asked = {"table": "decisions.budget", "version": "9"}
    with pytest.raises(MissingDataError, match=r"decisions\.budget"):
        all_commands()["restore"].start(lake, load(), asked, Progress(Console(file=screen)))
    assert "could not be put into ops.runs: [Errno 28] No space left on device" in screen.getvalue()


def test_a_full_disk_is_named_beside_what_spark_says_of_it() -> None:
    first = "[TASK_WRITE_FAILED] Task failed while writing rows to file:/lake/ops/runs."
    stack = (
        "Caused by: org.apache.spark.SparkException: it failed\nCaused by: java.io.IOException: No space left on device"
    )
    told = f"{first}\n\tat org.apache.spark.A.b(A:1)\n{stack}"
    assert _cause(Exception(told)) == f"{first} (No space left on device)"
    assert _cause(Exception(first)) == first


def test_commands_are_no_jobs_and_their_arguments_are_read_without_spark() -> None:
    for name, command in all_commands().items():
        assert name not in all_jobs()
        assert name in job_descriptions()
        assert command_arguments(name) == command.arguments
        shown = parser(name, command.description, command.arguments).format_help()
        assert all(meaning in " ".join(shown.split()) for meaning in command.arguments.values())
    assert command_arguments("promote") is None
