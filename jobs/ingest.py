"""Take a retailer's data in: raw files → silver.*, and every rejected row → quarantine.* with its reasons.

The sources are chosen in [ingest] of the settings: `complete_journey`, the demo's retailer, or `files`: any
CSV, JSON-lines, Parquet, ORC or Delta files, tables of databases and change feeds of Delta tables, under an
explicit mapping of columns; ready mappings of known data sets lie in conf/sources. Loading the same input
again changes nothing. Every source is judged before anything is written: what a check rejects is quarantined,
a delivery that breaks a limit of [ingest.gate] is refused as a whole. Rows in = accepted + quarantined +
blank, per source, is proved in ops.runs; what was judged and found, in ops.data_quality and its page.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts import QUARANTINE, RESTRICTED_TABLES, SILVER
from promo_spark.contracts.ops import DataQuality, SourceColumns
from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.schema import Table, WriteMode
from promo_spark.contracts.silver import Events, Holidays, IdentityMap, OrderLines, Products, Quarantined
from promo_spark.errors import ContractError, SourceError
from promo_spark.flows.ingest import identities as _identities
from promo_spark.flows.ingest.deliveries import Delivery, deliveries, sources_digest
from promo_spark.flows.ingest.judgement import LARGEST, Counted, Judged, judged, side_by_side
from promo_spark.flows.ingest.quality_report import known_columns, pass_gate, write_columns, write_report
from promo_spark.runtime.job import Context, SourceCounts, job
from promo_spark.settings import IngestSettings
from promo_spark.sources import changes as rows_of
from promo_spark.sources import holidays
from promo_spark.sources.checks import predicates
from promo_spark.sources.checks import rules as checks
from promo_spark.sources.persons import channels as identities
from promo_spark.sources.persons import pseudonyms
from promo_spark.storage import landing
from promo_spark.storage.lake import SliceValue


@job(
    reads=[],
    writes=[*SILVER, *RESTRICTED_TABLES, *QUARANTINE.values(), DataQuality, SourceColumns],
    settings=IngestSettings,
    inputs=sources_digest,
)
def run(ctx: Context[IngestSettings]) -> None:
    handed = sorted(deliveries(ctx), key=lambda d: d.table not in LARGEST)
    _require_tables({d.table for d in handed})
    handed = _of_persons(ctx, handed)
    key = _identities.recorded_key(ctx, [(d.table, d.rows) for d in handed])
    found = judged(ctx, [_as_kept(ctx, d, key) for d in handed])
    known = known_columns(ctx)
    report = pass_gate(ctx, found, known)
    if not any(d.table is Holidays for d in handed) and ctx.business.holiday_countries:
        _write_holidays(ctx)
    side_by_side(lambda one: _load(ctx, one, key), found)
    write_columns(ctx, handed, known)
    write_report(ctx, found, report)


def _require_tables(fed: set[type[Table]]) -> None:
    if OrderLines not in fed and Events not in fed:
        raise SourceError(
            "ingest has no source for silver.order_lines nor for silver.events: add [ingest.sources.order_lines]"
        )
    if OrderLines in fed and Products not in fed:
        raise SourceError(
            "ingest has no source for silver.products, which order lines refer to: add [ingest.sources.products]; "
            "where the shop has no list, the file of orders can give it, with distinct = true"
        )


def _of_persons(ctx: Context[IngestSettings], handed: Sequence[Delivery]) -> list[Delivery]:
    """The deliveries with the ids of channels replaced by persons, where the retailer says who is who."""
    run = predicates.Circumstances(ctx.date, ctx.business.timezone)
    maps = [d for d in handed if d.table is IdentityMap]
    if not maps:
        return list(handed)
    by = checks.rules(IdentityMap, run, ctx.settings.policies)
    columns = [*IdentityMap.key, IdentityMap.user_id]
    known = [checks.good(checks.screened(IdentityMap, d.rows, by)).select(*columns) for d in maps]
    if any(d.by_key for d in maps):
        known.append(ctx.own(IdentityMap).select(*columns))
    persons = ctx.keep(functools.reduce(DataFrame.union, known))
    return [replace(d, rows=identities.with_persons(d.table, d.rows, persons)) for d in handed]


def _as_kept(ctx: Context[IngestSettings], delivery: Delivery, key: bytes | None) -> Delivery:
    """The delivery with what its rows may say of persons, and with what is gone at its source."""
    rows = predicates.with_test_users(delivery.rows, ctx.settings.test_users)
    rows = pseudonyms.protected(delivery.table, rows, key)
    if delivery.gone is None:
        return replace(delivery, rows=rows)
    gone = pseudonyms.protected(delivery.table, delivery.gone, key)
    if delivery.whole_feed:
        gone = rows_of.no_longer_there(delivery.table, ctx.own(delivery.table), rows, delivery.whole_feed)
    gone = ctx.keep(gone)
    return replace(delivery, rows=rows, gone=gone, gone_rows=gone.count())


def _write_holidays(ctx: Context[IngestSettings]) -> None:
    """Holidays and festivals of the years around the date, where the retailer brings none of its own."""
    years = range(ctx.date.year - ctx.business.holiday_years, ctx.date.year + 2)
    rows = holidays.holiday_rows(ctx.business.holiday_countries, years)
    given = {Holidays.source_file: holidays.SOURCE_FILE, Holidays.run_id: ctx.run_id}
    ctx.write(Holidays, Holidays.frame(ctx.spark, [row | given for row in rows]).coalesce(1))


def _load(ctx: Context[IngestSettings], found: Judged, key: bytes | None) -> None:
    """Writes what is accepted and what is not, as found."""
    delivery, table = found.delivery, found.delivery.table
    ctx.say(f"{delivery.name} → {table.full_name()}")
    accepted, losers = checks.good(found.screened), None
    if found.suspects is not None:
        alone = checks.without_doubled_key(table, found.screened, found.doubled_keys)
        accepted = alone.unionByName(checks.good(found.suspects))
        losers = checks.bad(found.suspects)
    applied = delivery.gone_rows if delivery.deletes == "apply" else 0
    written = ctx.write(
        table, checks.accepted(accepted, ctx.run_id), by_key=delivery.by_key, gone=delivery.gone if applied else None
    )
    balances = {source: _balance(found, counted, applied) for source, counted in found.counted.items()}
    expected = sum(counts.accepted for counts in balances.values())
    if table.write_mode is not WriteMode.MERGE and not delivery.by_key and written.rows != expected:
        raise SourceError(
            f"source {delivery.name} changed while it was read: {expected} rows accepted, then {written.rows} found "
            f"for {table.full_name()}; nothing was loaded, run again when the delivery is complete"
        )
    for source, counted in found.counted.items():
        # The source is read once more only where some row of it was rejected for itself.
        bad = checks.bad(found.screened).filter(F.lit(counted.alone > 0))
        bad = (bad.unionByName(losers) if losers is not None else bad).filter(F.col(IncomingRow.source) == source)
        _quarantine(ctx, delivery, source, bad, counted.delivered.rejected, key)
        ctx.count_source(source, balances[source])


def _balance(found: Judged, counted: Counted, applied: int) -> SourceCounts:
    """Rows of a source in, accepted, quarantined, blank; what was deleted there is a row in, too."""
    delivered, gone = counted.delivered, found.delivery.gone_rows
    reasons = {
        r.name: counted.failed[r.name] for r in found.rules if r.criticality == checks.REJECT and counted.failed[r.name]
    }
    return SourceCounts(
        rows_in=delivered.rows_in + gone,
        accepted=delivered.rows_in - delivered.blank - delivered.rejected + applied,
        quarantined=delivered.rejected,
        blank=delivered.blank + gone - applied,
        reasons=reasons | ({"deleted_at_source": gone} if gone else {}),
    )


def _quarantine(
    ctx: Context[IngestSettings], delivery: Delivery, source: str, bad: DataFrame, expected: int, key: bytes | None
) -> None:
    """The source's rejected rows in place of those of its last load; of single rows, of those of the same file.

    What an earlier file delivered stays rejected: the next one says nothing about it. Given a key, what is raw
    in them goes to restricted.raw_rows, and quarantine has its digest.
    """
    quarantine = QUARANTINE[delivery.table]
    if expected == 0 and not ctx.lake.exists(quarantine):
        return
    if expected and source in delivery.text_paths:
        bad = landing.numbered(ctx.spark, delivery.text_paths[source], bad, checks.LINE)
    replaced: dict[str, SliceValue] = {"source": source}
    if delivery.by_key:
        files = sorted(r[0] for r in delivery.rows.select(RawRow.file).distinct().collect())
        replaced[Quarantined.source_file] = files
    rejected = checks.quarantined(bad, source, ctx.run_id)
    if key is not None:
        _identities.set_aside(ctx, delivery.table, rejected, replaced, key)
        rejected = pseudonyms.without_raw(rejected, key)
    kept_aside = ctx.write(quarantine, rejected, replaced)
    if kept_aside.rows != expected:
        raise ContractError(f"{quarantine.full_name()}: {expected} rows rejected, {kept_aside.rows} kept aside")
