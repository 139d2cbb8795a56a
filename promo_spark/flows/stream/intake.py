"""A micro-batch taken in: its rows read, judged as ingest judges them, told from those that came before, and stored."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.intraday import INTRADAY_OF, IntradayEvents, StreamBatches
from promo_spark.contracts.ops import IdKey
from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.schema import SourceCheck, Table
from promo_spark.contracts.silver import IdentityMap, OrderLines, Products
from promo_spark.errors import SettingsError
from promo_spark.flows.ingest.candidates import candidates, file_rows, lookup_rows, storable
from promo_spark.flows.ingest.identities import matching_key, suppressed_persons
from promo_spark.flows.ingest.paths import in_folder
from promo_spark.runtime.job import Context, SourceCounts
from promo_spark.settings.ingest import IngestSettings
from promo_spark.settings.sources import SourceSettings
from promo_spark.settings.stream import StreamSettings, StreamSourceSettings
from promo_spark.sources.checks import own_checks, predicates, rules
from promo_spark.sources.incoming import of_source
from promo_spark.sources.mapping import mappings
from promo_spark.sources.persons.suppression import SuppressedPersons, of_erased
from promo_spark.storage import landing, streams
from promo_spark.storage.json_lines import json_messages
from promo_spark.storage.refused_rows import collected
from promo_spark.storage.source_files import in_utc, without_pattern

Ctx = Context[StreamSettings]

# What becomes of a row that is neither blank nor rejected.
ACCEPTED, REPEATED, LATE, OTHER_DAY = "accepted", "repeated", "late", "other_day"
_FATE, _BEFORE, _ROWS, _NEWEST = "_fate", "_before", "_rows", "_newest"
# All tables of rows have these.
_TS, _DATE, _QUERY, _BATCH = IntradayEvents.ts, IntradayEvents.date, IntradayEvents.query, IntradayEvents.batch


@dataclass(frozen=True)
class StreamSource:
    """A source of the day: the mapping by which it is read, and where its rows arrive."""

    name: str
    table: type[Table]
    mapping: SourceSettings
    settings: StreamSourceSettings
    path: str  # "": a topic

    @property
    def stored_in(self) -> type[Table]:
        """Where its rows are kept for the day."""
        return INTRADAY_OF[self.table]


@dataclass(frozen=True)
class KnownPersons:
    """The key of the lake's pseudonyms, None where ids are kept as they are; and who was erased, None: nobody."""

    key: bytes | None = field(repr=False)
    erased: SuppressedPersons | None


@dataclass
class Taken:
    """What is known of the day: batches that are done, by source; rows of sources, counted."""

    batches: dict[tuple[str, int], Mapping[str, Any]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)


def sources_of_date(ctx: Ctx) -> list[StreamSource]:
    """The sources of the settings, each with its mapping, where it lies on the date."""
    ingest, found = ctx.beside(IngestSettings), []
    for name, source in ctx.settings.sources.items():
        mapping = ingest.sources[source.mapping]
        table = _mapped_table(ingest, name, source.mapping)
        path = in_folder(ingest, source.path, ctx.date) if source.path else ""
        as_here = mapping.model_copy(update={"path": path, "format": source.format})
        found.append(StreamSource(name, table, as_here, source, path))
    return found


def _mapped_table(ingest: IngestSettings, name: str, described_by: str) -> type[Table]:
    """The table whose rows a source brings. Raises SettingsError for what rows of a part of the day cannot be."""
    source = ingest.sources[described_by]
    table = mappings.mapped_table(described_by, source)
    mappings.checked_mapping(described_by, table, source)
    key = f"stream.sources.{name}.mapping is {described_by}"
    if table not in INTRADAY_OF:
        raise SettingsError(
            f"{key}, which feeds {table.full_name()}: stream takes in rows of "
            f"{', '.join(one.full_name() for one in INTRADAY_OF)}"
        )
    if source.distinct or source.discount_lines or mappings.numbers_lines(table, [source]):
        raise SettingsError(
            f"{key}, whose rows are judged by others of their day (distinct, discount_lines, or no column for "
            f"{OrderLines.line_no}), and here they come one after the other: leave it to ingest"
        )
    persons = [other for other, one in ingest.sources.items() if mappings.mapped_table(other, one) is IdentityMap]
    if persons:
        raise SettingsError(
            f"{key}, and ingest.sources.{persons[0]} says who is behind the ids of channels, which only ingest looks "
            "up: leave the day to it"
        )
    return table


def known_persons(ctx: Ctx) -> KnownPersons:
    """How the run takes rows of persons. Raises SettingsError for a key that is not the lake's."""
    recorded = ctx.read_optional(IdKey).first()
    key = matching_key(ctx.business.privacy, recorded[IdKey.key_id] if recorded else None)
    return KnownPersons(key, suppressed_persons(ctx))


