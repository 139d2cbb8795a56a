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

from promo_spark.contracts.table import Table

RAW, FILE, BLANK, BROKEN, UNPARSED = "_raw", "_file", "_blank", "_broken", "_unparsed"
# Where a line of a text file stands: the start of the block that was read, and a number that rises by one from
# line to line of the block. Null for formats without lines.
POSITION = "_position"
POSITION_TYPE = T.StructType([T.StructField("block", T.LongType()), T.StructField("nth", T.LongType())])
SOURCE = "_source"
BESIDE = (RAW, FILE, BLANK, BROKEN, POSITION)  # what a raw row has beside the source's own columns
GIVEN_BY_THE_RUN = {"source_file", "run_id", "flags"}


def candidates(
    table: type[Table], raw: DataFrame, values: Mapping[str, Column], parsed: Mapping[str, Column] | None = None,
    beside: Mapping[str, Column] | None = None,
) -> DataFrame:
    """One row per raw row, cast to the table's types. Raw rows → candidates.

    `values` gives each column from raw columns; columns not named are null. A value that is there but
    cannot be cast becomes null and its column's name is put into `_unparsed`. `parsed` gives the value in
    its type where a cast is not the way to read it, such as a date in the source's own format. `beside` gives
    columns that are none of the table's.
    """
    cast: list[Column] = []
    failures: dict[str, Column] = {}
    for name, column in table.columns().items():
        if name in GIVEN_BY_THE_RUN:
            continue
        if name not in values:
            cast.append(F.lit(None).cast(column.type).alias(name))
            continue
        value = values[name]
        found = raw.select(value.alias(name)).schema[name].dataType
        read = (parsed or {}).get(name, _parsed(value, found, column.type))
        cast.append(read.cast(column.type).alias(name))
        if found != column.type and not isinstance(column.type, T.StringType):
            failures[name] = value.isNotNull() & read.isNull()
    position = F.col(POSITION) if POSITION in raw.columns else F.lit(None).cast(POSITION_TYPE).alias(POSITION)
    kept = [F.col(c) for c in (RAW, FILE, BLANK, BROKEN)]
    more = [value.alias(name) for name, value in (beside or {}).items()]
    return raw.select(*cast, *kept, position, names_of(failures).alias(UNPARSED), *more)


def of_source(rows: DataFrame, source: str) -> DataFrame:
    """The candidates with the name of the source they come from."""
    return rows.withColumn(SOURCE, F.lit(source))


def together(by_source: Sequence[DataFrame]) -> DataFrame:
    """The candidates of one table from all its sources; raw rows that are columns become text."""
    frames = [
        rows.withColumn(RAW, F.to_json(RAW)) if isinstance(rows.schema[RAW].dataType, T.StructType) else rows
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


def _parsed(value: Column, found: T.DataType, kind: T.DataType) -> Column:
    """The value in its type, null where it does not parse; money is rounded half up to its scale."""
    if isinstance(kind, T.StringType):
        if not isinstance(found, T.StringType):
            return value.cast("string")
        text = F.trim(value)
        return F.when(text != "", text)
    if isinstance(kind, T.DecimalType) and found != kind:
        exact = value.try_cast(T.DecimalType(28, 9))
        return F.round(exact, kind.scale).try_cast(kind)
    return value if found == kind else value.try_cast(kind)
