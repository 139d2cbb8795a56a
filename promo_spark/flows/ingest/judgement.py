"""What ingest thinks of deliveries: each row cleaned and judged, what was found counted. Nothing is written here."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import IncomingRow
from promo_spark.contracts.schema import SourceCheck, Table
from promo_spark.contracts.silver import Events, OrderLines, Products, PromoCalendar, Sourced, Users
from promo_spark.errors import SourceError
from promo_spark.flows.ingest.deliveries import LARGEST, Delivery
from promo_spark.flows.ingest.stored_rows import StoredRows, after_last_lines, stored_rows
from promo_spark.runtime.job import Context
from promo_spark.runtime.side_by_side import side_by_side
from promo_spark.settings.ingest import IngestSettings
from promo_spark.sources.checks import own_checks, predicates
from promo_spark.sources.checks import rules as checks
from promo_spark.sources.cleaning import plans as cleaning
from promo_spark.sources.cleaning import values
from promo_spark.sources.gate import verdicts as gate
from promo_spark.sources.mapping import mappings
from promo_spark.storage import landing

_REFERRED_TO: tuple[type[Table], ...] = (Products, Users)
# Kept once judged: what others refer to, and lines, whose numbers took a shuffle.
_KEPT: tuple[type[Table], ...] = (*_REFERRED_TO, OrderLines)
_NEVER_EMPTY: tuple[type[Table], ...] = (Products, OrderLines, Events)


@dataclass(frozen=True)
class Counted:
    """What a source delivered and how many of its rows failed each rule; `alone`: rejected for themselves.

    `by_file`: file → its rows, and how many of them are blank.
    """

    delivered: gate.Delivered
    failed: Mapping[str, int]
    alone: int
    by_file: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """A delivery with the verdict on each row: `screened`, and of rows with the same key the `suspects`."""

    delivery: Delivery
    rules: Sequence[checks.Rule]
    screened: DataFrame
    doubled_keys: DataFrame
    suspects: DataFrame | None
    counted: Mapping[str, Counted]
    stored: StoredRows | None = None  # beside new files: the stored rows that stay, and the days they stay on

    @property
    def accepted(self) -> DataFrame:
        """The good rows, of rows with the same key the one that stays."""
        if self.suspects is None:
            rows = checks.good(self.screened)
        else:
            alone = checks.without_doubled_key(self.delivery.table, self.screened, self.doubled_keys)
            rows = alone.unionByName(checks.good(self.suspects))
        last_lines = self.stored.last_lines if self.stored else None
        return rows if last_lines is None else after_last_lines(rows, last_lines)


def judged(ctx: Context[IngestSettings], delivered: Sequence[Delivery]) -> list[Judged]:
    """Every delivery judged, row by row and as a whole; nothing is written yet. What others refer to comes first."""
    own = [own_checks.own_check(**c.model_dump()) for c in ctx.settings.checks]
    plans = cleaning.plans(ctx.settings)
    checks.refuse_unknown(ctx.settings.policies, [check for _, check in own])
    compared = predicates.ComparedWith(ctx.date, ctx.business.timezone, ctx.settings.test_users)
    if OrderLines in plans and plans[OrderLines].looks_at_promotions:
        compared = replace(compared, promoted_days=_promoted_days(ctx, delivered))

    def judge(delivery: Delivery, compared: predicates.ComparedWith) -> Judged:
        with landing.refusing_unreadable(delivery.name, only="FAILED_READ_FILE"):  # damaged behind its first rows
            own_of_table = [check for table, check in own if table is delivery.table]
            return _judge(ctx, delivery, compared, own_of_table, plans.get(delivery.table))

    first = side_by_side(lambda d: judge(d, compared), [d for d in delivered if d.table in _REFERRED_TO])
    compared = replace(compared, products=_good_ids(ctx, first, Products), users=_good_ids(ctx, first, Users))
    rest = side_by_side(lambda d: judge(d, compared), [d for d in delivered if d.table not in _REFERRED_TO])
    return sorted([*first, *rest], key=lambda j: j.delivery.table not in LARGEST)


def _good_ids(ctx: Context[IngestSettings], judged: Sequence[Judged], table: type[Table]) -> DataFrame | None:
    """The ids of the table's good rows; None where no source delivers them.

    Where a delivery holds only what is new, what was taken in before is known too.
    """
    of_table = [j for j in judged if j.delivery.table is table]
    rows = [checks.good(j.screened).select(table.key[0]) for j in of_table]
    if any(j.delivery.by_key for j in of_table):
        rows.append(ctx.own(table).select(table.key[0]))
    return predicates.known_ids(functools.reduce(DataFrame.union, rows), table.key[0]) if rows else None


def _promoted_days(ctx: Context[IngestSettings], delivered: Sequence[Delivery]) -> DataFrame:
    """The products and days on promotion, of the calendar that is delivered or, without one, of the last."""
    calendars = [d.rows for d in delivered if d.table is PromoCalendar] or [ctx.own(PromoCalendar)]
    return ctx.keep(values.promoted_days(functools.reduce(DataFrame.unionByName, calendars)))


def _judge(
    ctx: Context[IngestSettings],
    delivery: Delivery,
    compared: predicates.ComparedWith,
    own: Sequence[SourceCheck],
    plan: cleaning.Plan | None,
) -> Judged:
    """One pass over the rows; a second over those whose key is there more than once, if there are any."""
    table = delivery.table
    ctx.say(f"judging {delivery.name}")
    if table is Events and ctx.settings.policies.get("bot_session") != checks.OFF:
        bots = predicates.bot_sessions(delivery.rows, ctx.settings.bot_events_per_minute)
        compared = replace(compared, bot_sessions=ctx.keep(bots))
    by = checks.rules(table, compared, ctx.settings.policies, own)
    if plan is not None:
        kept = ctx.keep(delivery.rows)
        replaced = sorted(file for r in delivery.readings if r.only_new for file in r.replaced_files)
        stored = ctx.own(table).filter(~F.col(Sourced.source_file).isin(replaced)) if replaced else ctx.own(table)
        beside = values.beside(table, stored, kept, delivery.by_key or delivery.only_new)
        clean = values.cleaned(table, kept, plan, by, beside, compared.promoted_days)
        delivery = replace(delivery, rows=clean if table in _KEPT else ctx.keep(clean))
        by = [*by, *cleaning.rules(table, plan)]
    screened = checks.screened(table, delivery.rows, by)
    beside_stored = delivery.only_new and ctx.lake.exists(table)
    if table in _KEPT or beside_stored:
        screened = ctx.keep(screened)
    seen = Observation(f"{delivery.name} judged")
    tallies = checks.tallies(table, by, compared, delivery.sources)
    keys = ctx.keep(checks.doubled(table, screened.observe(seen, *tallies)))
    suspects = None
    twice: dict[str, Mapping[str, int]] = {}
    if keys.count():
        suspects = ctx.keep(checks.ranked(table, checks.with_doubled_key(table, screened, keys)))
        names = (checks.DUPLICATE_ROW.name, checks.DUPLICATE_KEY.name)
        counts = [F.count_if(F.array_contains(checks.REASONS, n)).alias(n) for n in names]
        twice = {
            row[0]: row.asDict() for row in suspects.groupBy(IncomingRow.source).agg(*counts).collect()
        }  # a row per source
    counted = {s: _counted(delivery, by, seen.get, s, twice.get(s, {})) for s in delivery.sources}
    counted = _with_files(delivery, screened if table in _KEPT or beside_stored else delivery.rows, counted)
    rows = sum(c.delivered.rows_in - c.delivered.blank for c in counted.values())
    if not rows and table in _NEVER_EMPTY and not (beside_stored or (delivery.by_key and ctx.lake.exists(table))):
        raise SourceError(f"source {delivery.name}, for {table.full_name()}, is empty; nothing was loaded")
    judged = Judged(delivery, by, screened, keys, suspects, counted)
    numbered = mappings.numbers_lines(table, (ctx.settings.sources[r.source] for r in delivery.readings if r.only_new))
    beside_new = stored_rows(ctx, table, delivery.readings, judged.accepted, numbered)
    if beside_new is not None and beside_new.superseded:
        judged = replace(judged, delivery=delivery.with_superseded(beside_new.superseded))
    return replace(judged, stored=beside_new)


def _counted(
    delivery: Delivery, by: Sequence[checks.Rule], tallied: Mapping[str, Any], source: str, twice: Mapping[str, int]
) -> Counted:
    """What was counted of one source."""
    doubled = {rule.name: twice.get(rule.name, 0) for rule in (checks.DUPLICATE_ROW, checks.DUPLICATE_KEY)}
    failed = {rule.name: int(tallied[checks.tally(rule.name, source)]) for rule in by} | doubled
    alone = int(tallied[checks.tally(checks.BAD_ROWS, source)])
    # Single rows come for any days, and as many as there are: no day is missing among them.
    by_days = checks.day_column(delivery.table) and not delivery.by_key
    delivered = gate.Delivered(
        rows_in=int(tallied[checks.tally(checks.ROWS_IN, source)]),
        blank=int(tallied[checks.tally(checks.BLANK_ROWS, source)]),
        rejected=alone + sum(doubled.values()),
        days=sorted(tallied[checks.tally(checks.DAYS, source)]) if by_days else None,
    )
    return Counted(delivered, failed, alone)


def _with_files(delivery: Delivery, rows: DataFrame, counted: Mapping[str, Counted]) -> dict[str, Counted]:
    """What was counted, by file too: of sources of several files in a pass of its own, which reads little of a row."""
    several = [s for s, files in delivery.files.items() if len(files.read) > 1]
    by_file: dict[str, dict[str, tuple[int, int]]] = {source: {} for source in counted}
    if several:
        of_several = rows.filter(F.col(IncomingRow.source).isin(several))
        counts = [F.count(F.lit(1)), F.count_if(IncomingRow.blank)]
        for row in of_several.groupBy(IncomingRow.source, IncomingRow.file).agg(*counts).collect():  # a row per file
            by_file[row[0]][row[1]] = (row[2], row[3])
    for source, files in delivery.files.items():
        if source not in several:
            whole = counted[source].delivered
            by_file[source] = dict.fromkeys(files.addresses.values(), (whole.rows_in, whole.blank))
    return {source: replace(one, by_file=by_file[source]) for source, one in counted.items()}