def batches_done(ctx: Ctx) -> Taken:
    """The batches of the date that are done."""
    rows = collected(ctx.own(StreamBatches).filter(F.col(StreamBatches.date) == F.lit(ctx.date)))
    return Taken({(row[StreamBatches.query], row[StreamBatches.batch]): row.asDict() for row in rows})


def query_name(source: StreamSource, batch: streams.Batch) -> str:
    """The source, and which checkpoint counts its batches: another checkpoint counts from 0 again."""
    return f"{source.name} {batch.checkpoint}"


def taken(ctx: Ctx, source: StreamSource, batch: streams.Batch, done: Taken, persons: KnownPersons) -> dict[str, Any]:
    """The row of ops.stream_batches for a batch, whose accepted rows are stored by then.

    A batch that was cut off before its row was written comes again, with the same rows: they are not stored twice.
    """
    query = query_name(source, batch)
    watermark = _watermark(ctx, query, batch.number, done)
    judged = ctx.keep(_with_fates(ctx, source, _screened(ctx, source, batch, persons), query, batch.number, watermark))
    groups = judged.groupBy(_FATE, RawRow.blank, rules.REASONS).agg(
        F.count(F.lit(1)).alias(_ROWS), F.max(_TS).alias(_NEWEST)
    )
    found = groups.collect()  # as many as there are ways to fail
    counts, reasons, newest = _counted(found)
    if counts[ACCEPTED]:
        _store(ctx, source, judged, query, batch.number)
    done.counts.setdefault(source.name, Counter()).update(counts)
    done.reasons.setdefault(source.name, Counter()).update(reasons)
    return {
        StreamBatches.query: query,
        StreamBatches.batch: batch.number,
        StreamBatches.source: source.name,
        StreamBatches.table: source.table.full_name(),
        StreamBatches.rows_in: counts.total(),
        StreamBatches.accepted: counts[ACCEPTED],
        StreamBatches.quarantined: counts[rules.REJECT],
        StreamBatches.blank: counts[RawRow.blank],
        StreamBatches.repeated: counts[REPEATED],
        StreamBatches.late: counts[LATE],
        StreamBatches.other_days: counts[OTHER_DAY],
        StreamBatches.reasons: dict(sorted(reasons.items())),
        StreamBatches.newest_at: newest,
        StreamBatches.watermark: watermark,
    }


def stored_rows(ctx: Ctx, table: type[Table]) -> DataFrame:
    """The rows of a silver table that stream has of the date. → the table's columns, and those of its batch."""
    return ctx.own(INTRADAY_OF[table]).filter(F.col(_DATE) == F.lit(ctx.date))


def lines_so_far(ctx: Ctx, users: DataFrame) -> DataFrame:
    """The order lines of users, those of the date so far among them. → OrderLines"""
    today = OrderLines.conform(stored_rows(ctx, OrderLines))
    return ctx.read(OrderLines).unionByName(today).join(users, OrderLines.user_id, "left_semi")


def rows_of_batch(ctx: Ctx, source: StreamSource, batch: streams.Batch) -> DataFrame:
    """The stored rows that a batch brought."""
    return stored_rows(ctx, source.table).filter(_is_of(query_name(source, batch), batch.number))


def count_sources(ctx: Ctx, done: Taken) -> None:
    """Puts the rows of this run's batches into the run log."""
    for name, counts in done.counts.items():
        kept_out = {reason: counts[reason] for reason in (REPEATED, LATE, OTHER_DAY) if counts[reason]}
        ctx.count_source(
            name,
            SourceCounts(
                rows_in=counts.total(),
                accepted=counts[ACCEPTED],
                quarantined=counts[rules.REJECT] + sum(kept_out.values()),
                blank=counts[RawRow.blank],
                reasons={**done.reasons[name], **kept_out},
            ),
        )


def _screened(ctx: Ctx, source: StreamSource, batch: streams.Batch, persons: KnownPersons) -> DataFrame:
    """The batch's rows, judged one by one as ingest does, and those that repeat a key of the batch."""
    ingest = ctx.beside(IngestSettings)
    table, mapping = source.table, source.mapping
    wanted, unpivoted = mappings.source_columns(mapping), mappings.unpivoted_column(mapping)
    if batch.rows is not None and source.settings.format == "kafka":
        raw = json_messages(batch.rows, wanted)
    elif batch.rows is not None:
        raw = landing.with_raw(source.path, batch.rows, wanted, unpivoted, F.lit(source.path))
    else:
        files = [without_pattern(file) for file in batch.files]
        raw = file_rows(ctx.spark, source.path, mapping, wanted, unpivoted, files)
    seconds = [lookup_rows(ctx.spark, in_folder(ingest, one.path, ctx.date), one) for one in mapping.lookups]
    rows = of_source(candidates(table, raw, mapping, seconds, ctx.business.timezone, persons.key), source.name)
    erased = None if persons.erased is None else of_erased(table, rows, persons.erased)
    if erased is not None:  # such rows are counted, and kept nowhere
        rows = rows.withColumn(RawRow.blank, F.col(RawRow.blank) | erased)
    rows = storable(table, rows, ingest.test_users, persons.key)
    screened = rules.screened(table, rows, rules.rules(table, _compared(ctx), ingest.policies, _own(ingest, table)))
    screened = ctx.keep(screened)
    return rules.ranked(table, rules.good(screened)).unionByName(screened.filter(~_is_good()))


