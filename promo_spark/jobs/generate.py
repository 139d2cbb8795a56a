"""Make a synthetic retailer with known truth: raw files of its history before the date, and truth.* beside them.

The same seed and sizes give the same rows on any number of tasks. Ingest takes the files in by the mapping of
`--env world`; no job of the daily run reads the truth. Files that were deleted are made again with --force.
"""

from __future__ import annotations

import time

from promo_spark.contracts.truth import (
    DirtyRows,
    TrueDemand,
    TrueEffects,
    TrueElasticities,
    TrueNextPurchases,
    TrueProducts,
    TrueRules,
    TrueUsers,
    Truth,
    Worlds,
)
from promo_spark.runtime.job import Context, job
from promo_spark.settings import GenerateSettings
from promo_spark.tables.raw_files import write_raw
from promo_spark.worlds.frames import raw_table, raw_tables, truth_table
from promo_spark.worlds.spec import world_spec

_TRUTH: tuple[type[Truth], ...] = (
    TrueUsers, TrueProducts, TrueRules, TrueElasticities, TrueEffects, TrueNextPurchases, TrueDemand, DirtyRows,
)  # fmt: skip


@job(reads=[], writes=[Worlds, *_TRUTH], settings=GenerateSettings)
def run(ctx: Context[GenerateSettings]) -> None:
    spec, chosen = world_spec(ctx.settings, ctx.date), ctx.settings
    for table in raw_tables(spec):  # the late lines come last: they lie in a folder of the others'
        started = time.perf_counter()
        place = "order_lines/late" if table == "late_order_lines" else table
        rows = write_raw(raw_table(ctx.spark, spec, table, chosen.partitions), chosen.folder, place, chosen.format)
        ctx.say(f"{table}: {rows:,} rows, {rows / (time.perf_counter() - started):,.0f} rows/s")
    ctx.write(Worlds, truth_table(ctx.spark, spec, Worlds, 1))
    for truth in _TRUTH if chosen.truth else ():
        ctx.say(truth.full_name())
        ctx.write(truth, truth_table(ctx.spark, spec, truth, chosen.partitions))
