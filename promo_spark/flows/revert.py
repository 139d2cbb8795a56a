"""The steps of the command revert: a date's rows as a run wrote them, found in the table's log and put back."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from pyspark.sql import functions as F

from promo_spark.contracts.catalogue import table_named
from promo_spark.contracts.decisions import Actions, Promotions
from promo_spark.contracts.schema import Table
from promo_spark.decisions.actions import with_status
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.runtime.command import Asked
from promo_spark.settings import Settings, parsed_date
from promo_spark.storage.commits import Commit, Mark
from promo_spark.storage.damage import files_of_day_are_there
from promo_spark.storage.lake import Lake
from promo_spark.storage.literals import SliceValue
from promo_spark.storage.locks import held


def refuse_impossible(arguments: Mapping[str, str], settings: Settings) -> None:
    """Raises SettingsError for a table that is none, has no dates or lies in a catalog, and for a date that is none."""
    _asked_for(arguments)
    if settings.lake.catalog:
        raise SettingsError(
            f"lake.catalog is {settings.lake.catalog}: its folder for locks is not known; use your catalog's own"
        )


def _asked_for(arguments: Mapping[str, str]) -> tuple[type[Table], str, datetime.date]:
    """The table, its column of days, the day."""
    table, day = table_named(arguments["table"]), parsed_date(arguments["date"])
    column = table.day_column()
    if column is None:
        raise SettingsError(f"{table.full_name()} has no rows by date: restore takes it back as a whole")
    return table, column, day


def reverted(asked: Asked) -> str:
    """Puts the date back as the run wrote it; what was done, in one sentence.

    Raises MissingDataError where the log tells of no such run for the date, or its files are deleted.
    """
    lake, wait = asked.lake, asked.settings.lake.wait_seconds
    table, column, day = _asked_for(asked.arguments)
    with held(lake.spark, lake.root, "revert", f"revert of {table.full_name()}", wait, asked.say, True):
        return _put_back(lake, table, column, day, asked.arguments["run"])


def _put_back(lake: Lake, table: type[Table], column: str, day: datetime.date, run: str) -> str:
    commits = [c for c in lake.commits_since(table, -1) if c is not None] if lake.exists(table) else []
    found = next((c for c in reversed(commits) if _wrote(c, table, day, run)), None)
    if found is None or found.mark is None:
        marks = [c.mark for c in reversed(commits) if _wrote(c, table, day, "")]
        runs = list(dict.fromkeys(mark.run for mark in marks if mark is not None))
        there = f"its log tells of: {', '.join(runs[:10])}, the newest first" if runs else "its log tells of none"
        raise MissingDataError(f"{table.full_name()}: no run {run} wrote {column} {day}; {there}")
    if not files_of_day_are_there(lake, table, found.version, f"{column}={day}"):
        raise MissingDataError(
            f"{table.full_name()}: run {run} wrote {column} {day} in version {found.version}, whose files are deleted "
            "(maintain.vacuum_hours): run its job for the date again instead"
        )
    rows = lake.read(table, found.version).filter(F.col(column) == F.lit(day))
    values: dict[str, SliceValue] = {column: day} if table.dated_by else {column: [day]}
    if table.written_by:
        rows = rows.filter(F.col(table.written_by) == F.lit(found.mark.job))
        values[table.written_by] = found.mark.job
    if table is Promotions and lake.exists(Actions):  # what people said since stays said
        rows = with_status(rows, lake.read(Actions))
    lake.write(table, rows, values, mark=Mark(run="revert", job="revert", date=day.isoformat()))
    return (
        f"{table.full_name()} has for {column} {day} what run {run} wrote (version {found.version}). The next run of "
        f"{found.mark.job} for the date computes it anew, unless all that it reads is again as it was for that run."
    )


def _wrote(commit: Commit, table: type[Table], day: datetime.date, run: str) -> bool:
    """Whether a commit is of the run, or, with "", of any run of a job, and may have written the day."""
    mark = commit.mark
    if mark is None or not mark.job or not mark.date or mark.keeps_content or mark.job == "revert":
        return False
    for_day = not table.dated_by or mark.date == (day - datetime.timedelta(table.days_ahead)).isoformat()
    return for_day and run in ("", mark.run)
