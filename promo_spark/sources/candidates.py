"""Rows on their way to silver: what every adapter hands over and what the checks judge.

A candidate frame has the columns of its silver table, and beside them what is needed to reject a row
without losing it: the raw row, its file, whether it is blank or broken, and which values did not parse.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.table import Table

RAW, FILE, BLANK, BROKEN, UNPARSED = "_raw", "_file", "_blank", "_broken", "_unparsed"
GIVEN_BY_THE_RUN = {"source_file", "run_id", "flags"}


def candidates(
    table: type[Table], raw: DataFrame, values: Mapping[str, Column], parsed: Mapping[str, Column] | None = None
) -> DataFrame:
    """One row per raw row, cast to the table's types. Raw rows → candidates.

    `values` gives each column from raw columns; columns not named are null. A value that is there but
    cannot be cast becomes null and its column's name is put into `_unparsed`. `parsed` gives the value in
    its type where a cast is not the way to read it, such as a date in the source's own format.
    """
    cast, unparsed = [], []
    for name, column in table.columns().items():
        if name in GIVEN_BY_THE_RUN:
            continue
        if name not in values:
            cast.append(F.lit(None).cast(column.type).alias(name))
            continue
        value = values[name]
        read = (parsed or {}).get(name, _parsed(value, column.type))
        cast.append(read.cast(column.type).alias(name))
        unparsed.append(F.when(value.isNotNull() & read.isNull(), F.lit(name)))
    return raw.select(
        *cast,
        *[F.col(c) for c in (RAW, FILE, BLANK, BROKEN)],
        (F.array_compact(F.array(*unparsed)) if unparsed else F.array().cast("array<string>")).alias(UNPARSED),
    )


def _parsed(value: Column, kind: T.DataType) -> Column:
    """The value in its type, null where it does not parse; money is rounded half up to its scale."""
    if isinstance(kind, T.StringType):
        text = F.trim(value.cast("string"))
        return F.when(text != "", text)
    if isinstance(kind, T.DecimalType):
        exact = value.try_cast(T.DecimalType(28, 9))
        return F.round(exact, kind.scale).try_cast(kind)
    return value.try_cast(kind)
