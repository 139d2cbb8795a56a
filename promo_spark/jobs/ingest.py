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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from promo_spark.contracts import QUARANTINE, RESTRICTED_TABLES, SILVER
from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.silver import (
    Events,
    Holidays,
    IdentityMap,
    OrderLines,
    Products,
    PromoCalendar,
    Quarantined,
    Users,
)
from promo_spark.contracts.table import SourceCheck, Table, WriteMode
from promo_spark.errors import ContractError, SourceError
from promo_spark.jobs import _identities
from promo_spark.jobs._deliveries import Delivery, deliveries, sources_digest
from promo_spark.runtime.job import Context, SourceCounts, job
from promo_spark.runtime.quality_page import quality_page
from promo_spark.settings import IngestSettings
from promo_spark.sources import (
    checks,
    cleaning,
    gate,
    holidays,
    identities,
    own_checks,
    predicates,
    pseudonyms,
    quality,
)
from promo_spark.sources import deliveries as rows_of
from promo_spark.sources.candidates import FILE, SOURCE
from promo_spark.tables import landing
from promo_spark.tables.lake import SliceValue
from promo_spark.tables.pages import why_no_pages, write_page

_REFERRED_TO: tuple[type[Table], ...] = (Products, Users)
_LARGEST: tuple[type[Table], ...] = (PromoCalendar, OrderLines, Events)
# Kept once judged: what others refer to, and lines, whose numbers took a shuffle.
_KEPT: tuple[type[Table], ...] = (*_REFERRED_TO, OrderLines)
_NEVER_EMPTY: tuple[type[Table], ...] = (Products, OrderLines, Events)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Counted:
    """What a source delivered and how many of its rows failed each rule; `alone`: rejected for themselves."""

    delivered: gate.Delivered
    failed: Mapping[str, int]
    alone: int


@dataclass(frozen=True)
class Judged:
    """A delivery with the verdict on each row: `screened`, and of rows with the same key the `suspects`."""

    delivery: Delivery
    rules: Sequence[checks.Rule]
    screened: DataFrame
    doubled_keys: DataFrame
    suspects: DataFrame | None
    counted: Mapping[str, Counted]


@job(
    reads=[],
    writes=[*SILVER, *RESTRICTED_TABLES, *QUARANTINE.values(), DataQuality],
    settings=IngestSettings,
    inputs=sources_digest,
)
def run(ctx: Context[IngestSettings]) -> None:
    handed = sorted(deliveries(ctx), key=lambda d: d.table not in _LARGEST)
    _require_tables({d.table for d in handed})
    handed = _of_persons(ctx, handed)
    key = _identities.recorded_key(ctx, [(d.table, d.rows) for d in handed])
    plans = cleaning.plans(ctx.settings)
    judged = _judged(ctx, [_as_kept(ctx, d, key) for d in handed], plans)
    report = _pass_gate(ctx, judged)
    if not any(d.table is Holidays for d in handed) and ctx.business.holiday_countries:
        _write_holidays(ctx)
    _side_by_side(lambda found: _load(ctx, found, key), judged)
    _write_report(ctx, judged, report)


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


def _judged(
    ctx: Context[IngestSettings], handed: Sequence[Delivery], plans: Mapping[type[Table], cleaning.Plan]
) -> list[Judged]:
    """Every delivery judged, row by row and as a whole; nothing is written yet. What others refer to comes first."""
    own = [own_checks.own_check(**c.model_dump()) for c in ctx.settings.checks]
    checks.refuse_unknown(ctx.settings.policies, [check for _, check in own])
    gate.refuse_unknown(ctx.settings.gate, [source for d in handed for source in d.sources])
    run = predicates.Circumstances(ctx.date, ctx.business.timezone, ctx.settings.test_users)
    if any(plan.looks_at_promotions for plan in plans.values()):
        run = replace(run, promoted_days=_promoted_days(ctx, handed))

    def judge(delivery: Delivery, run: predicates.Circumstances) -> Judged:
        with landing.refusing_unreadable(delivery.name, only="FAILED_READ_FILE"):  # damaged behind its first rows
            own_of_table = [check for table, check in own if table is delivery.table]
            return _judge(ctx, delivery, run, own_of_table, plans.get(delivery.table))

    first = _side_by_side(lambda d: judge(d, run), [d for d in handed if d.table in _REFERRED_TO])
    run = replace(run, products=_known(ctx, first, Products), users=_known(ctx, first, Users))
    rest = _side_by_side(lambda d: judge(d, run), [d for d in handed if d.table not in _REFERRED_TO])
    return sorted([*first, *rest], key=lambda j: j.delivery.table not in _LARGEST)


def _known(ctx: Context[IngestSettings], judged: Sequence[Judged], table: type[Table]) -> DataFrame | None:
    """The ids of the table's good rows; None where no source delivers them.

    Where a delivery holds only what is new, what was taken in before is known too.
    """
    of_table = [j for j in judged if j.delivery.table is table]
    rows = [checks.good(j.screened).select(table.key[0]) for j in of_table]
    if any(j.delivery.by_key for j in of_table):
        rows.append(ctx.own(table).select(table.key[0]))
    return predicates.known_ids(functools.reduce(DataFrame.union, rows), table.key[0]) if rows else None


