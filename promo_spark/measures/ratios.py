"""Parts of a whole as doubles."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def ratio(part: Column, whole: Column) -> Column:
    """part / whole as a double; null where the whole is not positive."""
    return F.when(whole > 0, part.cast("double") / whole.cast("double"))


def share(part: Column, whole: Column) -> Column:
    """The ratio kept within 0 and 1; null where the whole is not positive."""
    quotient = ratio(part, whole)
    return F.when(quotient.isNotNull(), F.least(F.greatest(quotient, F.lit(0.0)), F.lit(1.0)))
