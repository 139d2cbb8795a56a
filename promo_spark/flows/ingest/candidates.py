"""How rows of a source become candidates for silver, whoever takes them in: read, mapped, and as they may be stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.schema import Table
from promo_spark.settings.sources import LookupSettings, SourceSettings
from promo_spark.sources.checks import predicates
from promo_spark.sources.mapping import mappings
from promo_spark.sources.persons import pseudonyms
from promo_spark.storage import json_lines, landing


def file_rows(
    spark: SparkSession,
    path: str,
    source: SourceSettings | LookupSettings,
    columns: Sequence[str],
    also: Callable[[str], bool] = landing.no_other,
    files: Sequence[str] = (),
) -> DataFrame:
    """The raw rows of the files at a path, all of them or some, in the source's format."""
    if source.format == "csv":
        return landing.csv_rows(spark, path, columns, source.delimiter, also, source.encoding, files)
    if source.format == "json":
        return json_lines.json_rows(spark, path, columns, source.encoding, files)
    return landing.typed_rows(spark, path, source.format, columns, also, files=files)


def lookup_rows(spark: SparkSession, path: str, lookup: LookupSettings) -> DataFrame:
    """The raw rows of a file that completes others."""
    return file_rows(spark, path, lookup, list(dict.fromkeys([*lookup.keys.values(), *lookup.columns.values()])))


def candidates(
    table: type[Table],
    raw: DataFrame,
    source: SourceSettings,
    seconds: list[DataFrame],
    timezone: str,
    key: bytes | None,
) -> DataFrame:
    """One candidate per row that the mapping gives; what it makes of ids of persons is keyed, the ids are not yet."""
    rows = mappings.mapped(table, raw, source, seconds, timezone)
    return pseudonyms.keyed(rows, mappings.columns_made_of_ids(table, source), key)


def storable(table: type[Table], rows: DataFrame, test_users: Sequence[str], key: bytes | None) -> DataFrame:
    """Candidates as they may be stored: free text masked, pseudonyms in place of ids, rows of test users marked."""
    return pseudonyms.protected(table, predicates.with_test_users(rows, test_users), key)
