"""ops.runs: what ran, on what, with what result. It tells; it does not decide what need not run again."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from pyspark.sql import Row

from promo_spark.contracts.ops import Runs
from promo_spark.contracts.schema.personal import redacted
from promo_spark.errors import Alarm
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.freshness import Inputs, code_version, logged_settings
from promo_spark.runtime.source_counts import SourceCounts
from promo_spark.settings import Settings
from promo_spark.storage.commits import Mark
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import logs_of
from promo_spark.storage.table_logs import TableLogs

SUCCEEDED, FAILED, ALARM = "succeeded", "failed", "alarm"
_FEED = "feed "  # before the name of a change feed, among the versions of tables


@dataclass
class Attempt:
    """One run of a job, as far as it came."""

    job: Job
    date: datetime.date
    run_id: str
    started: datetime.datetime
    inputs: Inputs
    taken: Mapping[str, int]  # change feed → version
    versions_out: Mapping[str, int]
    rows_out: Mapping[str, int]
    sources: Mapping[str, SourceCounts]


class PastRuns:
    """The succeeded runs of a lake, read once: one per job and day or few more, which never grows with the users."""

    def __init__(self, logs: TableLogs) -> None:
        self._logs = logs
        self._runs: list[Row] = []
        self._read_again()

    def _read_again(self) -> None:
        attempts = sorted(self._logs.rows(Runs), key=lambda r: (r.started_at, r.job))
        self._runs = [r for r in attempts if r.outcome == SUCCEEDED]

    def succeeded(self) -> list[Row]:
        """All succeeded attempts, oldest first."""
        return list(self._runs)

    def latest(self, job: str, date: datetime.date) -> Row | None:
        return next((r for r in reversed(self._runs) if r.job == job and r.date == date), None)

    def earlier_rows(self, job: Job, date: datetime.date) -> dict[str, list[int]]:
        """source → the rows, blank ones left out, that the newest run of each other date took in; newest last."""
        newest = {r.date: r for r in self._runs if r.job == job.name and r.date != date}
        found: dict[str, list[int]] = {}
        for run in sorted(newest.values(), key=lambda r: r.started_at):
            for source, counts in run.sources.items():
                found.setdefault(source, []).append(counts.rows_in - counts.blank)
        return found

    def taken(self, job: Job) -> dict[str, int]:
        """change feed → the version that the newest succeeded run took, for whatever date it ran."""
        found: dict[str, int] = {}
        for run in self._runs:
            if run.job == job.name:
                found |= {k.removeprefix(_FEED): v for k, v in run.input_versions.items() if k.startswith(_FEED)}
        return found

    def left_empty(self, date: datetime.date) -> set[str]:
        """The tables in which the newest run for the date that wrote them wrote no row."""
        rows: dict[str, int] = {}
        for run in list(self._runs):
            if run.date == date:
                rows |= run.rows_out
        return {name for name, count in rows.items() if count == 0}

    def recorded(self, job: Job, run_id: str) -> tuple[dict[str, int], dict[str, int]]:
        """The newest versions that a run is known to have read and written, by table; and the rows it wrote."""
        versions: dict[str, int] = {}
        rows: dict[str, int] = {}
        for run in self._runs:
            if run.job == job.name and run.run_id == run_id:
                for name, version in [*_tables(run.input_versions).items(), *run.output_versions.items()]:
                    versions[name] = max(version, versions.get(name, version))
                rows = dict(run.rows_out)
        return versions, rows


class RunLog(PastRuns):
    """The runs of a lake, kept up to date with what is recorded."""

    def __init__(self, lake: Lake) -> None:
        super().__init__(logs_of(lake))
        self.lake = lake

    def record_failure(
        self,
        attempt: Attempt,
        settings: Settings,
        error: BaseException,
        say: Callable[[str], None],
        asked: Mapping[str, str] | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        """As `record`. Nothing that goes wrong with it hides the error: it is said, and the caller raises the error."""
        try:
            self.record(attempt, settings, error, asked=asked, hidden=hidden)
        except Exception as unrecorded:  # noqa: BLE001 - a full disk, a lost JVM
            say(f"the failure could not be put into ops.runs: {str(unrecorded).splitlines()[0]}")

    def record(
        self,
        attempt: Attempt,
        settings: Settings,
        error: BaseException | None = None,
        asked: Mapping[str, str] | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        """Appends the attempt: of a job with its settings, of a command with what was asked.

        No text that is `hidden`, such as a user's id, is written with an error.
        """
        now = datetime.datetime.now(datetime.timezone.utc)
        message = redacted(str(error) or type(error).__name__)[:2000] if error else None
        for text in hidden:
            message = message and message.replace(text, "…")
        row = {
            Runs.run_id: attempt.run_id,
            Runs.job: attempt.job.name,
            Runs.date: attempt.date,
            Runs.started_at: attempt.started,
            Runs.seconds: (now - attempt.started).total_seconds(),
            Runs.outcome: _outcome(error),
            Runs.message: message,
            Runs.settings: json.dumps(
                logged_settings(attempt.job, settings) if asked is None else dict(asked), sort_keys=True
            ),
            Runs.code_version: code_version(),
            Runs.input_runs: dict(attempt.inputs.runs),
            Runs.input_versions: {
                **attempt.inputs.versions,
                **{_FEED + feed: version for feed, version in attempt.taken.items()},
            },
            Runs.output_versions: dict(attempt.versions_out),
            Runs.rows_out: dict(attempt.rows_out),
            Runs.sources: {
                name: (c.rows_in, c.accepted, c.quarantined, c.blank, dict(c.reasons))
                for name, c in attempt.sources.items()
            },
        }
        self.lake.write(Runs, [row], mark=Mark(run=attempt.run_id, job=attempt.job.name))
        if not error:
            self._read_again()


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return SUCCEEDED
    return ALARM if isinstance(error, Alarm) else FAILED


def _tables(versions: Mapping[str, int]) -> dict[str, int]:
    """The versions of tables of the lake alone."""
    return {name: version for name, version in versions.items() if not name.startswith(_FEED)}
