"""Sums and means that do not depend on the order of rows: a sum of doubles does, one of decimals or integers does not.

So the same rows give the same bytes, however they are partitioned.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

EXACT = T.DecimalType(28, 9)


def exact(value: Column | str) -> Column:
    """The value as a decimal with nine places, which sums exactly."""
    return _column(value).cast(EXACT)


def exact_sum(value: Column | str) -> Column:
    """Aggregate: the sum of the values to nine places each, as a double."""
    return F.sum(exact(value)).cast("double")


def exact_mean(value: Column | str) -> Column:
    """Aggregate: the mean of the values to nine places each, as a double; nulls do not count."""
    return F.avg(exact(value)).cast("double")


def whole_parts(value: Column, per_unit: int) -> Column:
    """The value in whole parts, `per_unit` to a unit, such as millionths, as a long, which sums exactly."""
    return F.round(value * per_unit).cast("long")


def _column(value: Column | str) -> Column:
    return F.col(value) if isinstance(value, str) else value
