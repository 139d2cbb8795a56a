"""Whether a date's tables hold already what a run would write: the tables themselves say so.

A run has an id: a digest of the job, the date, its settings, the code, and the rows that it reads. Every row that a
job writes carries it, and so does every page. A date is current if the job's rows of the date, and its pages, carry
the id that a run would have now, and their files are there. Neither the run log nor a clock can make a date current;
the log of a table can only say that somebody outside the suite changed rows since, and then the date is not current.

What a run reads is named by the ids of the runs that wrote those rows: for a table by date the rows of its date (or
of the dates before, as declared with Earlier), for a table by day the days before its date, for any other table all
rows. So OPTIMIZE, Delta's clean-up of old log entries, a copy of the lake or a later day change nothing.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import promo_spark
from promo_spark.contracts.housekeeping import RETENTION, RemovedRuns
from promo_spark.contracts.schema import Table, WriteMode
from promo_spark.installation import BUNDLE, jobs_folder
from promo_spark.runtime.declaration import Job
from promo_spark.settings import Section, Settings
from promo_spark.storage.arrow_tables import UNREADABLE
from promo_spark.storage.jvm import SparkFailure
from promo_spark.storage.table_logs import COMPARISONS, Condition, RowsOf, Runs, TableLogs, sorted_runs

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pyspark.sql import Row

_EARLIER = " earlier"  # after the name of a table of which earlier dates are read
_AHEAD = " ahead"  # of which the day after is read
_SOURCES = (".py", ".j2", ".css", ".toml")  # what results are made by: the code, the pages' templates and words
_SAID = " by hand"  # after the name of a table in which people say what a job follows
NO_ROWS = "no rows"  # nor a table: what a run writes first, it does not read


@dataclass(frozen=True)
class Inputs:
    """What a run reads: the ids of the runs that wrote the rows of each table, and the version it is read at."""

    runs: Mapping[str, str]
    versions: Mapping[str, int]


class Freshness:
    """What the tables of a lake hold. What was read of a table's version is not read again."""

    def __init__(self, logs: TableLogs) -> None:
        self._logs = logs
        self._runs: dict[RowsOf, Runs] = {}
        self._removed: list[Row] | None = None

    def inputs(self, job: Job, date: datetime.date) -> Inputs:
        """What the job's inputs hold now. Raises ContractError where a table is damaged."""
        names: dict[str, RowsOf | None] = {}
        for table in dict.fromkeys((*job.reads, *job.optional)):
            names[table.full_name()] = self._rows(table, _read_for(table, date))
        for table in job.earlier:
            names[table.full_name() + _EARLIER] = self._rows(table, Condition(table.dated_by or "", "<", date))
        for table in job.ahead:
            names[table.full_name() + _AHEAD] = self._rows(table, _written_for(table, date))
        read = self._runs_of([rows for rows in names.values() if rows is not None])
        runs: dict[str, str] = {}
        versions: dict[str, int] = {}
        for name, rows in names.items():
            runs[name] = (
                NO_ROWS if rows is None else _together(self._ever(rows, read[rows]), self._logs.removed_by(rows.table))
            )
            if rows is not None:
                versions[rows.table.full_name()] = rows.version
        for table in job.said:  # its rows name no run
            runs[table.full_name() + _SAID] = str(self._logs.version(table))
        return Inputs(runs, versions)

    def is_current(
        self, job: Job, date: datetime.date, run_id: str, recorded: Mapping[str, int], rows_out: Mapping[str, int]
    ) -> bool:
        """Whether the tables hold what the run would write.

        `recorded` has the versions that the run is known to have read and written, `rows_out` the rows it wrote:
        what the run log knows of the run can only speak against it, but for a table in which it wrote no row.
        """
        for table in (*job.reads, *job.optional, *job.earlier, *job.ahead, *job.writes):
            if self._changed_by_others(table, date, recorded.get(table.full_name())):
                return False
        try:
            return self._carries(job, date, run_id, rows_out)
        except (
            *SparkFailure,
            *UNREADABLE,
        ):  # files are gone, or the log is cut off: the run writes them anew, or says why not
            return False

    def _carries(self, job: Job, date: datetime.date, run_id: str, rows_out: Mapping[str, int]) -> bool:
        written = {table: self._rows(table, _written_for(table, date), job.name) for table in job.writes}
        runs = self._runs_of([rows for rows in written.values() if rows is not None])
        carried = False
        for table, rows in written.items():
            if rows is None:
                if rows_out.get(table.full_name()):
                    return False
                continue
            found = self._ever(rows, runs[rows])
            if not _tells_the_run(table):
                continue  # facts of many runs; that their files are there is known now
            if found == (run_id,):
                carried = True
            elif found or rows_out.get(table.full_name()) != 0:
                return False
        pages = [self._logs.page_run(name) for name in job.page_names(date)]
        return all(run == run_id for run in pages) and (carried or bool(pages))

    def _changed_by_others(self, table: type[Table], date: datetime.date, since: int | None) -> bool:
        if since is None or self._logs.version(table) is None:
            return False
        read = _read_for(table, date)

        def concerns(partition: Mapping[str, str]) -> bool:
            day = partition.get(read.column) if read else None
            if read is None or day is None:
                return True
            limit = str(read.value)
            return day == limit if read.operator == "=" else day < limit

        return self._logs.changed_by_others(table, since, concerns) is not None

    def _rows(self, table: type[Table], dated: Condition | None, job: str = "") -> RowsOf | None:
        """The rows of a table that a condition names; None where there is no table."""
        version = self._logs.version(table)
        if version is None:
            return None
        conditions = (dated,) if dated else ()
        if table.written_by and job:  # several jobs write it: each counts for itself
            conditions = (*conditions, Condition(table.written_by, "=", job))
        return RowsOf(table, version, conditions)

    def _runs_of(self, wanted: Sequence[RowsOf]) -> dict[RowsOf, Runs]:
        """The ids of the runs that wrote the rows, sorted; what was not asked yet is asked at once."""
        self._runs |= self._logs.runs_of([rows for rows in dict.fromkeys(wanted) if rows not in self._runs])
        return {rows: self._runs[rows] for rows in wanted}

    def _ever(self, rows: RowsOf, found: Runs) -> Runs:
        """The runs that wrote the rows, and those whose rows were taken out since: whoever read these need not again.

        Of a single date only an erasure counts: without the rows that are too old, the date has to be computed anew.
        """
        if self._removed is None:
            self._removed = self._logs.rows(RemovedRuns)
        of_one_date = any(c.operator == "=" and c.column == rows.table.dated_by for c in rows.conditions)
        removed = {
            gone.removed_run or None
            for gone in self._removed
            if gone.table == rows.table.full_name()
            and all(_meets(gone, rows.table, c) for c in rows.conditions)
            and not (of_one_date and gone.step == RETENTION)
        }
        return sorted_runs([*{*found, *removed}]) if removed else found


