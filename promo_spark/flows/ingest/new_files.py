"""What the gate is told of a delivery of new files: it is compared with such deliveries, not with all history."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import functions as F

from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import OrderLines
from promo_spark.errors import printable
from promo_spark.flows.ingest.judgement import Judged
from promo_spark.flows.ingest.readings import Reading
from promo_spark.runtime.context import REFUSED
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import IngestSettings
from promo_spark.sources.checks import rules
from promo_spark.sources.gate import verdicts as gate

_NAMED = 3
_BLANK, _UNREAD = "blank_rows", "unread_files"


def judged_as(ctx: Context[IngestSettings], judged: Judged, source: str) -> gate.Delivered:
    """What was delivered, as the gate is to judge it: of new files beside stored rows, what they bring."""
    counted, reading, table = judged.counted[source], judged.delivery.files.get(source), judged.delivery.table
    if reading is None or not reading.only_new:
        return counted.delivered
    brought = {reading.addresses[name] for name in (*reading.new, *reading.changed)}
    rows = sum(rows - blank for file, (rows, blank) in counted.by_file.items() if file in brought)
    rows = max(0, rows - _of_other_names(judged, reading))
    held = held_days(ctx, table) if judged.stored is not None else []
    repeated = counted.failed.get(rules.DUPLICATE_ROW.name, 0)
    return replace(counted.delivered, new_rows=rows, repeated=repeated, held_days=held)


def _of_other_names(judged: Judged, reading: Reading) -> int:
    """How many rows that are read were stored already, of files that are not at their place any more."""
    given_way = judged.stored.given_way if judged.stored else {}
    return sum(given_way.get(reading.listed[name].source_file, 0) for name in reading.elsewhere)


def nothing_new(ctx: Context[IngestSettings], table: type[Table]) -> gate.Delivered:
    """What is delivered by a source that has no new file: no row, beside the days that the table has."""
    return gate.Delivered(0, 0, 0, [], held_days=held_days(ctx, table))


def held_days(ctx: Context[IngestSettings], table: type[Table]) -> list[datetime.date]:
    """The days up to the date that the lake has rows of."""
    day = rules.day_column(table)
    if day is None:
        return []
    near = F.col(day).between(F.date_sub(F.lit(ctx.date), rules.FARTHEST_DAY), F.lit(ctx.date))
    return sorted(row[0] for row in ctx.own(table).filter(near).select(day).distinct().collect())  # as many as days


def usual_rows(ctx: Context[IngestSettings], judged: Judged, source: str) -> Sequence[int]:
    """Rows of earlier deliveries of the source that this one is to be compared with, the newest last.

    Where only new files are read: deliveries of other dates that left files unread. A first load, and one that reads
    again what was read before, be it of files with other names, are compared with nothing.
    """
    reading = judged.delivery.files.get(source)
    if judged.delivery.by_key:
        return ()
    if reading is None or not reading.only_new:
        return ctx.earlier_rows.get(source, ())
    brings_rows = (reading.new or reading.changed) and not _of_other_names(judged, reading)
    if not reading.leaves_files or not brings_rows:
        return ()
    told = ctx.own(DataQuality).filter(
        (F.col(DataQuality.source) == source)
        & F.col(DataQuality.rule).isin(_BLANK, _UNREAD)
        & (F.col(DataQuality.date) != F.lit(ctx.date))
        & ~F.col(DataQuality.run_id).endswith(REFUSED)
    )
    rows: dict[object, int] = {}
    left = set()
    for row in told.collect():  # two per date
        if row.rule == _UNREAD:
            left |= {row.date} if row.failed else set()
        elif row.rows > row.failed:
            rows[row.date] = row.rows - row.failed
    return [rows[date] for date in sorted(left & rows.keys(), key=str)]


def verdicts(judged: Judged, source: str) -> list[gate.Verdict]:
    """What the report says of the files that were left unread, and of stored rows that go; these have no limit."""
    reading, stored = judged.delivery.files.get(source), judged.stored
    if reading is None or not reading.only_new:
        return []
    left = len(reading.standing_files)
    if stored is None or source != judged.delivery.sources[0]:
        return gate.of_files(left=left, files=left + len(reading.read))
    return gate.of_files(left=left, files=left + len(reading.read), held=stored.held, gone=stored.gone)


def removed_orders_hint(judged: Judged) -> str:
    """Why orders go that a delivery of new files takes away; empty where the delivery holds whole days."""
    changed = [name for r in judged.delivery.readings if r.only_new for name in (*r.changed, *r.removed)]
    if judged.delivery.table is not OrderLines or not judged.delivery.only_new:
        return ""
    return f"files were changed or removed: {some_of(changed)}" if changed else "no file that is listed has them"


def say_what_is_read(ctx: Context[IngestSettings], readings: Sequence[Reading]) -> None:
    """Says in one line per source which files are read; it stays on the screen where a file changed or is gone."""
    for reading in readings:
        if not reading.only_new:
            continue
        told = [f"{len(reading.new):,} new files, {len(reading.unread):,} read before"]
        if reading.changed:
            told.append(f"changed: {some_of(reading.changed)}")
        again = set(reading.read) - set(reading.new) - set(reading.changed)
        if again:
            told.append(f"read again with them: {some_of(sorted(again))}")
        told += [f"{new} holds what {old} holds, its rows are duplicates" for new, old in _copies(reading)[:_NAMED]]
        removed = [name for name in reading.removed if name not in reading.superseded]
        if removed:
            told.append(f"gone, with their rows: {some_of(removed)}")
        if reading.superseded:
            told.append(f"gone, and all their rows are in other files: {some_of(sorted(reading.superseded))}")
        kept = [name for name in reading.vanished if name not in reading.removed]
        if kept:
            told.append(f'gone, their rows stay (vanished = "remove" takes them out): {some_of(kept)}')
        say = ctx.note if len(told) > 1 else ctx.say
        say(f"source {reading.source}: {'; '.join(told)}")


def _copies(reading: Reading) -> list[tuple[str, str]]:
    """New files with the content of another one that is there."""
    first: dict[str, str] = {}
    for name in sorted(reading.there, key=lambda n: (n in reading.new, n)):
        checksum = reading.there[name].checksum
        if checksum and reading.there[name].size:
            first.setdefault(checksum, name)
    copies = ((name, first.get(reading.there[name].checksum or "", name)) for name in sorted(reading.new))
    return [(name, other) for name, other in copies if other != name]


def some_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return printable(", ".join(names[:_NAMED])) + more
