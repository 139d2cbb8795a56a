"""Tables of a database that are read by a watermark: which rows a run reads, and how far it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame

from promo_spark.contracts.ops import SourceFiles
from promo_spark.contracts.schema import Table
from promo_spark.flows.ingest.readings import listed_files, persons_digest, read_as
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import IngestSettings
from promo_spark.settings.sources import SourceSettings
from promo_spark.storage import databases
from promo_spark.storage.watermarks import Watermark


@dataclass(frozen=True)
class TableReading:
    """What a run reads of a database's table: the rows since a watermark, or all; and the newest one that is there."""

    table: str
    origin: str
    read_as: str
    since: Watermark | None
    newest: Watermark | None

    @property
    def reads_all(self) -> bool:
        return self.since is None


def table_reading(
    ctx: Context[IngestSettings], name: str, source: SourceSettings, table: type[Table], key: bytes | None
) -> TableReading:
    """Which rows of the source's table are to be read: those since the watermark that ops.files has, less the overlap.

    All where it has none, where they were read by another mapping, other settings or other code, and with --force. A
    run that was killed has no watermark in ops.files, so that the next one reads the same rows again and merges them
    by key. Says so where the table's newest watermark is older than the one that was read.
    """
    newest = databases.newest_watermark(ctx.spark, name, source, ctx.settings.connections[source.connection])
    digest = read_as(ctx, source, key, persons_digest(ctx))
    listed = listed_files(ctx).get(name, {}).get(source.db_table)
    taken_to = listed.taken_to if listed is not None and listed.read_as == digest and not ctx.force else None
    since = None
    if taken_to and newest is not None and ctx.lake.exists(table):
        taken = Watermark(taken_to, newest.kind)
        since = taken.lower(newest).before(name, source.overlap)
        if since.text != taken.before(name, source.overlap).text:
            ctx.note(
                f"source {name}: the newest {source.watermark_column} of {source.db_table} is {newest.text}, and was "
                f"{taken.text}: rows are read from {since.text} on; rows that are gone there stay here"
            )
        else:
            ctx.say(f"source {name}: rows of {source.db_table} with {source.watermark_column} from {since.text} on")
    return TableReading(source.db_table, databases.origin(source), digest, since, newest)


def rows_of(
    ctx: Context[IngestSettings], name: str, source: SourceSettings, columns: Sequence[str], since: Watermark | None
) -> DataFrame:
    """The raw rows of the source's table, read once: it may change meanwhile."""
    connection = ctx.settings.connections[source.connection]
    rows = ctx.keep(databases.table_rows(ctx.spark, name, source, connection, columns, since))
    databases.refusing_unreadable(name, source, connection, rows.count)
    return rows


def listed_as(reading: TableReading) -> dict[str, str | None]:
    """What ops.files says of the table, beside the counts of its rows."""
    return {
        SourceFiles.file: reading.table,
        SourceFiles.source_file: reading.origin,
        SourceFiles.taken_to: reading.newest.text if reading.newest else None,
        SourceFiles.read_as: reading.read_as,
    }
