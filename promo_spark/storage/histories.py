"""What the commits of a table tell of its days and dates: who wrote the rows of a date, which days they touched."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from promo_spark.contracts.schema import Table
from promo_spark.storage.commits import Commit, TableVersion, commit, touched_partitions
from promo_spark.storage.jvm import jvm
from promo_spark.storage.lake import Lake


def with_id(lake: Lake, table: type[Table], version: int) -> TableVersion:
    """A version of the table, with the table's id."""
    snapshot = lake.log(table).unsafeVolatileSnapshot()
    return TableVersion(version, str(snapshot.metadata().id()))


def writers(lake: Lake, table: type[Table], newest: int) -> Iterator[tuple[datetime.date, Commit]]:
    """Each date of a table by date with the newest commit that was made for it or touched its rows, newest first.

    Commits up to the `newest` version count. It ends where Delta has cleaned up the log.
    """
    seen: set[str] = set()
    for version in range(newest, -1, -1):
        made = commit(lake.log(table), jvm(lake.spark), version)
        if made is None:
            return
        dates = {values.get(table.partition[0]) for values in _touched(lake, table, version)}
        if made.mark is not None:
            dates.add(made.mark.date)
        for date in sorted((date for date in dates if date and date not in seen), reverse=True):
            seen.add(date)
            yield datetime.date.fromisoformat(date), made


def days_touched(lake: Lake, table: type[Table], since: int, until: int) -> list[datetime.date] | None:
    """The days of a table by days whose files commits after a version added or removed, up to another version.

    None where the log does not tell any more: Delta has cleaned it up, or the table was set back.
    """
    if until < since:
        return None
    days: set[str] = set()
    for version in range(since + 1, until + 1):
        if commit(lake.log(table), jvm(lake.spark), version) is None:
            return None
        days |= {values.get(table.partition[0]) or "" for values in _touched(lake, table, version)}
    return sorted(datetime.date.fromisoformat(day) for day in days if day)


def _touched(lake: Lake, table: type[Table], version: int) -> list[dict[str, str]]:
    return [dict(values) for values in touched_partitions(lake.log(table), jvm(lake.spark), version)]
