"""Rows on their way to silver: what every adapter hands over and what the checks judge.

A candidate frame has the columns of its silver table, and beside them what is needed to reject a row
without losing it: the raw row, its file and place there, whether it is blank or broken, and which values did
not parse.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.schema import Table

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
# Anywhere but around the id, where blanks are cut off: a line break in an id splits what is printed of it.
CONTROL_CHARACTER = r"[\x00-\x1f\x7f-\x9f\u2028\u2029]"
_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
# Types whose every value can be kept: numbers with a point have NaN, times have years beyond 9999.
_ALL_GOOD = (T.StringType, T.IntegralType, T.DecimalType, T.BooleanType, T.ArrayType)
BESIDE = (
    RawRow.raw,
    RawRow.file,
    RawRow.blank,
    RawRow.broken,
    RawRow.position,
    RawRow.fault,
)  # what a raw row has beside the source's own columns
_VALUE, _PARSED, _REFUSED = "_value_", "_parsed_", "_refused_"  # before the name of a column
GIVEN_BY_THE_RUN = {"source_file", "run_id", "flags", "cleaned"}


def candidates(
    table: type[Table],
    raw: DataFrame,
    values: Mapping[str, Column],
    parsed: Mapping[str, Column] | None = None,
    beside: Mapping[str, Column] | None = None,
) -> DataFrame:
    """One row per raw row, cast to the table's types. Raw rows → candidates.

    `values` gives each column from raw columns; columns not named are null. A value that is there but cannot be
    cast, or an id with a control character in it, becomes null, and its column's name is put into `_unparsed`.
    `parsed` gives the value in its type where a cast is not the way to read it, such as a date in the source's own
    format. `beside` gives columns that are none of the table's.
    """
    given = _given(raw, values, parsed or {}, beside or {})
    stored_as = {name: given.schema[_VALUE + name].dataType for name in values}
    ids = {n for n in id_columns(table) if isinstance(stored_as.get(n), T.StringType)}
    read: list[Column] = []
    failures: dict[str, Column] = {}
    for name, column in table.columns().items():
        if name in GIVEN_BY_THE_RUN:
            continue
        if name not in values:
            read.append(F.lit(None).cast(column.type).alias(name))
            continue
        value, stored = F.col(_VALUE + name), stored_as[name]
        typed = F.col(_PARSED + name) if _PARSED + name in given.columns else _parsed(value, stored, column.type)
        if isinstance(column.type, (T.DateType, T.TimestampType)):
            typed = F.when(F.year(typed).between(1, 9999), typed)  # no other year can be written, or read by others
        if name in ids:
            refused = F.coalesce(value.rlike(CONTROL_CHARACTER), F.lit(False))
            read.append(refused.alias(_REFUSED + name))
            typed = F.when(~refused, typed)
            failures[name] = F.col(_REFUSED + name)
        read.append(typed.cast(column.type).alias(name))
        may_be_lost = stored != column.type or not isinstance(stored, _ALL_GOOD)
        if may_be_lost and not isinstance(column.type, T.StringType):
            read.append(value)
            failures[name] = value.isNotNull() & F.col(name).isNull()
    rows = own_stage(own_stage(given).select(*read, *BESIDE, *(beside or {})))
    ours = [name for name in table.columns() if name not in GIVEN_BY_THE_RUN]
    return rows.select(
        *ours,
        RawRow.raw,
        RawRow.file,
        RawRow.blank,
        fenced(F.col(RawRow.broken)).alias(RawRow.broken),
        RawRow.position,
        RawRow.fault,
        names_of(failures).alias(IncomingRow.unparsed),
        *(beside or {}),
    )


def _given(
    raw: DataFrame, values: Mapping[str, Column], parsed: Mapping[str, Column], beside: Mapping[str, Column]
) -> DataFrame:
    """The raw rows with what each column is made of in a column of its own.

    What several columns are made of, such as a time and its day, is reckoned once, and no generated method gets so long
    that the JVM does not compile it.
    """
    lacking = {c for c in (RawRow.position, RawRow.fault) if c not in raw.columns}
    there = [F.lit(None).cast(RawRow.type_of(c)).alias(c) if c in lacking else F.col(c) for c in BESIDE]
    named = [value.alias(_VALUE + name) for name, value in values.items()]
    read = [value.alias(_PARSED + name) for name, value in parsed.items() if name in values]
    return raw.select(*there, *named, *read, *[value.alias(name) for name, value in beside.items()])


def id_columns(table: type[Table]) -> list[str]:
    """The columns of a table that are ids, as text."""
    return [
        name
        for name, column in table.columns().items()
        if name.endswith("_id") and name not in GIVEN_BY_THE_RUN and isinstance(column.type, T.StringType)
    ]


def own_stage(rows: DataFrame) -> DataFrame:
    """The rows as they are; Spark generates the code of what is made of them apart from the code that makes them.

    As more parts than there are, which leaves the parts alone: no code is generated for it, so the method of each
    side stays short enough for the JVM to compile.
    """
    return rows.coalesce(1 << 20)


def fenced(flag: Column) -> Column:
    """The flag as it is, as a fence: Spark moves no later filter in front of the frame that has it.

    It would move each of them, with the whole expression of a column in every condition that names it: a
    thousand casts for a row of ten columns. It moves none in front of what depends on a row's number.
    """
    return flag & (F.monotonically_increasing_id() >= 0)


def of_source(rows: DataFrame, source: str) -> DataFrame:
    """The candidates with the name of the source they come from."""
    return rows.withColumn(IncomingRow.source, F.lit(source))


def together(by_source: Sequence[DataFrame]) -> DataFrame:
    """The candidates of one table from all its sources; raw rows that are columns become text."""
    frames = [
        rows.withColumn(RawRow.raw, F.to_json(RawRow.raw))
        if isinstance(rows.schema[RawRow.raw].dataType, T.StructType)
        else rows
        for rows in by_source
    ]
    return functools.reduce(DataFrame.unionByName, frames)


def names_of(failures: Mapping[str, Column]) -> Column:
    """The names whose condition is true, as an array; a row with none costs no more than the conditions."""
    none = F.array().cast("array<string>")
    if not failures:
        return none
    any_of = functools.reduce(Column.__or__, failures.values())
    # Split text rather than a filtered array: lambdas have no generated code, and would slow every clean row.
    named = F.split(F.concat_ws(",", *[F.when(c, F.lit(n)) for n, c in failures.items()]), ",")
    return F.when(any_of, named).otherwise(none)


def _parsed(value: Column, stored: T.DataType, kind: T.DataType) -> Column:
    """The value in its type, null where it does not parse; money is rounded half up to its scale.

    Stricter with text than Spark's cast, which takes digits of other scripts, 5d, 0x1p3 and NaN for numbers and
    12:30 for a time of the day it runs.
    """
    if isinstance(kind, T.StringType):
        if not isinstance(stored, T.StringType):
            return value.cast("string")
        text = F.trim(value)
        return F.when(text != "", text)
    written = value
    if isinstance(stored, T.StringType):
        text = F.trim(value)
        if isinstance(kind, (T.DoubleType, T.FloatType)):
            written = F.when(text.rlike(_NUMBER), text)
        elif isinstance(kind, T.DateType):
            written = F.when(text.rlike(f"{_DAY}$"), text)
        elif isinstance(kind, T.TimestampType):
            written = F.when(text.rlike(f"{_DAY}([T ].*)?$"), text)
        else:
            written = F.when(F.octet_length(text) == F.length(text), text)
    if isinstance(kind, T.DecimalType) and stored != kind:
        exact = written.try_cast(T.DecimalType(28, 9))
        return F.round(exact, kind.scale).try_cast(kind)
    read = written if stored == kind else written.try_cast(kind)
    if isinstance(kind, (T.DoubleType, T.FloatType)):
        infinity = F.lit(float("inf"))
        return F.when(~F.isnan(read) & (F.abs(read) < infinity), read)
    return read
