"""Make a synthetic retailer with known truth: raw files of its history before the date, and truth.* beside them.

The same seed and sizes give the same rows on any number of tasks. Ingest takes the files in by the mapping of
`--env world`; no job of the daily run reads the truth. Files that were deleted are made again with --force.
"""

from __future__ import annotations

from promo_spark.contracts.truth import OF_HISTORY, Worlds
from promo_spark.flows.generate import deliver_history, raw_folder, world_row
from promo_spark.runtime.job import Context, job, main
from promo_spark.settings.generate import GenerateSettings
from promo_spark.worlds.frames import truth_table
from promo_spark.worlds.spec import world_spec


@job(reads=[], writes=[Worlds, *OF_HISTORY], settings=GenerateSettings, inputs=raw_folder)
def run(ctx: Context[GenerateSettings]) -> None:
    spec = world_spec(ctx.settings, ctx.date)
    deliver_history(ctx, spec)
    ctx.write(Worlds, world_row(ctx, spec))
    for table in OF_HISTORY if ctx.settings.truth else ():
        ctx.say(table.full_name())
        ctx.write(table, truth_table(ctx.spark, spec, table, ctx.settings.partitions))


if __name__ == "__main__":
    main(run)