def _promoted_days(ctx: Context[IngestSettings], handed: Sequence[Delivery]) -> DataFrame:
    """The products and days on promotion, of the calendar that is delivered or, without one, of the last."""
    calendars = [d.rows for d in handed if d.table is PromoCalendar] or [ctx.own(PromoCalendar)]
    return ctx.keep(cleaning.promoted_days(functools.reduce(DataFrame.unionByName, calendars)))


def _judge(
    ctx: Context[IngestSettings], delivery: Delivery, run: predicates.Circumstances, own: Sequence[SourceCheck],
    plan: cleaning.Plan | None,
) -> Judged:  # fmt: skip
    """One pass over the rows; a second over those whose key is there more than once, if there are any."""
    table = delivery.table
    ctx.say(f"judging {delivery.name}")
    if table is Events and ctx.settings.policies.get("bot_session") != checks.OFF:
        bots = predicates.bot_sessions(delivery.rows, ctx.settings.bot_events_per_minute)
        run = replace(run, bot_sessions=ctx.keep(bots))
    by = checks.rules(table, run, ctx.settings.policies, own)
    if plan is not None:
        beside = cleaning.beside(table, ctx.own(table), delivery.rows, delivery.by_key)
        clean = ctx.keep(cleaning.cleaned(table, delivery.rows, plan, by, beside, run.promoted_days))
        delivery, by = replace(delivery, rows=clean), [*by, *cleaning.rules(table, plan)]
    screened = checks.screened(table, delivery.rows, by)
    if table in _KEPT:
        screened = ctx.keep(screened)
    seen = Observation(f"{delivery.name} judged")
    tallies = checks.tallies(table, by, run, delivery.sources)
    keys = ctx.keep(checks.doubled(table, screened.observe(seen, *tallies)))
    suspects = None
    twice: dict[str, Mapping[str, int]] = {}
    if keys.count():
        suspects = ctx.keep(checks.ranked(table, checks.with_doubled_key(table, screened, keys)))
        names = (checks.DUPLICATE_ROW.name, checks.DUPLICATE_KEY.name)
        counts = [F.count_if(F.array_contains(checks.REASONS, n)).alias(n) for n in names]
        twice = {row[0]: row.asDict() for row in suspects.groupBy(SOURCE).agg(*counts).collect()}  # a row per source
    counted = {s: _counted(delivery, by, seen.get, s, twice.get(s, {})) for s in delivery.sources}
    rows = sum(c.delivered.rows_in - c.delivered.blank for c in counted.values())
    if not rows and table in _NEVER_EMPTY and not (delivery.by_key and ctx.lake.exists(table)):
        raise SourceError(f"source {delivery.name}, for {table.full_name()}, is empty; nothing was loaded")
    return Judged(delivery, by, screened, keys, suspects, counted)


def _counted(
    delivery: Delivery, by: Sequence[checks.Rule], found: Mapping[str, Any], source: str, twice: Mapping[str, int]
) -> Counted:
    """What was counted of one source."""
    doubled = {rule.name: twice.get(rule.name, 0) for rule in (checks.DUPLICATE_ROW, checks.DUPLICATE_KEY)}
    failed = {rule.name: int(found[checks.tally(rule.name, source)]) for rule in by} | doubled
    alone = int(found[checks.tally(checks.BAD_ROWS, source)])
    # Single rows come for any days, and as many as there are: no day is missing among them.
    by_days = checks.day_column(delivery.table) and not delivery.by_key
    delivered = gate.Delivered(
        rows_in=int(found[checks.tally(checks.ROWS_IN, source)]),
        blank=int(found[checks.tally(checks.BLANK_ROWS, source)]),
        rejected=alone + sum(doubled.values()),
        days=sorted(found[checks.tally(checks.DAYS, source)]) if by_days else None,
    )
    return Counted(delivered, failed, alone)


