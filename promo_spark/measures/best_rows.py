"""The best rows of each group."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

_PLACE = "_place"


def best_rows(
    rows: DataFrame, *, of: Sequence[str], by: Sequence[Column | str], keep: int, place: str | None = None
) -> DataFrame:
    """Up to `keep` rows per group of equal values in `of`: those that come first in the order `by`.

    The result has the columns of `rows` and, where `place` names a column, each row's place in its group, from
    1. `by` must leave no ties, else the rows kept may differ from run to run. Without `of` all rows are one
    group.
    """
    column = place or _PLACE
    placed = rows.withColumn(column, F.row_number().over(Window.partitionBy(*of).orderBy(*by)))
    kept = placed.filter(F.col(column) <= keep)
    return kept if place else kept.drop(column)
