"""ops.files is written: which files and tables a run took in, how far, and what became of their rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import functions as F

from promo_spark.contracts.catalogue import QUARANTINE
from promo_spark.contracts.ops import SourceFiles
from promo_spark.contracts.silver import Quarantined
from promo_spark.errors import ContractError
from promo_spark.flows.ingest.judgement import Judged
from promo_spark.flows.ingest.new_files import some_of
from promo_spark.flows.ingest.watermarks import listed_as
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import IngestSettings


def write_files(ctx: Context[IngestSettings], judgements: Sequence[Judged]) -> None:
    """Writes a row of ops.files per file that was read, in one commit after all rows were written.

    A run that is killed in between has rows of files that are not listed: the next one reads these files again, and
    its rows take the place of theirs. A run that fails takes the list back first.
    """
    rows = [row for judged in judgements for source in judged.delivery.files for row in _files_of(ctx, judged, source)]
    rows += [_table_of(judged, source) for judged in judgements for source in judged.delivery.tables]
    removed = [
        {SourceFiles.source: reading.source, SourceFiles.file: name}
        for judged in judgements
        for reading in judged.delivery.readings
        for name in (reading.removed if reading.only_new else ())
    ]
    _say_what_brought_nothing(ctx, rows)
    if rows:
        gone = SourceFiles.frame(ctx.spark, removed).select(*SourceFiles.key).coalesce(1) if removed else None
        ctx.write(SourceFiles, rows, gone=gone)


def _files_of(ctx: Context[IngestSettings], judged: Judged, source: str) -> list[dict[str, Any]]:
    reading, counted, table = judged.delivery.files[source], judged.counted[source], judged.delivery.table
    quarantined = _quarantined(ctx, judged, source)
    rows: list[dict[str, Any]] = []
    for name, file in reading.read.items():
        address = reading.addresses[name]
        rows_in, blank = counted.by_file.get(address, (0, 0))
        rejected = quarantined.get(address, 0)
        rows.append(
            {
                SourceFiles.source: source,
                SourceFiles.file: name,
                SourceFiles.source_file: address,
                SourceFiles.table: table.full_name(),
                SourceFiles.size: file.size,
                SourceFiles.modified_at: file.modified_at,
                SourceFiles.checksum: file.checksum,
                SourceFiles.read_as: reading.read_as,
                SourceFiles.rows_in: rows_in,
                SourceFiles.accepted: rows_in - blank - rejected,
                SourceFiles.quarantined: rejected,
                SourceFiles.blank: blank,
            }
        )
    missing = counted.delivered.rows_in - sum(counted.by_file.get(a, (0, 0))[0] for a in reading.addresses.values())
    if missing or sum(quarantined.values()) != counted.delivered.rejected:
        raise ContractError(f"source {source}: {missing} rows of no file in its list, so nothing is kept")
    return rows


def _say_what_brought_nothing(ctx: Context[IngestSettings], rows: Sequence[Mapping[str, Any]]) -> None:
    """Names the files, of sources that have several, of which every row was rejected, and those that have no row."""
    of_files = (row for row in rows if row.get(SourceFiles.file))
    for source, of_source in itertools.groupby(of_files, lambda row: row[SourceFiles.source]):
        files = list(of_source)
        if len(files) < 2:
            continue
        rejected = [f[SourceFiles.file] for f in files if f[SourceFiles.quarantined] and not f[SourceFiles.accepted]]
        empty = [f[SourceFiles.file] for f in files if f[SourceFiles.rows_in] == f[SourceFiles.blank]]
        told = [f"all rows are rejected of {some_of(rejected)}"] if rejected else []
        told += [f"no row is in {some_of(empty)}"] if empty else []
        if told:
            ctx.note(f"source {source}: {'; '.join(told)}")


def _table_of(judged: Judged, source: str) -> dict[str, Any]:
    delivered = judged.counted[source].delivered
    return {
        SourceFiles.source: source,
        SourceFiles.table: judged.delivery.table.full_name(),
        SourceFiles.rows_in: delivered.rows_in,
        SourceFiles.accepted: delivered.rows_in - delivered.blank - delivered.rejected,
        SourceFiles.quarantined: delivered.rejected,
        SourceFiles.blank: delivered.blank,
        **listed_as(judged.delivery.tables[source]),
    }


def _quarantined(ctx: Context[IngestSettings], judged: Judged, source: str) -> dict[str, int]:
    """file → its rows in quarantine."""
    reading, counted = judged.delivery.files[source], judged.counted[source]
    if not counted.delivered.rejected:
        return {}
    if len(reading.read) == 1:
        return dict.fromkeys(reading.addresses.values(), counted.delivered.rejected)
    rejected = ctx.own(QUARANTINE[judged.delivery.table]).filter(F.col(Quarantined.source) == source)
    counts = rejected.groupBy(Quarantined.source_file).count().collect()  # as many rows as there are files
    read = set(reading.addresses.values())
    return {row[0]: row[1] for row in counts if row[0] in read}
