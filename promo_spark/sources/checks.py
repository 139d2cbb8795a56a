"""The named checks: which rows of a source are rejected, which are kept and flagged, and why.

Every rejection has a name. Names of values that are there but do not parse start with `unparsable_`, of
required values that are not there with `missing_`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts.silver import OrderLines, Products, Quarantined
from promo_spark.contracts.table import Check, Table
from promo_spark.errors import SettingsError
from promo_spark.sources.candidates import BLANK, BROKEN, FILE, GIVEN_BY_THE_RUN, RAW, SOURCE, UNPARSED, names_of

REASONS, FLAGS, DOUBLED = "_reasons", "flags", "_doubled"
QUARANTINE, FLAG = "quarantine", "flag"

# A check states what holds of a good row; its name states what is wrong with a bad one. A table that does not
# stand here is judged by the checks of its contract.
VALUE_CHECKS: dict[type[Table], tuple[Check, ...]] = {
    OrderLines: (
        Check("quantity_zero", OrderLines.quantity, "!=", 0),
        Check("quantity_negative", OrderLines.quantity, ">=", 0),
        Check("amount_zero", OrderLines.amount_paid, "!=", 0),
    ),
}
CHECK_NAMES = ("quantity_zero", "quantity_negative", "amount_negative", "amount_zero", "unknown_product")


def screened(
    table: type[Table], rows: DataFrame, policies: Mapping[str, str], known_products: DataFrame | None = None
) -> DataFrame:
    """The candidates with `_reasons` (why rejected; empty: good) and, where the table has it, `flags`.

    Judges each row by itself; `doubled` and `ranked` then find the rows that repeat a key.
    Raises SettingsError for a policy on a check that does not exist.
    """
    unknown = sorted(set(policies) - set(CHECK_NAMES))
    if unknown:
        raise SettingsError(f"ingest.policies names {', '.join(unknown)}; the checks are: {', '.join(CHECK_NAMES)}")
    failures = _parse_failures(table)
    for check in VALUE_CHECKS.get(table, table.checks):
        failures[check.name] = ~check.holds()
    if table is OrderLines:
        money_back_without_return = (F.col(OrderLines.amount_paid) < 0) & (F.col(OrderLines.quantity) >= 0)
        failures["amount_negative"] = F.coalesce(money_back_without_return, F.lit(False))
    if known_products is not None:
        ids = known_products.select(F.col(Products.product_id).alias("_known")).distinct()
        rows = rows.join(ids, rows["product_id"] == F.col("_known"), how="left")
        failures["unknown_product"] = F.col("product_id").isNotNull() & F.col("_known").isNull()
    # Of a row whose fields are not where they belong, no field is judged.
    failures = {"broken_row": F.col(BROKEN), **{n: ~F.col(BROKEN) & f for n, f in failures.items()}}
    flagged = {n: f for n, f in failures.items() if policies.get(n) == FLAG and FLAGS in table.columns()}
    rejecting = {n: f for n, f in failures.items() if n not in flagged}
    rows = rows.withColumn(REASONS, names_of(rejecting))
    if FLAGS in table.columns():
        rows = rows.withColumn(FLAGS, names_of(flagged))
    return rows.drop("_known")


def good(rows: DataFrame) -> DataFrame:
    """The rows that no check rejects."""
    return rows.filter((F.size(REASONS) == 0) & ~F.col(BLANK))


def bad(rows: DataFrame) -> DataFrame:
    """The rows that some check rejects."""
    return rows.filter((F.size(REASONS) > 0) & ~F.col(BLANK))


def doubled(table: type[Table], rows: DataFrame) -> DataFrame:
    """One row per key, as its hash, that several good rows have. Candidates → hashes.

    Only hashes are shuffled, and sorted by numpy: a hash aggregate over keys that are nearly all different
    takes three times the processor time. Keys that share a hash by chance are told apart by `ranked`.
    """
    hashes = good(rows).select(_key_hash(table).alias(DOUBLED)).repartition(DOUBLED)
    return hashes.mapInArrow(_repeated, f"{DOUBLED} long")


def with_doubled_key(table: type[Table], rows: DataFrame, keys: DataFrame) -> DataFrame:
    """The good rows whose key several rows have."""
    return good(rows).join(keys, _key_hash(table) == F.col(DOUBLED), how="left_semi")


def without_doubled_key(table: type[Table], rows: DataFrame, keys: DataFrame) -> DataFrame:
    """The good rows that have their key for themselves."""
    return good(rows).join(keys, _key_hash(table) == F.col(DOUBLED), how="left_anti")


def ranked(table: type[Table], suspects: DataFrame) -> DataFrame:
    """The suspects with reasons: of each key one row stays good, the same one in whatever order they come.

    The others are `duplicate_row` when equal to it in every column, `duplicate_key` when not.
    """
    values = [c for c in table.columns() if c not in GIVEN_BY_THE_RUN]
    content = F.xxhash64(*values)
    order = [F.col(c).asc_nulls_last() for c in values if c not in table.key]
    tie_break = [F.col(c) for c in (FILE, SOURCE) if c in suspects.columns]
    same_key = Window.partitionBy(*table.key).orderBy(*order, *tie_break)
    reason = F.when(content == F.col("_first"), F.lit("duplicate_row")).otherwise(F.lit("duplicate_key"))
    return (
        suspects.withColumn("_nth", F.row_number().over(same_key))
        .withColumn("_first", F.first(content).over(same_key))
        .withColumn(REASONS, F.when(F.col("_nth") > 1, F.array(reason)).otherwise(F.col(REASONS)))
        .drop("_nth", "_first")
    )


def accepted(rows: DataFrame, run_id: str) -> DataFrame:
    """Good rows as they go to silver, with their file and run."""
    return rows.withColumn("source_file", F.col(FILE)).withColumn("run_id", F.lit(run_id))


def quarantined(rows: DataFrame, source: str, run_id: str) -> DataFrame:
    """Bad rows as they go to quarantine: raw, with all their reasons."""
    typed = isinstance(rows.schema[RAW].dataType, T.StructType)
    return rows.select(
        F.lit(source).alias(Quarantined.source),
        (F.to_json(RAW) if typed else F.col(RAW)).alias(Quarantined.raw),
        F.col(REASONS).alias(Quarantined.reasons),
        F.col(FILE).alias(Quarantined.source_file),
        F.lit(run_id).alias(Quarantined.run_id),
    )


def _repeated(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The values that a partition holds more than once."""
    columns = [batch.column(0).to_numpy() for batch in batches]
    if columns:
        ordered = np.sort(np.concatenate(columns))
        repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        yield pa.RecordBatch.from_arrays([pa.array(repeated)], names=[DOUBLED])


def _key_hash(table: type[Table]) -> Column:
    return F.xxhash64(*table.key)


def reason_names(table: type[Table]) -> list[str]:
    """Every reason for which a row of the table can be rejected."""
    names = ["broken_row", *_parse_failures(table)]
    names += [c.name for c in VALUE_CHECKS.get(table, table.checks)]
    return [*names, "amount_negative", "unknown_product", "duplicate_row", "duplicate_key"]


def _parse_failures(table: type[Table]) -> dict[str, Column]:
    failures: dict[str, Column] = {}
    for name, column in table.columns().items():
        if name in GIVEN_BY_THE_RUN:
            continue
        unparsable = (F.size(UNPARSED) > 0) & F.array_contains(UNPARSED, name)
        if not isinstance(column.type, T.StringType):
            failures[f"unparsable_{name}"] = unparsable
        if column.required:
            failures[f"missing_{name}"] = F.col(name).isNull() & ~unparsable
    return failures
