"""Which files of its sources a run reads: all of them, or those that ops.files does not list as they are now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pyspark.sql import Row
from pyspark.sql import functions as F

from promo_spark.contracts.ops import SourceFiles
from promo_spark.contracts.silver import IdentityMap
from promo_spark.flows.ingest.paths import in_folder
from promo_spark.runtime.freshness import code_version
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import IngestSettings
from promo_spark.settings.sources import SourceSettings
from promo_spark.sources.mapping import mappings
from promo_spark.sources.persons import pseudonyms
from promo_spark.storage.file_digests import files_digest
from promo_spark.storage.files import Files
from promo_spark.storage.source_files import SourceFile, in_utc, listing, without_pattern

FILE_FORMATS = ("csv", "json", "parquet", "orc")
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

    @property
    def paths(self) -> list[str]:
        """The files to be read as Spark opens them; empty: all that are there."""
        return [] if len(self.read) == len(self.there) else [without_pattern(f.path) for f in self.read.values()]


def readings(ctx: Context[IngestSettings], key: bytes | None) -> dict[str, Reading]:
    """source → what of its files is to be read, for every source that is files."""
    sources = {n: s for n, s in ctx.settings.sources.items() if s.format in FILE_FORMATS}
    listed = listed_files(ctx)
    persons = _persons_digest(ctx) if sources else ""
    found = {}
    for name, source in sources.items():
        read_as = _read_as(ctx, source, key, persons)
        found[name] = reading(ctx, name, in_folder(ctx.settings, source.path), listed.get(name, {}), read_as)
    return found


def reading(ctx: Context[IngestSettings], name: str, path: str, listed: Mapping[str, Row], read_as: str) -> Reading:
    """All files of one source, to be read as a whole. `listed`: name of a file → its row of ops.files."""
    there = listing(ctx.spark, path, {file: _as_listed(row) for file, row in listed.items()}).files
    return _with_addresses(ctx, Reading(name, there, listed, there, {}, read_as))


def listed_files(ctx: Context[IngestSettings]) -> dict[str, dict[str, Row]]:
    """source → name of a file → its row of ops.files, of the sources of the settings or of all."""
    found: dict[str, dict[str, Row]] = {}
    of_settings = F.col(SourceFiles.source).isin(list(ctx.settings.sources)) if ctx.settings.sources else F.lit(True)
    for row in ctx.own(SourceFiles).filter(of_settings).collect():  # as many rows as the sources have files
        found.setdefault(row.source, {})[row.file] = row
    return found


def _with_addresses(ctx: Context[IngestSettings], of_source: Reading) -> Reading:
    files = Files(ctx.spark)
    return replace(of_source, addresses={name: files.uri(file.path) for name, file in of_source.read.items()})


def _as_listed(row: Row) -> SourceFile:
    return SourceFile(row.file, row.source_file, row.size, in_utc(row.modified_at), row.checksum)


def _read_as(ctx: Context[IngestSettings], source: SourceSettings, key: bytes | None, persons: str) -> str:
    """A digest of the mapping, of the settings and the code that judge rows, and of what rows are completed with."""
    parts = {
        "source": source.identity(),
        "judged by": {name: ctx.settings.identity()[name] for name in _JUDGED_BY},
        "timezone": ctx.business.timezone,
        "ids": pseudonyms.key_id(key),
        "code": code_version(),
        "lookups": _digests(ctx, (one.path for one in source.lookups)),
        "persons": persons,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _persons_digest(ctx: Context[IngestSettings]) -> str:
    """A digest of who is who: of the files of the identity maps. Another kind of map counts as new in every run."""
    maps = [s for n, s in ctx.settings.sources.items() if mappings.mapped_table(n, s) is IdentityMap]
    if any(source.format not in FILE_FORMATS for source in maps):
        return ctx.run_id
    return " ".join(_digests(ctx, (source.path for source in maps)))


def _digests(ctx: Context[IngestSettings], paths: Iterable[str]) -> list[str]:
    return [files_digest(ctx.spark, in_folder(ctx.settings, path)) for path in paths]