def _pass_gate(ctx: Context[IngestSettings], judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The rows of the data-quality report; SourceError, with the report kept, when a delivery is not to be taken in."""
    report: list[dict[str, Any]] = []
    broken: dict[str, list[gate.Verdict]] = {}
    reasons: dict[str, str] = {}
    for found, source, counted in _by_source(judged):
        limits = gate.limits_of(ctx.settings.gate, source)
        usual = () if found.delivery.by_key else ctx.earlier_rows.get(source, ())
        verdicts = gate.verdicts(counted.delivered, usual, limits, ctx.date)
        report += quality.quality_rows(
            source, found.delivery.table, counted.delivered, found.rules, counted.failed, verdicts, ctx.date, ctx.run_id
        )
        reasons[source] = _most_frequent(found.rules, counted)
        if not all(v.passed for v in verdicts):
            broken[source] = [v for v in verdicts if not v.passed]
    if broken:
        where = _write_report(ctx, judged, report, stays=True)
        raise SourceError(f"{gate.refusal(broken, reasons)}. What was found: {where}")
    return report


def _by_source(judged: Sequence[Judged]) -> list[tuple[Judged, str, Counted]]:
    return [(found, source, counted) for found in judged for source, counted in found.counted.items()]


def _most_frequent(by: Sequence[checks.Rule], counted: Counted, named: int = 3) -> str:
    """Why most rows were rejected, as text."""
    rejecting = [r for r in by if r.criticality == checks.REJECT and counted.failed[r.name]]
    rejecting.sort(key=lambda r: (-counted.failed[r.name], r.name))
    return ", ".join(f"{counted.failed[r.name]:,} {r.name}: {r.meaning}" for r in rejecting[:named])


def _write_report(
    ctx: Context[IngestSettings], judged: Sequence[Judged], report: Sequence[Mapping[str, Any]], stays: bool = False
) -> str:
    """Writes the data-quality report, table and page, and tells where it is."""
    ctx.write(DataQuality, DataQuality.frame(ctx.spark, report).coalesce(1), stays=stays)
    place = f"{DataQuality.full_name()} of {ctx.date}"
    why_not = why_no_pages(ctx.lake)
    if why_not:
        ctx.say(f"no page of the data quality, as {why_not}; see {place}")
        return place
    meanings = {(source, r.name): r.meaning for found, source, _ in _by_source(judged) for r in found.rules}
    meanings |= {(source, name): text for _, source, _ in _by_source(judged) for name, text in gate.MEANINGS.items()}
    page = quality_page(report, meanings, ctx.date, ctx.run_id, f"lake {ctx.lake.root}")
    return f"{place}, {write_page(ctx.lake, f'data_quality_{ctx.date}', page)}"


def _write_holidays(ctx: Context[IngestSettings]) -> None:
    """Holidays and festivals of the years around the date, where the retailer brings none of its own."""
    years = range(ctx.date.year - ctx.business.holiday_years, ctx.date.year + 2)
    rows = holidays.holiday_rows(ctx.business.holiday_countries, years)
    given = {Holidays.source_file: holidays.SOURCE_FILE, Holidays.run_id: ctx.run_id}
    ctx.write(Holidays, Holidays.frame(ctx.spark, [row | given for row in rows]).coalesce(1))


def _side_by_side(what: Callable[[T], R], of: Sequence[T]) -> list[R]:
    """What is done to each, two at a time, in their order.

    A large file is read by one task where its owner wrote it as one piece: two side by side keep both the
    cores of a laptop busy.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(what, of))


def _load(ctx: Context[IngestSettings], judged: Judged, key: bytes | None) -> None:
    """Writes what is accepted and what is not, as judged."""
    delivery, table = judged.delivery, judged.delivery.table
    ctx.say(f"{delivery.name} → {table.full_name()}")
    accepted, losers = checks.good(judged.screened), None
    if judged.suspects is not None:
        alone = checks.without_doubled_key(table, judged.screened, judged.doubled_keys)
        accepted = alone.unionByName(checks.good(judged.suspects))
        losers = checks.bad(judged.suspects)
    applied = delivery.gone_rows if delivery.deletes == "apply" else 0
    written = ctx.write(
        table, checks.accepted(accepted, ctx.run_id), by_key=delivery.by_key, gone=delivery.gone if applied else None
    )
    balances = {source: _balance(judged, counted, applied) for source, counted in judged.counted.items()}
    expected = sum(counts.accepted for counts in balances.values())
    if table.write_mode is not WriteMode.MERGE and not delivery.by_key and written.rows != expected:
        raise SourceError(
            f"source {delivery.name} changed while it was read: {expected} rows accepted, then {written.rows} found "
            f"for {table.full_name()}; nothing was loaded, run again when the delivery is complete"
        )
    for source, counted in judged.counted.items():
        # The source is read once more only where some row of it was rejected for itself.
        bad = checks.bad(judged.screened).filter(F.lit(counted.alone > 0))
        bad = (bad.unionByName(losers) if losers is not None else bad).filter(F.col(SOURCE) == source)
        _quarantine(ctx, delivery, source, bad, counted.delivered.rejected, key)
        ctx.count_source(source, balances[source])


def _balance(judged: Judged, counted: Counted, applied: int) -> SourceCounts:
    """Rows of a source in, accepted, quarantined, blank; what was deleted there is a row in, too."""
    delivered, gone = counted.delivered, judged.delivery.gone_rows
    reasons = {r.name: counted.failed[r.name] for r in judged.rules
               if r.criticality == checks.REJECT and counted.failed[r.name]}  # fmt: skip
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
        files = sorted(r[0] for r in delivery.rows.select(FILE).distinct().collect())
        replaced[Quarantined.source_file] = files
    rejected = checks.quarantined(bad, source, ctx.run_id)
    if key is not None:
        _identities.set_aside(ctx, delivery.table, rejected, replaced, key)
        rejected = pseudonyms.without_raw(rejected, key)
    kept_aside = ctx.write(quarantine, rejected, replaced)
    if kept_aside.rows != expected:
        raise ContractError(f"{quarantine.full_name()}: {expected} rows rejected, {kept_aside.rows} kept aside")
