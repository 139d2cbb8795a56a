"""Which files of its sources a run reads: all of them, or those that ops.files does not list as they are now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from pyspark.sql import Row
from pyspark.sql import functions as F

from promo_spark.contracts.ops import SourceFiles
from promo_spark.contracts.silver import IdentityMap
from promo_spark.flows.ingest.paths import in_folder, undated
from promo_spark.runtime.freshness import code_version, digest
from promo_spark.runtime.job import Context
from promo_spark.settings.dated_paths import dated_path, is_dated
from promo_spark.settings.ingest import IngestSettings
from promo_spark.settings.sources import FILE_FORMATS, READ_BY_FILE, SourceSettings
from promo_spark.sources.mapping import mappings
from promo_spark.sources.persons import pseudonyms
from promo_spark.storage.delta_files import DeltaFiles, delta_files
from promo_spark.storage.file_digests import files_digest
from promo_spark.storage.files import Files
from promo_spark.storage.source_files import SourceFile, in_utc, listing, without_pattern

# Settings that say which rows are read and how, and nothing of what they are.
_ABOUT_READING = ("read", "vanished", "overlap", "partition_column", "partitions", "lower_bound", "upper_bound")
_JUDGED_BY = ("policies", "checks", "cleaning", "mostly_missing", "test_users", "bot_events_per_minute")


@dataclass(frozen=True)
class Reading:
    """The files of a source, by their names: those that are there, those that ops.files lists, those to be read."""

    source: str
    there: Mapping[str, SourceFile]
    listed: Mapping[str, Row]
    read: Mapping[str, SourceFile]
    addresses: Mapping[str, str]  # name of a file to be read → the file as Spark's rows name it
    read_as: str  # digest of what the rows of a file depend on beside the file
    only_new: bool = False
    removes_vanished: bool = False
    in_folder: bool = True  # False: the path is a single file
    dated: bool = False  # the path holds the date: it shows nothing of the files of other dates
    of_lines: bool = True  # text: an empty file is a file without lines, and not a damaged one
    of_table: DeltaFiles | None = None  # the files are those of a Delta table
    superseded: frozenset[str] = frozenset()  # vanished files of which every row is in files that are there

    @property
    def paths(self) -> list[str]:
        """The files to be read as Spark opens them; empty: all that are there."""
        return [] if len(self.read) == len(self.there) else [without_pattern(f.path) for f in self._readable()]

    @property
    def has_nothing_to_read(self) -> bool:
        """Whether all that is there was taken in before. A source of which nothing was is read, be it to be refused."""
        return self.only_new and bool(self.listed) and not self._readable()

    def _readable(self) -> list[SourceFile]:
        return [file for file in self.read.values() if file.size or not self.of_lines]

    @property
    def leaves_files(self) -> bool:
        """Whether files that were taken in before are neither read nor removed."""
        return self.only_new and bool(self.standing_files)

    @property
    def new(self) -> list[str]:
        return [name for name in self.read if name not in self.listed]

    @property
    def changed(self) -> list[str]:
        """Listed files that hold something else now."""
        return [
            n for n, file in self.read.items() if n in self.listed and not file.is_same_as(_as_listed(self.listed[n]))
        ]

    @property
    def unread(self) -> list[str]:
        return [name for name in self.there if name not in self.read]

    @property
    def elsewhere(self) -> list[str]:
        """Listed files that are not at the path."""
        return [name for name in self.listed if name not in self.there]

    @property
    def vanished(self) -> list[str]:
        return [] if self.dated else self.elsewhere

    @property
    def removed(self) -> list[str]:
        """Vanished files that are listed no more, and whose rows go.

        As the settings say, because a file of another name lies in their place, or because others have their rows.
        """
        addresses = set(self.addresses.values())
        vanished = {*self.superseded, *(self.vanished if self.removes_vanished else ())}
        return [n for n in self.elsewhere if n in vanished or self.listed[n].source_file in addresses]

    def with_superseded(self, files: Collection[str]) -> Reading:
        """The reading with those of the files, as silver names them, superseded that are vanished ones of it."""
        return replace(self, superseded=frozenset(n for n in self.vanished if self.listed[n].source_file in files))

    @property
    def replaced_files(self) -> set[str]:
        """Files, as silver names them, whose stored rows give way to what is read."""
        listed = [self.listed[n].source_file for n in (*self.read, *self.removed) if n in self.listed]
        return {*self.addresses.values(), *listed}

    @property
    def standing_files(self) -> set[str]:
        """Files, as silver names them, that are not read and whose stored rows stay."""
        standing = {self.listed[n].source_file for n in (*self.unread, *self.elsewhere) if n in self.listed}
        return standing - self.replaced_files


def readings(ctx: Context[IngestSettings], key: bytes | None) -> dict[str, Reading]:
    """source → what of its files is to be read, for every source that is files.

    Where only what is new is read: files that ops.files does not list, or lists with another content, or as read by
    another mapping, other settings or other code. With --force all that are there are read.
    """
    by_file = {n: s for n, s in ctx.settings.sources.items() if s.format in READ_BY_FILE}
    sources = {n: s for n, s in by_file.items() if s.format in FILE_FORMATS or s.read == "new"}
    listed = listed_files(ctx)
    persons = persons_digest(ctx) if sources else ""
    found = {}
    for name, source in sources.items():
        digest = read_as(ctx, source, key, persons)
        of_source = reading(ctx, name, undated(ctx.settings, source.path), listed.get(name, {}), digest, source.format)
        table = mappings.mapped_table(name, source)
        by_default = of_source.in_folder and mappings.may_read_what_is_new(table, source)
        if source.read == "new" or (source.read == "" and by_default):
            of_source = replace(of_source, of_lines=source.format in ("csv", "json"))
            removes_vanished = source.vanished == "remove" or (source.format == "delta" and not source.vanished)
            found[name] = _of_new_files(ctx, of_source, ctx.lake.exists(table), removes_vanished)
        else:
            found[name] = with_files(ctx, of_source, of_source.there)
    return found


def reading(
    ctx: Context[IngestSettings],
    name: str,
    path: str,
    listed: Mapping[str, Row],
    read_as: str,
    file_format: str = "parquet",
) -> Reading:
    """The files of one source, none of them to be read yet. `listed`: name of a file → its row of ops.files.

    Where the path holds the date, files of other dates lie elsewhere: names are below the folder of all dates.
    """
    listed = {file: row for file, row in listed.items() if row.size is not None}  # before, it may have been a table
    if file_format == "delta":
        table = delta_files(ctx.spark, dated_path(path, ctx.date))
        return Reading(name, table.files, listed, {}, {}, read_as, dated=is_dated(path), of_table=table)
    known = {file: _as_listed(row) for file, row in listed.items()}
    found = listing(ctx.spark, dated_path(path, ctx.date), known, below=path)
    dated = is_dated(path)
    return Reading(name, found.files, listed, {}, {}, read_as, in_folder=dated or not found.single, dated=dated)


def with_files(ctx: Context[IngestSettings], of_source: Reading, names: Iterable[str]) -> Reading:
    """The reading with these files read too."""
    files = Files(ctx.spark)
    added = [name for name in names if name not in of_source.read]
    table = of_source.of_table
    addresses = {n: table.address(n) if table else files.uri(of_source.there[n].path) for n in added}
    read = {**of_source.read, **{name: of_source.there[name] for name in added}}
    return replace(of_source, read=read, addresses={**of_source.addresses, **addresses})


def _of_new_files(ctx: Context[IngestSettings], of_source: Reading, loaded: bool, removes_vanished: bool) -> Reading:
    """What is new of the files of a source. Where its table is not there, whatever is listed has to come again."""
    listed = of_source.listed if loaded else {}

    def is_new(name: str) -> bool:
        row = listed.get(name)
        if ctx.force or row is None or row.read_as != of_source.read_as:
            return True
        return not of_source.there[name].is_same_as(_as_listed(row))

    new = [name for name in of_source.there if is_new(name)]
    of_source = replace(of_source, listed=listed, only_new=True, removes_vanished=removes_vanished)
    of_source = with_files(ctx, of_source, new)
    lost = [*of_source.removed, *of_source.changed]
    if lost and of_source.has_nothing_to_read:  # rows go and none come: they are judged beside those of another file
        others = sorted((file.size, name) for name, file in of_source.there.items() if file.size)
        of_source = with_files(ctx, of_source, [name for _, name in others[:1]])
    return of_source


def listed_files(ctx: Context[IngestSettings]) -> dict[str, dict[str, Row]]:
    """source → name of a file or table → its row of ops.files, of the sources of the settings or of all."""
    found: dict[str, dict[str, Row]] = {}
    if not ctx.lake.exists(SourceFiles):
        return found
    of_settings = F.col(SourceFiles.source).isin(list(ctx.settings.sources)) if ctx.settings.sources else F.lit(True)
    for row in ctx.own(SourceFiles).filter(of_settings).collect():  # as many rows as the sources have files
        found.setdefault(row.source, {})[row.file] = row
    return found


def _as_listed(row: Row) -> SourceFile:
    return SourceFile(row.file, row.source_file, row.size, in_utc(row.modified_at), row.checksum)


def read_as(ctx: Context[IngestSettings], source: SourceSettings, key: bytes | None, persons: str) -> str:
    """A digest of the mapping, of the settings and the code that judge rows, and of what rows are completed with."""
    parts = {
        "source": {k: v for k, v in source.identity().items() if k not in _ABOUT_READING},
        "judged by": {name: ctx.settings.identity()[name] for name in _JUDGED_BY},
        "timezone": ctx.business.timezone,
        "ids": pseudonyms.key_id(key),
        "code": code_version(),
        "lookups": _digests(ctx, (one.path for one in source.lookups)),
        "persons": persons,
    }
    return digest(parts)


def persons_digest(ctx: Context[IngestSettings]) -> str:
    """A digest of who is who: of the files of the identity maps. Another kind of map counts as new in every run."""
    maps = [s for n, s in ctx.settings.sources.items() if mappings.mapped_table(n, s) is IdentityMap]
    if any(source.format not in FILE_FORMATS for source in maps):
        return ctx.run_id
    return " ".join(_digests(ctx, (source.path for source in maps)))


def _digests(ctx: Context[IngestSettings], paths: Iterable[str]) -> list[str]:
    return [files_digest(ctx.spark, in_folder(ctx.settings, path, ctx.date)) for path in paths]
