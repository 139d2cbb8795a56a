"""The steps of generate: the raw files of a history, and where they lie."""

from __future__ import annotations

import datetime
import time

from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.truth import Worlds
from promo_spark.errors import SettingsError
from promo_spark.runtime.job import Context
from promo_spark.settings.generate import GenerateSettings
from promo_spark.storage.raw_files import write_raw
from promo_spark.worlds.frames import raw_table, raw_tables
from promo_spark.worlds.spec import WorldSpec


def raw_folder(settings: GenerateSettings, _spark: SparkSession | None, _date: datetime.date) -> str:
    """Where the raw files go, and how they are written: in another folder there are none yet."""
    return f"{settings.folder} {settings.format}"


def deliver_history(ctx: Context[GenerateSettings], spec: WorldSpec) -> None:
    """Writes the raw files of the world's history. Raises SettingsError where no folder is set."""
    settings = ctx.settings
    if not settings.folder:
        raise SettingsError("generate.folder and ingest.folder are both empty: say where the raw files go")
    for table in raw_tables(spec):  # the late lines come last: they lie in a folder of the others'
        started = time.perf_counter()
        name = "order_lines/late" if table == "late_order_lines" else table
        rows = write_raw(raw_table(ctx.spark, spec, table, settings.partitions), settings.folder, name, settings.format)
        ctx.say(f"{table}: {rows:,} rows, {rows / (time.perf_counter() - started):,.0f} rows/s")


def world_row(ctx: Context[GenerateSettings], spec: WorldSpec) -> DataFrame:
    """One row: the world's parameters, and where its raw files lie. → Worlds."""
    settings = ctx.settings
    row = {
        Worlds.start: spec.start,
        Worlds.spec: spec.to_json(),
        Worlds.folder: settings.folder,
        Worlds.format: settings.format,
    }
    return Worlds.frame(ctx.spark, [row])
