"""Which orders a delivery takes away: the lake holds them on days that it replaces, and it does not have them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import functions as F

from promo_spark.contracts.silver import OrderLines
from promo_spark.flows.ingest.judgement import Judged
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import GateSettings, IngestSettings
from promo_spark.sources.checks import rules
from promo_spark.sources.gate.verdicts import Verdict

_HELD, _GONE, _THERE = "held", "gone", "there"


@dataclass(frozen=True)
class DayWithRemovals:
    """A day of which the lake holds orders that a delivery does not have."""

    day: datetime.date
    held: int
    gone: int


def days_with_removals(ctx: Context[IngestSettings], judged: Judged) -> list[DayWithRemovals]:
    """The days of silver.order_lines that lose orders by the delivery, in order; none for single rows."""
    days = sorted({day for counted in judged.counted.values() for day in counted.delivered.days or ()})
    if judged.stored is not None:
        days = list(judged.stored.days)
    if judged.delivery.table is not OrderLines or not days or not ctx.lake.exists(OrderLines):
        return []
    held = ctx.own(OrderLines).filter(F.col(OrderLines.order_date).isin(days))
    orders = rules.good(judged.screened).select(OrderLines.order_id)
    if judged.stored is not None:
        orders = orders.union(judged.stored.kept.select(OrderLines.order_id))
    delivered = orders.distinct().withColumn(_THERE, F.lit(True))
    counts = (
        held.select(OrderLines.order_id, OrderLines.order_date)
        .distinct()
        .join(delivered, OrderLines.order_id, "left")
        .groupBy(OrderLines.order_date)
        .agg(F.count("*").alias(_HELD), F.count_if(F.col(_THERE).isNull()).alias(_GONE))
        .filter(F.col(_GONE) > 0)
        .orderBy(OrderLines.order_date)
    )
    return [DayWithRemovals(*row) for row in counts.collect()]  # as many as there are days


def verdict(
    removals: Sequence[DayWithRemovals], source: str, rows: int, limits: GateSettings, because: str = ""
) -> Verdict:
    """What the gate thinks of it: judged by the day that loses the largest share of its orders.

    `because` says why they go, of new files; else the delivery has days that are not whole.
    """
    worst = max(removals, key=lambda r: (r.gone / r.held, r.day), default=None)
    share = worst.gone / worst.held if worst else 0.0
    limit = limits.max_removed_share if rows >= limits.judged_from_rows else None
    finding = ""
    if worst:
        others = f", and orders of {len(removals) - 1} other days" if len(removals) > 1 else ""
        finding = (
            f"{worst.gone:,} of {worst.held:,} orders that silver.order_lines holds of {worst.day} are not in this "
            f"delivery and go{others}. "
        )
        finding += because or (
            "If its files do not hold whole days of business.timezone (files cut at midnight UTC, say), set "
            f'delivery = "rows" in ingest.sources.{source}: then they stay'
        )
    passed = limit is None or share <= limit
    held, gone = sum(r.held for r in removals), sum(r.gone for r in removals)
    return Verdict("max_removed_share", held, gone, share, limit, passed, finding)
