"""What a source's rows may need before their columns are read: other rows, other columns, fewer of them.

No step loses a row without a trace: what a filter leaves out stays as a blank row, a broken or blank row
goes through every step as it is, and only `folded` makes several rows one.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.schema import Table
from promo_spark.errors import SettingsError, SourceError
from promo_spark.settings.sources import Condition
from promo_spark.sources.incoming import BESIDE, GIVEN_BY_THE_RUN
from promo_spark.sources.mapping.column_values import holds, text_of

LATEST = "_latest"
_CELL, _FOUND, _VALUES = "_cell", "_found", "_values"


def raw_text(rows: DataFrame) -> Column:
    """The raw row as text: the line, or the columns as JSON."""
    return F.to_json(RawRow.raw) if isinstance(rows.schema[RawRow.raw].dataType, T.StructType) else F.col(RawRow.raw)


def unpivoted(raw: DataFrame, wide: Sequence[str], name: str, value: str) -> DataFrame:
    """One row per row and wide column, whose raw row is the cell with the columns that stay. Wide → long."""
    if not wide:
        raise SourceError(f"unpivot: no column to make rows of; the source has: {', '.join(raw.columns)}")
    narrow = [c for c in raw.columns if c not in wide and c not in BESIDE]
    beside = [c for c in BESIDE if c in raw.columns and c != RawRow.raw]
    taken = sorted({name, value} & set(narrow))
    if taken:
        raise SettingsError(f"unpivot: the source has a column {', '.join(taken)} already; choose another name")
    whole = F.col(RawRow.blank) | F.col(RawRow.broken)
    nothing = F.array(F.struct(F.lit(None).cast("string").alias(name), F.lit(None).cast("string").alias(value)))
    cells = F.array(*[F.struct(F.lit(c).alias(name), text_of(c).alias(value)) for c in wide])
    long = raw.select(
        *[F.col(f"`{c}`") for c in narrow],
        raw_text(raw).alias(RawRow.raw),
        *beside,
        F.explode(F.when(whole, nothing).otherwise(cells)).alias(_CELL),
    )
    cell = F.to_json(
        F.struct(*[F.col(f"`{c}`") for c in narrow], F.col(_CELL)[name].alias(name), F.col(_CELL)[value].alias(value))
    )
    return long.select(
        *[F.col(f"`{c}`") for c in narrow],
        F.when(whole, F.col(RawRow.raw)).otherwise(cell).alias(RawRow.raw),
        *beside,
        F.col(_CELL)[name].alias(name),
        F.col(_CELL)[value].alias(value),
    )


def looked_up(raw: DataFrame, second: DataFrame, keys: Mapping[str, str], columns: Mapping[str, str]) -> DataFrame:
    """The rows with columns of a second file; null where it has no row of their keys.

    Of several rows with the same keys the least counts, so that no row of ours is ever doubled.
    """
    taken = sorted(set(columns) & set(raw.columns))
    if taken:
        raise SettingsError(f"lookups: the source has a column {', '.join(taken)} already; choose another name")
    names = {ours: f"_key_{i}" for i, ours in enumerate(keys)}
    looked_up_columns = F.struct(*[text_of(column).alias(new) for new, column in columns.items()])
    usable = second.filter(~F.col(RawRow.blank) & ~F.col(RawRow.broken))
    keyed = usable.select(*[text_of(keys[ours]).alias(k) for ours, k in names.items()], looked_up_columns.alias(_FOUND))
    one = keyed.groupBy(*names.values()).agg(F.min(_FOUND).alias(_FOUND))
    same = [text_of(ours) == one[k] for ours, k in names.items()]
    joined = raw.join(one, functools.reduce(Column.__and__, same), how="left")
    return joined.select(*[raw[f"`{c}`"] for c in raw.columns], *[F.col(_FOUND)[new].alias(new) for new in columns])


def with_left_out_blank(raw: DataFrame, where: Sequence[Condition]) -> DataFrame:
    """The rows, those for which a condition is false marked blank.

    A row that has no value to tell by stays: the checks judge it.
    """
    if not where:
        return raw
    kept = functools.reduce(Column.__and__, [F.coalesce(holds(c), F.lit(True)) for c in where])
    return raw.withColumn(RawRow.blank, F.col(RawRow.blank) | (~F.col(RawRow.broken) & ~kept))


def folded(table: type[Table], rows: DataFrame, filled: Sequence[str]) -> DataFrame:
    """One candidate per key of the table. Candidates with repetitions → candidates.

    Each column has the value that most rows have, the least of them when equally many do; or, where the
    rows carry a `_latest`, the values of the row in which it is largest. Rows that are blank, broken or
    have a value that does not parse stay as they are.
    """
    apart = F.col(RawRow.blank) | F.col(RawRow.broken) | (F.size(IncomingRow.unparsed) > 0)
    columns = [c for c in table.columns() if c not in GIVEN_BY_THE_RUN]
    values = [c for c in columns if c in filled and c not in table.key]
    text = rows.withColumn(RawRow.raw, raw_text(rows))
    if LATEST in rows.columns and values:
        # Numbers as numbers: 99 is not later than 1000.
        when = F.struct(F.col(LATEST).cast("string").try_cast("double"), F.col(LATEST).cast("string"), *values)
        chosen = [F.max_by(F.struct(*values), when).alias(_VALUES)]
        read = {c: F.col(_VALUES)[c] for c in values}
    else:
        chosen = [F.mode(c, True).alias(c) for c in values]
        read = {c: F.col(c) for c in values}
    one = (
        text.filter(~apart)
        .groupBy(*table.key)
        .agg(*chosen, F.min(RawRow.raw).alias(RawRow.raw), F.min(RawRow.file).alias(RawRow.file))
    )
    nothing = {c: F.lit(None).cast(table.columns()[c].type) for c in columns if c not in table.key}
    one = one.select(
        *[F.col(c) if c in table.key else {**nothing, **read}[c].alias(c) for c in columns],
        RawRow.raw,
        RawRow.file,
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
        F.lit(None).cast(RawRow.type_of(RawRow.position)).alias(RawRow.position),  # a row made of several has no line
        F.lit(None).cast("string").alias(RawRow.fault),
        F.array().cast("array<string>").alias(IncomingRow.unparsed),
    )
    return one.unionByName(text.filter(apart).drop(LATEST))
