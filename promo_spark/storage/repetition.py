"""What of a delivery a table holds already: such days are left as they are, and what was made of them stays current.

Rows are compared by order-free checksums of all columns but those that name the run and the file.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Table

NOT_COMPARED = {"run_id", "source_file"}


def changed_days(table: type[Table], rows: DataFrame, stored: DataFrame) -> tuple[list[datetime.date], int]:
    """The days of the rows that the table does not hold as they are, and how many rows the other days have."""
    day = table.partition[0]
    delivered = _checksums(table, rows, [day])
    held = _checksums(table, stored, [day]).withColumn("held", F.lit(True))
    changed: list[datetime.date] = []
    repeated = 0
    for row in delivered.join(held, delivered.columns, "left").collect():  # one per day
        if row.held:
            repeated += row.n
        else:
            changed.append(row[day])
    return sorted(changed), repeated


def holds(table: type[Table], rows: DataFrame, stored: DataFrame) -> bool:
    """Whether a table that is replaced as a whole holds these rows and no others."""
    return _checksums(table, rows, []).collect() == _checksums(table, stored, []).collect()


def _checksums(table: type[Table], rows: DataFrame, by: Sequence[str]) -> DataFrame:
    """One row per value of `by`, or one row: number of rows, and a checksum that does not depend on their order."""
    compared = [F.col(c) for c in table.columns() if c not in NOT_COMPARED]
    # A null does not change the hash: without a mark of its place a value could move to another column unseen.
    marks = [c.isNull() for c in compared]
    checksum = F.sum(F.xxhash64(*compared, *marks).cast("decimal(38,0)")).alias("checksum")
    return rows.groupBy(*by).agg(F.count("*").alias("n"), checksum)
