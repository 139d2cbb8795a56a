"""Which order lines came and went between two dates for which features are made."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col
from promo_spark.features.past_lines import PastLine


class LineChange(PastLine):
    """One row per different order line that came or went. Lines that are equal in all columns are counted together."""

    copies = Col(T.LongType(), "how many such lines came; negative: went", required=True)


def line_changes(then: DataFrame, now: DataFrame) -> DataFrame:
    """One row per line that is not in both as often. Two PastLines, of the same days → LineChange.

    A line that was corrected is two changes: the old one went, the new one came.
    """
    counted = then.withColumn(LineChange.copies, F.lit(-1)).unionByName(now.withColumn(LineChange.copies, F.lit(1)))
    changes = counted.groupBy(*PastLine.columns()).agg(F.sum(LineChange.copies).alias(LineChange.copies))
    return changes.filter(F.col(LineChange.copies) != 0)


def lines_that_came(changes: DataFrame) -> DataFrame:
    """One row per order line that came. LineChange → PastLine."""
    copies = F.sequence(F.lit(1), F.col(LineChange.copies))
    came = changes.filter(F.col(LineChange.copies) > 0).withColumn(LineChange.copies, F.explode(copies))
    return came.select(*PastLine.columns())
