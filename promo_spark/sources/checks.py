"""The named checks: which rows of a source are rejected, which are kept and flagged, and why.

Every rejection has a name. Names of values that are there but do not parse start with `unparsable_`, of
required values that are not there with `missing_`.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from promo_spark.contracts.silver import OrderLines, Products, Quarantined
from promo_spark.contracts.table import Check, Table
from promo_spark.errors import SettingsError
from promo_spark.sources.candidates import BLANK, BROKEN, FILE, GIVEN_BY_THE_RUN, RAW, UNPARSED

REASONS, FLAGS = "_reasons", "flags"
QUARANTINE, FLAG = "quarantine", "flag"

# A check states what holds of a good row; its name states what is wrong with a bad one.
VALUE_CHECKS: dict[type[Table], tuple[Check, ...]] = {
    OrderLines: (
        Check("quantity_zero", OrderLines.quantity, "!=", 0),
        Check("quantity_negative", OrderLines.quantity, ">=", 0),
        Check("amount_zero", OrderLines.amount_paid, "!=", 0),
    ),
    Products: Products.checks,
}
CHECK_NAMES = ("quantity_zero", "quantity_negative", "amount_negative", "amount_zero", "unknown_product")


def screened(
    table: type[Table], rows: DataFrame, policies: Mapping[str, str], known_products: DataFrame | None = None
) -> DataFrame:
    """The candidates with `_reasons` (why rejected; empty: accepted) and, where the table has it, `flags`.

    Of rows with the same key one is kept, the same one whatever the order of rows; the others are
    `duplicate_row` when equal to it in every column, `duplicate_key` when not.
    Raises SettingsError for a policy on a check that does not exist.
    """
    unknown = sorted(set(policies) - set(CHECK_NAMES))
    if unknown:
        raise SettingsError(
            f"ingest.policies names {', '.join(unknown)}; the checks are: {', '.join(CHECK_NAMES)}"
        )
    failures = _parse_failures(table)
    for check in VALUE_CHECKS.get(table, ()):
        failures[check.name] = ~check.holds()
    if table is OrderLines:
        money_back_without_return = (F.col(OrderLines.amount_paid) < 0) & (F.col(OrderLines.quantity) >= 0)
        failures["amount_negative"] = F.coalesce(money_back_without_return, F.lit(False))
    if known_products is not None:
        ids = known_products.select(F.col(Products.product_id).alias("_known")).distinct()
        rows = rows.join(F.broadcast(ids), rows["product_id"] == F.col("_known"), how="left")
        failures["unknown_product"] = F.col("product_id").isNotNull() & F.col("_known").isNull()
    flagged = {n: f for n, f in failures.items() if policies.get(n) == FLAG and FLAGS in table.columns()}
    rejecting = {n: f for n, f in failures.items() if n not in flagged}
    rows = rows.withColumn(REASONS, _names(rejecting))
    if FLAGS in table.columns():
        rows = rows.withColumn(FLAGS, _names(flagged))
    return _duplicates_marked(table, rows)


def accepted(table: type[Table], rows: DataFrame, run_id: str) -> DataFrame:
    """The rows that go to silver, with their file and run."""
    good = rows.filter((F.size(REASONS) == 0) & ~F.col(BLANK))
    return good.withColumn("source_file", F.col(FILE)).withColumn("run_id", F.lit(run_id))


def quarantined(rows: DataFrame, source: str, run_id: str) -> DataFrame:
    """The rows that go to quarantine, raw and with all their reasons."""
    return rows.filter((F.size(REASONS) > 0) & ~F.col(BLANK)).select(
        F.lit(source).alias(Quarantined.source),
        F.col(RAW).alias(Quarantined.raw),
        F.col(REASONS).alias(Quarantined.reasons),
        F.col(FILE).alias(Quarantined.source_file),
        F.lit(run_id).alias(Quarantined.run_id),
    )


def reason_names(table: type[Table]) -> list[str]:
    """Every name that `screened` can give a row of the table."""
    names = [n for n in _parse_failures(table)]
    names += [c.name for c in VALUE_CHECKS.get(table, ())]
    return [*names, "amount_negative", "unknown_product", "duplicate_row", "duplicate_key"]


def _parse_failures(table: type[Table]) -> dict[str, Column]:
    failures = {"broken_row": F.col(BROKEN)}
    for name, column in table.columns().items():
        if name in GIVEN_BY_THE_RUN:
            continue
        unparsable = F.array_contains(UNPARSED, name)
        failures[f"unparsable_{name}"] = ~F.col(BROKEN) & unparsable
        if column.required:
            failures[f"missing_{name}"] = ~F.col(BROKEN) & F.col(name).isNull() & ~unparsable
    return failures


def _names(failures: Mapping[str, Column]) -> Column:
    if not failures:
        return F.array().cast("array<string>")
    return F.array_compact(F.array(*[F.when(failed, F.lit(n)) for n, failed in failures.items()]))


def _duplicates_marked(table: type[Table], rows: DataFrame) -> DataFrame:
    """Adds the duplicate reasons. Blank and already rejected rows never shadow a good one."""
    values = [c for c in table.columns() if c not in GIVEN_BY_THE_RUN]
    content = F.xxhash64(*values)
    good = (F.size(REASONS) == 0) & ~F.col(BLANK)
    order = [F.when(good, 0).otherwise(1), *[F.col(c).asc_nulls_last() for c in values if c not in table.key]]
    same_key = Window.partitionBy(*table.key).orderBy(*order, F.col(FILE), F.col(RAW))
    ranked = rows.withColumn("_nth", F.row_number().over(same_key)).withColumn(
        "_kept", F.first(content).over(same_key.rowsBetween(Window.unboundedPreceding, 0))
    )
    reason = F.when(content == F.col("_kept"), F.lit("duplicate_row")).otherwise(F.lit("duplicate_key"))
    doubled = good & (F.col("_nth") > 1)
    return ranked.withColumn(REASONS, F.when(doubled, F.array(reason)).otherwise(F.col(REASONS))).drop(
        "_nth", "_kept", "_known"
    )