def _meets(gone: Row, table: type[Table], condition: Condition) -> bool:
    """Whether rows that were taken out of a table met a condition."""
    if condition.column == table.written_by:
        return bool(gone.job == condition.value)
    return condition.column == table.day_column() and bool(
        COMPARISONS[condition.operator](gone.day, str(condition.value))
    )


def _read_for(table: type[Table], date: datetime.date) -> Condition | None:
    """Which rows of a table a run for the date may read; None: all."""
    if table.dated_by:
        return Condition(table.dated_by, "=", date)
    if table.write_mode is WriteMode.REPLACE_DAYS:
        return Condition(table.partition[0], "<", date)
    return None


def _written_for(table: type[Table], date: datetime.date) -> Condition | None:
    """Which rows of a table a run for the date writes; None: any."""
    if table.dated_by:
        return Condition(table.dated_by, "=", date + datetime.timedelta(table.days_ahead))
    return None


def _tells_the_run(table: type[Table]) -> bool:
    """Whether the rows that a run for a date writes are its alone, so that they must carry its id."""
    return bool(table.dated_by) or (table.write_mode is WriteMode.OVERWRITE and table.layer != "silver")


def _together(runs: Sequence[str | None], removed_by: str) -> str:
    """The ids of runs as one word.

    >>> _together(["a1"], ""), _together([], ""), len(_together(["a1", "b2"], "")), len(_together(["a1"], "b2"))
    ('a1', 'no rows', 16, 16)
    """
    if len(runs) == 1 and runs[0] and not removed_by:
        return runs[0]
    if not runs and not removed_by:
        return NO_ROWS
    return digest([list(runs), removed_by])


def run_id(job: Job, date: datetime.date, settings: Settings, inputs: Inputs, outside: str) -> str:
    """The same for the same job, date, settings, code and inputs, so that a repeated run writes the same bytes."""
    parts = {
        "job": job.name,
        "date": date.isoformat(),
        "settings": identities(job, settings),
        "code": code_version(),
        "inputs": dict(inputs.runs),
        "outside": outside,
    }
    return digest(parts)


def digest(parts: Any) -> str:
    """Plain values as one word: the same for the same values, in whatever order their names stand.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}), len(digest([]))
    (True, 16)
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def identities(job: Job, settings: Settings) -> dict[str, Any]:
    """The settings that the job's result depends on."""
    return {name: section.identity() for name, section in _sections(job, settings).items()}


def _sections(job: Job, settings: Settings) -> dict[str, Section]:
    """The business, the job's own section, and those of other jobs that it names."""
    beside = {section.__name__: values for section, values in sections_beside(job, settings).items()}
    return {"business": settings.business, job.name: getattr(settings, job.name), **beside}


def sections_beside(job: Job, settings: Settings) -> dict[type[Section], Section]:
    """The sections of other jobs that the job names."""
    by_type = {type(section): section for section in (getattr(settings, name) for name in Settings.model_fields)}
    return {section: by_type[section] for section in job.beside}


@functools.cache
def code_version() -> str:
    """The package's version and a digest of its source, the jobs included."""
    digest = hashlib.sha256()
    for folder in (files("promo_spark"), jobs_folder()):
        for name, content in _sources(folder, folder.name):
            digest.update(name.encode() + b"\0" + content + b"\0")
    return f"{promo_spark.__version__}+{digest.hexdigest()[:12]}"


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    """Every module's text, and those of pages, in the same order in a checkout, an installation and a zip."""
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir() and entry.name != BUNDLE:
            yield from _sources(entry, f"{name}/{entry.name}")
        elif entry.name.endswith(_SOURCES):
            yield f"{name}/{entry.name}", entry.read_bytes()


def logged_settings(job: Job, settings: Settings) -> dict[str, Any]:
    """The settings of a job, as the run log keeps them; secrets are references and stay so."""
    return {name: section.model_dump(mode="json") for name, section in _sections(job, settings).items()}
