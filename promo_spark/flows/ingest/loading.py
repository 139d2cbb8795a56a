"""What is judged is written: good rows to silver, rejected ones to quarantine, every row of a source in one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.catalogue import QUARANTINE
from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.restricted import RawRows
from promo_spark.contracts.schema import Table, WriteMode
from promo_spark.contracts.silver import Events, Holidays, OrderLines, Products, Quarantined
from promo_spark.errors import ContractError, SourceError
from promo_spark.flows.ingest.deliveries import Delivery
from promo_spark.flows.ingest.judgement import Counted, Judged
from promo_spark.runtime.job import Context, SourceCounts
from promo_spark.runtime.side_by_side import side_by_side
from promo_spark.settings.ingest import IngestSettings
from promo_spark.sources import holidays
from promo_spark.sources.checks import rules
from promo_spark.sources.persons import encryption, pseudonyms
from promo_spark.sources.persons.suppression import ERASED_PERSON
from promo_spark.storage import landing
from promo_spark.storage.literals import SliceValue


def refuse_missing_tables(fed: Collection[type[Table]]) -> None:
    """Raises SourceError where nothing feeds a table that the other jobs cannot do without."""
    if OrderLines not in fed and Events not in fed:
        raise SourceError(
            "ingest has no source for silver.order_lines nor for silver.events: add [ingest.sources.order_lines]"
        )
    if OrderLines in fed and Products not in fed:
        raise SourceError(
            "ingest has no source for silver.products, which order lines refer to: add [ingest.sources.products]; "
            "where the shop has no list, the file of orders can give it, with distinct = true"
        )


def load(ctx: Context[IngestSettings], judgements: list[Judged], key: bytes | None) -> None:
    """Writes every delivery as it was judged, and the holidays where the retailer brings none."""
    if not any(j.delivery.table is Holidays for j in judgements) and ctx.business.holiday_countries:
        _write_holidays(ctx)
    side_by_side(lambda judged: _load(ctx, judged, key), judgements)


def count_nothing_new(ctx: Context[IngestSettings], sources: Iterable[str]) -> None:
    """Counts no rows of the sources whose files are all listed as they are."""
    for source in sources:
        ctx.count_source(source, SourceCounts(0, 0, 0, 0, {}))


def _write_holidays(ctx: Context[IngestSettings]) -> None:
    """Writes holidays and festivals of the years around the date."""
    years = range(ctx.date.year - ctx.business.holiday_years, ctx.date.year + 2)
    rows = holidays.holiday_rows(ctx.business.holiday_countries, years)
    given = {Holidays.source_file: holidays.SOURCE_FILE, Holidays.run_id: ctx.run_id}
    ctx.write(Holidays, [row | given for row in rows])


def _load(ctx: Context[IngestSettings], judged: Judged, key: bytes | None) -> None:
    """Writes the good and the rejected rows of a delivery. SourceError where its files changed meanwhile."""
    delivery, table = judged.delivery, judged.delivery.table
    ctx.say(f"{delivery.name} → {table.full_name()}")
    losers = None if judged.suspects is None else rules.bad(judged.suspects)
    rows, stored, replaced_days = rules.accepted(judged.accepted, ctx.run_id), judged.stored, {}
    if stored is not None:
        rows = table.conform(rows).unionByName(stored.kept)
        replaced_days = {table.partition[0]: stored.days}
    applied = delivery.gone_rows if delivery.deletes == "apply" else 0
    gone = delivery.gone if applied else None
    rows = encryption.encrypted(table, rows, _encryption_key(ctx))
    written = ctx.write(table, rows, replaced_days, by_key=delivery.by_key, gone=gone)
    balances = {source: _balance(judged, source, counted, applied) for source, counted in judged.counted.items()}
    expected = sum(counts.accepted for counts in balances.values()) + (stored.kept_rows if stored else 0)
    if table.write_mode is not WriteMode.MERGE and not delivery.by_key and written.rows != expected:
        raise SourceError(
            f"source {delivery.name} changed while it was read: {expected} rows accepted, then {written.rows} read "
            f"for {table.full_name()}; nothing was loaded, run again when the delivery is complete"
        )
    for source, counted in judged.counted.items():
        # The source is read once more only where some row of it was rejected for itself.
        bad = rules.bad(judged.screened).filter(F.lit(counted.alone > 0))
        bad = (bad.unionByName(losers) if losers is not None else bad).filter(F.col(IncomingRow.source) == source)
        _quarantine(ctx, delivery, source, bad, counted.delivered.rejected, key)
        ctx.count_source(source, balances[source])


def _balance(judged: Judged, source: str, counted: Counted, applied: int) -> SourceCounts:
    """Rows of a source in, accepted, quarantined, blank; what was deleted there is a row in, too."""
    delivered, gone = counted.delivered, judged.delivery.gone_rows
    rejecting = [r.name for r in judged.rules if r.criticality == rules.REJECT]
    reasons = {name: counted.failed[name] for name in rejecting if counted.failed[name]}
    if judged.delivery.erased.get(source):
        reasons[ERASED_PERSON] = judged.delivery.erased[source]
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
    """Writes the source's rejected rows in place of those of its last load.

    Of single rows, and where files are left unread, in place of those of the same files: what another file delivered
    stays rejected, as this one says nothing about it. Given a key, what is raw
    in them goes to restricted.raw_rows, and quarantine has its digest.
    """
    quarantine = QUARANTINE[delivery.table]
    if expected == 0 and not ctx.lake.exists(quarantine):
        return
    if expected and source in delivery.text_paths:
        paths = delivery.files[source].paths if source in delivery.files else ()
        bad = landing.numbered(ctx.spark, delivery.text_paths[source], bad, rules.LINE, paths)
    replaced: dict[str, SliceValue] = {Quarantined.source: source}
    whole_table = any(reading.reads_all for reading in delivery.tables.values())
    if delivery.by_key and not whole_table:
        files = sorted(r[0] for r in delivery.rows.select(RawRow.file).distinct().collect())
        replaced[Quarantined.source_file] = files
    elif source in delivery.files and delivery.files[source].leaves_files:
        replaced[Quarantined.source_file] = sorted(delivery.files[source].replaced_files)
    rejected = rules.quarantined(bad, source, ctx.run_id)
    if key is not None:
        _set_aside(ctx, delivery.table, rejected, replaced, key)
        rejected = pseudonyms.without_raw(rejected, key)
    written = ctx.write(quarantine, rejected, replaced)
    if written.rows != expected:
        raise ContractError(f"{quarantine.full_name()}: {expected} rows rejected, {written.rows} written")


def _set_aside(
    ctx: Context[IngestSettings],
    table: type[Table],
    rejected: DataFrame,
    replaced: Mapping[str, SliceValue],
    key: bytes,
) -> None:
    """Writes the raw rows of rejected rows in place of those whose rows in quarantine are `replaced`."""
    rows = encryption.encrypted(RawRows, pseudonyms.raw_rows(table, rejected, key), _encryption_key(ctx))
    ctx.write(RawRows, rows, {RawRows.table: table.name, **replaced})


def _encryption_key(ctx: Context[IngestSettings]) -> bytes | None:
    return encryption.encryption_key(ctx.business.privacy.encryption_key_secret)
