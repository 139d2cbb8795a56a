"""The named checks: which rows of a source are rejected, which are kept though something is wrong, and why.

Every rule has a name and a criticality. What a table's rows are judged by: the shape of the row (`broken_row`),
each value (`unparsable_<column>`: there, but not of the column's type; `missing_<column>`: required, not there),
the contract's source checks, the user's own checks, and other rows with the same key (`duplicate_row`,
`duplicate_key`). A rule states what is wrong with a row that fails it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts import raw_rows
from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.schema import MONEY, Col, SourceCheck, Table, WriteMode
from promo_spark.contracts.silver import CLEANED_TYPE, SILVER, OrderLines, Quarantined, Sourced
from promo_spark.errors import SettingsError
from promo_spark.sources.checks.predicates import PREDICATES, ComparedWith, mark
from promo_spark.sources.incoming import GIVEN_BY_THE_RUN, fenced, names_of, own_stage

REASONS, WARNINGS, DOUBLED, LINE = "_reasons", "_warnings", "_doubled", "_source_line"
_RANK, _KEPT = "_nth", "_first"  # the row's place among those of its key; the content of the row that stays
_FAILS = "_fails_"  # before the name of a rule
FLAGS, CLEANED = "flags", "cleaned"
ROWS_IN, BLANK_ROWS, BAD_ROWS, DAYS = "rows_in", "blank_rows", "bad_rows", "days"
REJECT, WARN, OFF = "reject", "warn", "off"
_MONEY = (
    OrderLines.amount_paid,
    OrderLines.list_amount,
    OrderLines.discount_retail,
    OrderLines.discount_coupon,
    OrderLines.discount_coupon_match,
)
UNREADABLE_ID = "control_character_in_id"  # such an id is nowhere kept, so its row cannot be
FARTHEST_DAY = 3660  # days further back than this are not looked at for gaps


@dataclass(frozen=True)
class Rule:
    """What a row is judged by. `fails` is true of a bad row and never null; None: found among several rows."""

    name: str
    meaning: str
    criticality: str
    fails: Column | None = None
    column: str = ""
    ids: DataFrame | None = None  # the set of ids, of one column, that `fails` looks the column up in


BROKEN_ROW = Rule(
    raw_rows.BROKEN_ROW, "the row is not of the file's shape: fields too few or too many, an open quote", REJECT
)
BROKEN_ENCODING = Rule(
    raw_rows.BROKEN_ENCODING, "the row is not text in the file's encoding, or has a zero byte", REJECT
)
BROKEN_HEADER = Rule(
    raw_rows.BROKEN_HEADER, "the row's file has a header without a mapped column, or with one twice", REJECT
)
DUPLICATE_ROW = Rule("duplicate_row", "the same row is there more than once; one is kept", REJECT)
DUPLICATE_KEY = Rule("duplicate_key", "another row has the same key and other values; one is kept", REJECT)


def check_names(own: Sequence[SourceCheck] = ()) -> list[str]:
    """Every check that settings may set to reject, warn or off."""
    return sorted({c.name for table in SILVER for c in table.source_checks} | {c.name for c in own})


def rules(
    table: type[Table], compared: ComparedWith, policies: Mapping[str, str], own: Sequence[SourceCheck] = ()
) -> list[Rule]:
    """What a row on its way to the table is judged by, in the order in which its reasons are named.

    `policies` gives checks another criticality than their contract's. A check whose rule the table itself
    enforces can only reject: a row kept with it could not be written. Raises SettingsError for a policy on
    a check that does not exist, or on such a one.
    """
    enforced = [(c.column, c.operator, c.literal) for c in table.checks]
    judged_by = _structure(table)
    for check in (*table.source_checks, *own):
        criticality = policies.get(check.name, check.criticality)
        required = (check.column, check.operator, check.literal) in enforced or check.name == UNREADABLE_ID
        if criticality != REJECT and required:
            raise SettingsError(
                f"ingest.policies.{check.name} is {criticality}, but {table.full_name()} never holds such a row: "
                "it can only be reject"
            )
        fails, ids = _failing(check, compared)
        if criticality != OFF and fails is not None:
            judged_by.append(Rule(check.name, check.meaning, criticality, fails, check.column, ids))
    return [*judged_by, DUPLICATE_ROW, DUPLICATE_KEY]


def refuse_unknown(policies: Mapping[str, str], own: Sequence[SourceCheck] = ()) -> None:
    """Raises SettingsError for policies on checks that do not exist."""
    names = check_names(own)
    unknown = sorted(set(policies) - set(names))
    if unknown:
        raise SettingsError(f"ingest.policies names {', '.join(unknown)}; the checks are: {', '.join(names)}")


def screened(table: type[Table], rows: DataFrame, by: Sequence[Rule]) -> DataFrame:
    """The candidates with `_reasons` (why rejected; empty: good), `_warnings` and, where the table has it, `flags`.

    Judges each row by itself; `doubled` and `ranked` then find the rows that repeat a key. A blank row is
    not judged, and of a row whose fields are not where they belong no field is.
    """
    marks = []
    for rule in by:
        if rule.ids is not None:
            marks.append(mark(rule.name))
            ids = rule.ids.toDF(marks[-1])
            rows = rows.join(ids, F.col(rule.column) == F.col(marks[-1]), how="left")
    # As columns of their own, as each is asked twice: whether any holds, and which.
    judged = {r.name: r for r in by if r.fails is not None and r.criticality in (REJECT, WARN)}
    fails = {_FAILS + name: rule.fails for name, rule in judged.items() if rule.fails is not None}
    rows = own_stage(rows.withColumns(fails))
    failures = {
        kind: {name: F.col(_FAILS + name) for name, r in judged.items() if r.criticality == kind}
        for kind in (REJECT, WARN)
    }
    none, broken = names_of({}), F.array(F.coalesce(F.col(RawRow.fault), F.lit(BROKEN_ROW.name)))
    unjudged = F.col(RawRow.blank) | F.col(RawRow.broken)
    reasons = F.when(unjudged, F.when(F.col(RawRow.blank), none).otherwise(broken)).otherwise(
        names_of(failures[REJECT])
    )
    rows = rows.withColumns(
        {
            RawRow.blank: fenced(F.col(RawRow.blank)),
            REASONS: reasons,
            WARNINGS: F.when(unjudged, none).otherwise(names_of(failures[WARN])) if failures[WARN] else none,
        }
    )
    if FLAGS in table.columns():
        rows = rows.withColumn(FLAGS, F.col(WARNINGS))
    if CLEANED in table.columns() and CLEANED not in rows.columns:
        rows = rows.withColumn(CLEANED, F.lit(None).cast(CLEANED_TYPE))
    return rows.drop(*marks, *fails)


def tallies(table: type[Table], by: Sequence[Rule], compared: ComparedWith, sources: Sequence[str]) -> list[Column]:
    """What to count per source in a pass that goes over screened rows anyway; `tally` names each.

    All rows, blank ones, bad ones, those that fail each rule, and the days that good rows have.
    """
    counted = []
    for source in sources:
        of_source = F.lit(True) if len(sources) == 1 else F.col(IncomingRow.source) == source
        rejected = (F.size(REASONS) > 0) & of_source
        counts = {ROWS_IN: of_source, BLANK_ROWS: F.col(RawRow.blank) & of_source, BAD_ROWS: rejected}
        for rule in by:
            where = REASONS if rule.criticality == REJECT else WARNINGS
            counts[rule.name] = (F.size(where) > 0) & F.array_contains(where, rule.name) & of_source
        counted += [F.count_if(holds).alias(tally(name, source)) for name, holds in counts.items()]
        day = day_column(table)
        if day is not None:
            first = F.lit(compared.date - datetime.timedelta(FARTHEST_DAY))
            near = F.col(day).between(first, F.lit(compared.date)) & ~rejected & ~F.col(RawRow.blank) & of_source
            counted.append(F.collect_set(F.when(near, F.col(day))).alias(tally(DAYS, source)))
    return counted


def tally(name: str, source: str) -> str:
    """What a count of a source is called in the pass that counts."""
    return f"{source}: {name}"


def day_column(table: type[Table]) -> str | None:
    """The business day of a table that is delivered by days."""
    return table.partition[0] if table.write_mode is WriteMode.REPLACE_DAYS else None


def good(rows: DataFrame) -> DataFrame:
    """The rows that no check rejects."""
    return rows.filter((F.size(REASONS) == 0) & ~F.col(RawRow.blank))


def bad(rows: DataFrame) -> DataFrame:
    """The rows that some check rejects."""
    return rows.filter((F.size(REASONS) > 0) & ~F.col(RawRow.blank))


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
    same_key = Window.partitionBy(*table.key).orderBy(*order, F.col(RawRow.file), F.col(IncomingRow.source))
    same = content == F.col(_KEPT)
    reason = F.when(same, F.lit(DUPLICATE_ROW.name)).otherwise(F.lit(DUPLICATE_KEY.name))
    return (
        suspects.withColumn(_RANK, F.row_number().over(same_key))
        .withColumn(_KEPT, F.first(content).over(same_key))
        .withColumn(REASONS, F.when(F.col(_RANK) > 1, F.array(reason)).otherwise(F.col(REASONS)))
        .drop(_RANK, _KEPT)
    )


def accepted(rows: DataFrame, run_id: str) -> DataFrame:
    """Good rows as they go to silver, with their file and run; all money of a return is negative."""
    if OrderLines.quantity in rows.columns and OrderLines.amount_paid in rows.columns:
        returned = F.col(OrderLines.quantity) < 0
        rows = rows.withColumns({c: F.when(returned, -F.abs(c)).otherwise(F.col(c)).cast(MONEY) for c in _MONEY})
    return rows.withColumn(Sourced.source_file, F.col(RawRow.file)).withColumn(Sourced.run_id, F.lit(run_id))


def quarantined(rows: DataFrame, source: str, run_id: str) -> DataFrame:
    """Bad rows as they go to quarantine: raw, with all their reasons; `_source_line` is their line if they have one."""
    typed = isinstance(rows.schema[RawRow.raw].dataType, T.StructType)
    line = F.col(LINE) if LINE in rows.columns else F.lit(None).cast("long")
    return rows.select(
        F.lit(source).alias(Quarantined.source),
        (F.to_json(RawRow.raw) if typed else F.col(RawRow.raw)).alias(Quarantined.raw),
        F.col(REASONS).alias(Quarantined.reasons),
        F.col(RawRow.file).alias(Quarantined.source_file),
        line.alias(Quarantined.source_line),
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


def _structure(table: type[Table]) -> list[Rule]:
    """What every table's rows are judged by: their shape and, column by column, their values."""
    judged_by = [BROKEN_ROW, BROKEN_ENCODING, BROKEN_HEADER]
    for name, column in table.columns().items():
        if name in GIVEN_BY_THE_RUN:
            continue
        unparsable = (F.size(IncomingRow.unparsed) > 0) & F.array_contains(IncomingRow.unparsed, name)
        if not isinstance(column.type, T.StringType):
            meaning = f"{name} has a value that is not {_kind(column)}"
            judged_by.append(Rule(f"unparsable_{name}", meaning, REJECT, unparsable, name))
        if column.required:
            meaning = f"{name} has no value, and the row makes no sense without"
            judged_by.append(Rule(f"missing_{name}", meaning, REJECT, F.col(name).isNull() & ~unparsable, name))
    return judged_by


def _failing(check: SourceCheck, compared: ComparedWith) -> tuple[Column | None, DataFrame | None]:
    """When a row fails the check, and the ids to compare with; nothing where these are not known."""
    if check.triple is not None:
        return ~check.triple.holds(), None
    predicate = PREDICATES[check.name]
    if not predicate.applies(compared):
        return None, None
    fails = F.coalesce(predicate.fails(check.column, compared), F.lit(False))
    return fails, predicate.ids(compared) if predicate.ids else None


def _kind(column: Col) -> str:
    if isinstance(column.type, T.TimestampType):
        return "a time"
    if isinstance(column.type, T.DateType):
        return "a date"
    if isinstance(column.type, T.ArrayType):
        return "a list"
    return "true or false" if isinstance(column.type, T.BooleanType) else "a number that fits"
