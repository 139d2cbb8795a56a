"""What of a delivery a table holds already: such days are left as they are, and what was made of them stays current.

Rows are compared by order-free checksums of all columns but those that name the run and the file.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Table

_FILE = {"source_file"}
NOT_COMPARED = {"run_id", *_FILE}


def changed_days(
    table: type[Table], rows: DataFrame, stored: DataFrame, given: Sequence[datetime.date] = ()
) -> tuple[list[datetime.date], int]:
    """The days of the rows that the table does not hold as they are, and how many rows the other days have.

    `given` are days for which the rows are all there is, be it none, and for which a row's file counts too: who says
    what becomes of days without rows goes by the files that rows are of.
    """
    day = table.partition[0]
    not_compared = NOT_COMPARED - _FILE if given else NOT_COMPARED
    delivered = _by_day(_checksums(table, rows, [day], not_compared))
    days = sorted({*delivered, *given})
    held = _by_day(_checksums(table, stored.filter(F.col(day).isin(days)), [day], not_compared)) if days else {}
    changed = [d for d in days if delivered.get(d) != held.get(d)]
    return changed, sum(n for d, (n, _) in delivered.items() if d not in set(changed))


def holds(table: type[Table], rows: DataFrame, stored: DataFrame) -> bool:
    """Whether a table that is replaced as a whole holds these rows and no others."""
    return _checksums(table, rows, [], NOT_COMPARED).collect() == _checksums(table, stored, [], NOT_COMPARED).collect()


def _by_day(checksums: DataFrame) -> dict[datetime.date, tuple[int, Decimal]]:
    return {row[0]: (row.n, row.checksum) for row in checksums.collect()}  # one per day


def _checksums(table: type[Table], rows: DataFrame, by: Sequence[str], not_compared: Collection[str]) -> DataFrame:
    """One row per value of `by`, or one row: number of rows, and a checksum that does not depend on their order."""
    compared = [F.col(c) for c in table.columns() if c not in not_compared]
    # A null does not change the hash: without a mark of its place a value could move to another column unseen.
    marks = [c.isNull() for c in compared]
    checksum = F.sum(F.xxhash64(*compared, *marks).cast("decimal(38,0)")).alias("checksum")
    return rows.groupBy(*by).agg(F.count("*").alias("n"), checksum)