def _compared(ctx: Ctx) -> predicates.ComparedWith:
    ingest = ctx.beside(IngestSettings)
    known = ctx.read_optional(Products)
    products = predicates.known_ids(known, Products.product_id) if ctx.exists(Products) else None
    return predicates.ComparedWith(ctx.date, ctx.business.timezone, ingest.test_users, products=products)


def _own(ingest: IngestSettings, table: type[Table]) -> Sequence[SourceCheck]:
    own = [own_checks.own_check(**check.model_dump()) for check in ingest.checks]
    return [check for of_table, check in own if of_table is table]


def _is_good() -> Column:
    return (F.size(rules.REASONS) == 0) & ~F.col(RawRow.blank)


def _with_fates(
    ctx: Ctx,
    source: StreamSource,
    rows: DataFrame,
    query: str,
    number: int,
    watermark: datetime.datetime | None,
) -> DataFrame:
    """The judged rows with what becomes of those that no check rejects."""
    table, ts = source.table, F.col(_TS)
    day = ts if ctx.business.timezone == "UTC" else F.from_utc_timestamp(ts, ctx.business.timezone)
    before = stored_rows(ctx, table).filter(~_is_of(query, number)).select(*table.key, F.lit(True).alias(_BEFORE))
    twice = (rules.DUPLICATE_ROW.name, rules.DUPLICATE_KEY.name)
    repeats = F.arrays_overlap(rules.REASONS, F.array(*map(F.lit, twice))) | F.col(_BEFORE).isNotNull()
    fate = (
        F.when(F.col(RawRow.blank), F.lit(RawRow.blank))
        .when((F.size(rules.REASONS) > 0) & ~repeats, F.lit(rules.REJECT))
        .when(F.to_date(day) != F.lit(ctx.date), F.lit(OTHER_DAY))
        .when(repeats, F.lit(REPEATED))
        .when(ts < F.lit(watermark), F.lit(LATE))
        .otherwise(F.lit(ACCEPTED))
    )
    return rows.join(before, list(table.key), "left").withColumn(_FATE, fate)


def _counted(found: Sequence[Any]) -> tuple[Counter[str], Counter[str], datetime.datetime | None]:
    """Rows by fate, rejected rows by reason, and the newest time of the date."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for row in found:
        counts[row[_FATE]] += row[_ROWS]
        if row[_FATE] == rules.REJECT:
            reasons.update(dict.fromkeys(row[rules.REASONS], row[_ROWS]))
    of_date = [row[_NEWEST] for row in found if row[_FATE] in (ACCEPTED, REPEATED, LATE)]
    return counts, reasons, _newest(of_date)


def _store(ctx: Ctx, source: StreamSource, judged: DataFrame, query: str, number: int) -> None:
    """Adds the accepted rows to those of the date, in one commit, unless a run that was cut off has."""
    table = source.stored_in
    if not stored_rows(ctx, source.table).filter(_is_of(query, number)).isEmpty():
        return
    rows = rules.accepted(judged.filter(F.col(_FATE) == ACCEPTED), ctx.run_id)
    ctx.write(table, rows.withColumns({_QUERY: F.lit(query), _BATCH: F.lit(number).cast("long")}))


def _watermark(ctx: Ctx, query: str, number: int, done: Taken) -> datetime.datetime | None:
    """Before which time rows of a batch are late: by the newest of the batches before it. None: of a first batch."""
    times = [
        row[StreamBatches.newest_at] for (of, batch), row in done.batches.items() if of == query and batch < number
    ]
    newest = _newest(times)
    return None if newest is None else newest - datetime.timedelta(minutes=ctx.settings.watermark_minutes)


def _newest(times: Sequence[datetime.datetime | None]) -> datetime.datetime | None:
    """The last of the times that are known, as an instant: Spark hands times over by this machine's clock."""
    return max((in_utc(time) for time in times if time is not None), default=None)


def _is_of(query: str, number: int) -> Column:
    return (F.col(_QUERY) == query) & (F.col(_BATCH) == number)
