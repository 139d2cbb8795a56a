"""From which earlier date a run may go on, instead of reading all history again.

A job that follows must write the same rows whether it goes on or begins anew. So what it goes on from is no input: it
does not enter the run's id, and a date stays current whatever becomes of the dates before it. What an earlier run read
stands in the commits with its rows, by version, and nowhere else: where such a commit, or the log between then and now,
is gone, the run begins anew.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promo_spark.contracts.schema import Table
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.freshness import code_version, digest, identities
from promo_spark.settings import Settings
from promo_spark.storage.commits import Commit, Mark, TableVersion
from promo_spark.storage.histories import writers
from promo_spark.storage.lake import Lake


@dataclass(frozen=True)
class EarlierRun:
    """A run of a job for an earlier date: what it read, and at which versions its rows can be read."""

    date: datetime.date
    run: str
    inputs: Mapping[str, TableVersion]
    tables: Mapping[str, int]


def made_by(job: Job, settings: Settings) -> str:
    """What rows are made by, beside their inputs and the date: the code and the settings, as a digest.

    Rows of an earlier date are gone on from only where it is the same.
    """
    return digest({"code": code_version(), "settings": identities(job, settings)})


def earlier_run(
    lake: Lake, job: Job, date: datetime.date, made: str, days: int, written: Sequence[type[Table]]
) -> EarlierRun | None:
    """The newest run for one of so many days before the date that can be gone on from; None: there is none.

    The rows of its date must be as it wrote them in all of the `written` tables: in whatever order dates were run,
    taken back or changed by others.
    """
    versions = {table: version for table in written if (version := lake.version(table)) is not None}
    if len(versions) < len(written):
        return None
    first, *others = written
    tables = {table.full_name(): version for table, version in versions.items()}
    found: dict[datetime.date, EarlierRun] = {}
    for day, commit in writers(lake, first, versions[first]):
        mark = _followed(commit, job, day, made) if date - datetime.timedelta(days) <= day < date else None
        if mark and all(_wrote(lake, table, versions[table], day, mark.run) for table in others):
            found[day] = EarlierRun(day, mark.run, mark.inputs, tables)
            if day == date - datetime.timedelta(1):  # there is no newer one
                break
    return found[max(found)] if found else None


def _followed(commit: Commit, job: Job, date: datetime.date, made: str) -> Mark | None:
    """What the commit says of itself, if the job made it for the date, as it would now, and says what it read."""
    mark = commit.mark
    if mark is None or not mark.inputs:
        return None
    as_now = (mark.job, mark.date, mark.made_by) == (job.name, date.isoformat(), made)
    return mark if as_now else None


def _wrote(lake: Lake, table: type[Table], version: int, date: datetime.date, run: str) -> bool:
    """Whether a version has the rows of the date as the run wrote them."""
    for found, commit in writers(lake, table, version):
        if found == date:
            return commit.mark is not None and commit.mark.run == run and commit.mark.date == date.isoformat()
    return False
