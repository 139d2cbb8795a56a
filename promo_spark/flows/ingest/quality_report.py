"""What ingest tells of the quality of deliveries, and whether they may be taken in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Row

from promo_spark.contracts.ops import DataQuality, SourceColumns
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import OrderLines
from promo_spark.errors import SourceError
from promo_spark.flows.ingest import new_files, removals
from promo_spark.flows.ingest.deliveries import Delivery
from promo_spark.flows.ingest.judgement import Counted, Judged
from promo_spark.flows.ingest.readings import Reading
from promo_spark.flows.ingest.rejections import say_what_is_rejected, why_rejected
from promo_spark.reports.data_quality import quality_page
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import IngestSettings
from promo_spark.sources.gate import quality_rows as quality
from promo_spark.sources.gate import source_columns
from promo_spark.sources.gate import verdicts as gate
from promo_spark.storage.pages import why_no_pages, write_page

ColumnsBySource = Mapping[str, Mapping[str, Row]]  # source → column → its row of ops.source_columns


def pass_gate(
    ctx: Context[IngestSettings],
    judgements: Sequence[Judged],
    earlier: ColumnsBySource,
    nothing_new: Mapping[str, tuple[type[Table], Reading]],
) -> list[dict[str, Any]]:
    """The rows of the data-quality report; SourceError, with the report kept, when a delivery is not to be taken in."""
    report: list[dict[str, Any]] = []
    broken: dict[str, list[gate.Verdict]] = {}
    reasons: dict[str, str] = {}
    for judgement, source, counted in _by_source(judgements):
        limits = gate.limits_of(ctx.settings.gate, source)
        verdicts = gate.verdicts(
            new_files.judged_as(ctx, judgement, source), new_files.usual_rows(ctx, judgement, source), limits, ctx.date
        )
        verdicts += new_files.verdicts(judgement, source)
        if source == judgement.delivery.sources[0] and judgement.delivery.table is OrderLines:
            verdicts.append(_removed(ctx, judgement, source))
        if source in judgement.delivery.columns:
            verdicts += source_columns.verdicts(judgement.delivery.columns[source], earlier.get(source, {}), limits)
        report += quality.quality_rows(
            source,
            judgement.delivery.table,
            counted.delivered,
            judgement.rules,
            counted.failed,
            verdicts,
            ctx.date,
            ctx.run_id,
        )
        if not all(v.passed for v in verdicts):
            broken[source] = [v for v in verdicts if not v.passed]
            reasons[source] = why_rejected(judgement, source, counted)
    for source, (table, reading) in nothing_new.items():
        none = new_files.nothing_new(ctx, table)
        verdicts = gate.verdicts(none, (), gate.limits_of(ctx.settings.gate, source), ctx.date)
        verdicts += gate.of_files(left=len(reading.standing_files), files=len(reading.standing_files))
        report += quality.quality_rows(source, table, none, (), {}, verdicts, ctx.date, ctx.run_id)
        if not all(v.passed for v in verdicts):
            broken[source] = [v for v in verdicts if not v.passed]
    read = {r.source: r for j in judgements for r in j.delivery.readings}
    new_files.say_what_is_read(ctx, [*read.values(), *(r for s, (_, r) in nothing_new.items() if s not in read)])
    if broken:
        where = write_report(ctx, judgements, report, stays=True)
        raise SourceError(f"{gate.refusal(broken, reasons)}. What was found: {where}")
    say_what_is_rejected(ctx, judgements)
    return report


def _removed(ctx: Context[IngestSettings], judged: Judged, source: str) -> gate.Verdict:
    """The verdict on the orders that the delivery takes away; what passes is told too."""
    rows = sum(c.delivered.rows_in - c.delivered.blank for c in judged.counted.values())
    rows = max(rows, judged.stored.held) if judged.stored else rows
    limits = gate.limits_of(ctx.settings.gate, source)
    days = removals.days_with_removals(ctx, judged)
    removed = removals.verdict(days, source, rows, limits, new_files.removed_orders_hint(judged))
    if removed.failed and removed.passed:
        ctx.note(f"source {source}: {removed.finding}")
    return removed


def known_columns(ctx: Context[IngestSettings]) -> ColumnsBySource:
    """The columns that sources had at earlier loads; nothing of a source that is new."""
    earlier: defaultdict[str, dict[str, Row]] = defaultdict(dict)
    rows = ctx.own(SourceColumns).collect() if ctx.lake.exists(SourceColumns) else []
    for row in rows:  # as many rows as the sources have columns
        earlier[row.source][row.column_name] = row
    return earlier


def write_columns(ctx: Context[IngestSettings], delivered: Sequence[Delivery], earlier: ColumnsBySource) -> None:
    """Writes which columns the sources have, and tells of those that are new."""
    rows: list[dict[str, Any]] = []
    for source, columns in ((s, c) for d in delivered for s, c in d.columns.items()):
        before = earlier.get(source, {})
        new = source_columns.new_columns(columns, before)
        if new:
            ctx.say(f"{source} has new columns, left aside as no mapping uses them: {', '.join(new)}")
        rows += source_columns.seen(source, columns, before, ctx.date, ctx.run_id)
    if rows:
        ctx.write(SourceColumns, rows)


def _by_source(judgements: Sequence[Judged]) -> list[tuple[Judged, str, Counted]]:
    return [(judgement, source, counted) for judgement in judgements for source, counted in judgement.counted.items()]


def write_report(
    ctx: Context[IngestSettings], judgements: Sequence[Judged], report: Sequence[Mapping[str, Any]], stays: bool = False
) -> str:
    """Writes the data-quality report, table and page, and tells where it is."""
    ctx.write(DataQuality, report, stays=stays)
    place = f"{DataQuality.full_name()} of {ctx.date}"
    why_not = why_no_pages(ctx.lake)
    if why_not:
        ctx.say(f"no page of the data quality, as {why_not}; see {place}")
        return place
    meanings = {(source, r.name): r.meaning for judgement, source, _ in _by_source(judgements) for r in judgement.rules}
    meanings |= {
        (source, name): text for _, source, _ in _by_source(judgements) for name, text in gate.MEANINGS.items()
    }
    page = quality_page(report, meanings, ctx.date, ctx.run_id, f"lake {ctx.lake.root}")
    return f"{place}, {write_page(ctx.lake, f'data_quality_{ctx.date}', page)}"
