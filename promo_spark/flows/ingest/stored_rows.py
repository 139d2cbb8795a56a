"""What silver holds beside a delivery of new files: which stored rows stay, which give way, which files come again."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.catalogue import QUARANTINE
from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Quarantined, Sourced
from promo_spark.flows.ingest.readings import Reading, with_files
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import IngestSettings
from promo_spark.sources.checks import rules

_MOST_ROUNDS = 3  # then all files of the table are read
_DUPLICATES = (rules.DUPLICATE_ROW.name, rules.DUPLICATE_KEY.name)


@dataclass(frozen=True)
class StoredRows:
    """The days that a delivery of new files rewrites, with the stored rows of them that stay.

    `held` rows were stored of the files that are read or removed; `gone` of them have no row of their key any more.
    """

    days: Sequence[datetime.date]
    kept: DataFrame
    kept_rows: int
    held: int
    gone: int


def with_files_of_same_keys(
    ctx: Context[IngestSettings],
    table: type[Table],
    of_table: Mapping[str, Reading],
    alike: Sequence[str],
    rows_of: Callable[[Mapping[str, Reading]], Sequence[DataFrame]],
) -> dict[str, Reading]:
    """The readings of a table's sources with the files whose rows have to be judged together with those of new files.

    These are the files with stored rows that are `alike` in these columns to rows that are read: of such rows one is a
    duplicate. Where a file lost rows, those of which a duplicate was rejected: it may be the only one now. Of other
    days no more than these columns is read.
    """
    found = dict(of_table)
    if not _unread(found) or not ctx.lake.exists(table):
        return found
    if any(r.changed or r.removed for r in found.values()):
        found = _reading_also(ctx, found, _files_with_duplicates(ctx, table, list(found)))
    stored = ctx.own(table).select(*alike, Sourced.source_file)
    for _ in range(_MOST_ROUNDS):
        unread = _unread(found)
        rows = rows_of(found) if unread else []
        if not rows:
            return found
        keys = [df.filter(~F.col(RawRow.blank)).select(*alike).dropna() for df in rows]
        read = functools.reduce(DataFrame.union, keys).distinct()
        same = stored.filter(_of_files(unread)).join(read, list(alike), "semi")
        again = {row[0] for row in same.select(Sourced.source_file).distinct().collect()}  # files
        if not again:
            return found
        found = _reading_also(ctx, found, again)
    return _reading_also(ctx, found, _unread(found))


def stored_rows(
    ctx: Context[IngestSettings], table: type[Table], readings: Sequence[Reading], accepted: DataFrame
) -> StoredRows | None:
    """What stays of the days that the accepted rows touch, and of those on which stored rows of their files lie.

    None where all files are read, or nothing is stored yet: days are then replaced by what is delivered.
    """
    day = rules.day_column(table)
    if day is None or not any(r.only_new for r in readings) or not ctx.lake.exists(table):
        return None
    replaced = set().union(*(r.replaced_files for r in readings))
    standing = set().union(*(r.standing_files for r in readings)) - replaced
    elsewhere = {r.listed[n].source_file for r in readings for n in r.elsewhere} & standing
    stored = ctx.own(table)
    before = stored.filter(_of_files(replaced))
    touched = [accepted.select(day), before.select(day)]
    same_key = stored.filter(_of_files(elsewhere)).join(accepted.select(*table.key), list(table.key), "semi")
    if elsewhere:  # a file under another name: rows of the one that is there count
        touched.append(same_key.select(day))
    days = sorted(row[0] for row in functools.reduce(DataFrame.union, touched).distinct().collect())  # as many as days
    kept = stored.filter(F.col(day).isin(days) & _of_files(standing))
    if elsewhere:
        kept = kept.join(accepted.select(*table.key), list(table.key), "anti")
    held = before.count()
    gone = before.select(*table.key).join(accepted.select(*table.key), list(table.key), "anti").count() if held else 0
    return StoredRows(days, kept, kept.count(), held, gone)


def _unread(readings: Mapping[str, Reading]) -> set[str]:
    """Files, as silver names them, that could be read again."""
    return {r.listed[n].source_file for r in readings.values() if r.only_new for n in r.unread if n in r.listed}


def _reading_also(ctx: Context[IngestSettings], readings: Mapping[str, Reading], files: set[str]) -> dict[str, Reading]:
    """The readings with files, as silver names them, read too."""
    return {
        source: with_files(ctx, r, [n for n in r.unread if n in r.listed and r.listed[n].source_file in files])
        for source, r in readings.items()
    }


def _files_with_duplicates(ctx: Context[IngestSettings], table: type[Table], sources: Sequence[str]) -> set[str]:
    rejected = ctx.own(QUARANTINE[table]).filter(F.col(Quarantined.source).isin(list(sources)))
    doubled = rejected.filter(F.arrays_overlap(Quarantined.reasons, F.array(*map(F.lit, _DUPLICATES))))
    return {row[0] for row in doubled.select(Quarantined.source_file).distinct().collect()}  # files


def _of_files(files: set[str]) -> Column:
    return F.col(Sourced.source_file).isin(sorted(files))
