"""Make a synthetic retailer with known truth: raw files of its history before the date, and truth.* beside them.

The same seed and sizes give the same rows on any number of tasks. Ingest takes the files in by the mapping of
`--env world`; no job of the daily run reads the truth. Files that were deleted are made again with --force.
"""

from __future__ import annotations

import time

from promo_spark.contracts.truth import OF_HISTORY, Worlds
from promo_spark.errors import SettingsError
from promo_spark.runtime.job import Context, job
from promo_spark.settings.generate import GenerateSettings
from promo_spark.storage.raw_files import write_raw
from promo_spark.worlds.frames import raw_table, raw_tables, truth_table
from promo_spark.worlds.spec import world_spec


@job(reads=[], writes=[Worlds, *OF_HISTORY], settings=GenerateSettings)
def run(ctx: Context[GenerateSettings]) -> None:
    spec, chosen = world_spec(ctx.settings, ctx.date), ctx.settings
    if not chosen.folder:
        raise SettingsError("generate.folder and ingest.folder are both empty: say where the raw files go")
    for table in raw_tables(spec):  # the late lines come last: they lie in a folder of the others'
        started = time.perf_counter()
        place = "order_lines/late" if table == "late_order_lines" else table
        rows = write_raw(raw_table(ctx.spark, spec, table, chosen.partitions), chosen.folder, place, chosen.format)
        ctx.say(f"{table}: {rows:,} rows, {rows / (time.perf_counter() - started):,.0f} rows/s")
    world = {"start": spec.start, "spec": spec.to_json(), "folder": chosen.folder, "format": chosen.format}
    ctx.write(Worlds, Worlds.frame(ctx.spark, [world]))
    for truth in OF_HISTORY if chosen.truth else ():
        ctx.say(truth.full_name())
        ctx.write(truth, truth_table(ctx.spark, spec, truth, chosen.partitions))
