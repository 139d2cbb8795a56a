"""A merge of a small table: all its rows are written anew, in one query, where Delta's merge takes ten."""

from __future__ import annotations

import functools

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Table
from promo_spark.storage.repetition import NOT_COMPARED

STAYS, ROW = "stays", "row"


def compared(table: type[Table]) -> list[str]:
    """The columns by which a row with a stored key is another one."""
    return [c for c in table.columns() if c not in table.key and c not in NOT_COMPARED]


def merged(table: type[Table], stored: DataFrame, rows: DataFrame) -> DataFrame:
    """One row per key of either: the row as a struct, and whether it stays as it is stored.

    A row stays that is not among the new ones, or where only the run or the file differs.
    """
    key, whole = list(table.key), F.struct(*table.columns())
    old, new = stored.select(*key, whole.alias("old")), rows.select(*key, whole.alias("new"))
    equal = [F.col(f"old.{c}").eqNullSafe(F.col(f"new.{c}")) for c in compared(table)]
    stays = functools.reduce(Column.__and__, equal, F.col("old").isNotNull()) | F.col("new").isNull()
    row = F.when(stays, F.col("old")).otherwise(F.col("new"))
    return new.join(old, key, "full").select(stays.alias(STAYS), row.alias(ROW))
