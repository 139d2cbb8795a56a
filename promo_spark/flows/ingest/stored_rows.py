"""What silver holds beside a delivery of new files: which stored rows stay, which give way, which files come again."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.catalogue import QUARANTINE
from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import OrderLines, Quarantined, Sourced
from promo_spark.flows.ingest.readings import Reading, with_files
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import IngestSettings
from promo_spark.sources.checks import rules

_NAMED_IN_A_CONDITION = 100  # files: of thousands of names a condition takes long to build
LAST_LINE = "_last_line"
_MOST_ROUNDS = 3  # then all files of the table are read
_DUPLICATES = (rules.DUPLICATE_ROW.name, rules.DUPLICATE_KEY.name)


@dataclass(frozen=True)
class StoredRows:
    """The days that a delivery of new files rewrites, with the stored rows of them that stay.

    `held` rows were stored of the files that are read or removed; `gone` of them have no row of their key any more.
    `given_way`: file that is not at its place → its stored rows that are accepted rows of other files now. `superseded`
    are such files that have no other rows. `last_lines`: the last line number of an order among the rows that stay,
    where ingest numbers lines.
    """

    days: Sequence[datetime.date]
    kept: DataFrame
    kept_rows: int
    held: int
    gone: int
    given_way: Mapping[str, int]
    superseded: frozenset[str]
    last_lines: DataFrame | None = None


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
        same = of_files(stored, unread).join(read, list(alike), "left_semi")
        again = {row[0] for row in same.select(Sourced.source_file).distinct().collect()}  # files
        if not again:
            return found
        found = _reading_also(ctx, found, again)
    return _reading_also(ctx, found, _unread(found))


def stored_rows(
    ctx: Context[IngestSettings],
    table: type[Table],
    readings: Sequence[Reading],
    accepted: DataFrame,
    numbered: bool = False,
) -> StoredRows | None:
    """What stays of the days that the accepted rows touch, and of those on which stored rows of their files lie.

    None where all files are read, or nothing is stored yet: days are then replaced by what is delivered.

    Rows of files that are not at their place stay, but where an accepted row is the same: that of the same key or,
    where lines are `numbered` by ingest, of the same order and content. Its number says nothing there, as it was
    counted without the lines of the other file.
    """
    day, of_new_files = rules.day_column(table), [r for r in readings if r.only_new]
    if day is None or not of_new_files or not ctx.lake.exists(table):
        return None
    replaced = set().union(*(r.replaced_files for r in of_new_files))
    read_whole = set().union(*(r.addresses.values() for r in readings))
    standing = set().union(*(r.standing_files for r in of_new_files)) - replaced - read_whole
    elsewhere = {r.listed[n].source_file for r in of_new_files for n in r.elsewhere} & standing
    stored = ctx.own(table)
    before = of_files(stored, replaced)
    touched = [accepted.select(day), before.select(day)]
    same = _of_same_line(ctx) if numbered else list(table.key)
    rows = rules.accepted(accepted, ctx.run_id).select(*same).distinct()
    given_way: dict[str, int] = {}
    last_lines = None
    if elsewhere:  # a file under another name: rows of the one that is there count
        of_elsewhere = of_files(stored, elsewhere)
        given = of_elsewhere.join(rows, same, "left_semi")
        touched.append(given.select(day))
        counts = given.groupBy(Sourced.source_file).count().collect()  # as many as files
        given_way = {row[0]: row[1] for row in counts}
        if numbered:
            others = of_elsewhere.join(rows, same, "left_anti").groupBy(OrderLines.order_id)
            last_lines = others.agg(F.max(OrderLines.line_no).alias(LAST_LINE))
            accepted = after_last_lines(accepted, last_lines)
    days = sorted(row[0] for row in functools.reduce(DataFrame.union, touched).distinct().collect())  # as many as days
    kept = of_files(stored.filter(F.col(day).isin(days)), standing)
    if elsewhere:
        kept = kept.join(rows, same, "left_anti")
    gone = before.join(accepted.select(*table.key), list(table.key), "left_anti")
    whole = of_files(stored, given_way).groupBy(Sourced.source_file).count().collect() if given_way else []
    superseded = frozenset(row[0] for row in whole if row[1] == given_way[row[0]])
    return StoredRows(days, kept, kept.count(), before.count(), gone.count(), given_way, superseded, last_lines)


def after_last_lines(rows: DataFrame, last_lines: DataFrame) -> DataFrame:
    """Order lines that ingest numbered, with numbers that follow those of stored lines of their order."""
    last = F.coalesce(F.col(LAST_LINE), F.lit(0))
    rows = rows.join(last_lines, OrderLines.order_id, "left")
    return rows.withColumn(OrderLines.line_no, (F.col(OrderLines.line_no) + last).cast("int")).drop(LAST_LINE)


def _of_same_line(ctx: Context[IngestSettings]) -> list[str]:
    """The columns by which a line is the same one under another number: what is said in it, and not filled in."""
    said = (OrderLines.product_id, OrderLines.ts, OrderLines.quantity, OrderLines.amount_paid)
    return [OrderLines.order_id, *(c for c in said if c not in ctx.settings.cleaning.get(OrderLines.name, {}))]


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


def of_files(rows: DataFrame, files: Collection[str]) -> DataFrame:
    """The rows of these files, as silver names them."""
    if len(files) <= _NAMED_IN_A_CONDITION:
        return rows.filter(F.col(Sourced.source_file).isin(sorted(files)))
    names = T.StructType([T.StructField(Sourced.source_file, T.StringType())])
    listed = rows.sparkSession.createDataFrame([(file,) for file in sorted(files)], names)
    return rows.join(F.broadcast(listed), Sourced.source_file, "left_semi")
