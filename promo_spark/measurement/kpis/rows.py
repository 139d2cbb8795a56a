"""Rows of key figures, and sums of all rows and of parts of them, of which these are made."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.measurement import KpiDaily
from promo_spark.contracts.schema import Frame

ALL: Final = "all"
MONTH_DAYS: Final = 30
_DECIMALS = 6
_COLUMNS = KpiDaily.columns()


class KpiRow(Frame):
    """One row per key figure and slice: a row of KpiDaily before a write stamps its date and run."""

    kpi = _COLUMNS[KpiDaily.kpi]
    slice = _COLUMNS[KpiDaily.slice]
    value = _COLUMNS[KpiDaily.value]
    n = _COLUMNS[KpiDaily.n]


@dataclass(frozen=True)
class Days:
    """From the first to the last day, both included."""

    first: datetime.date
    last: datetime.date

    def hold(self, day: Column | str) -> Column:
        """Whether a day is one of them."""
        return (F.col(day) if isinstance(day, str) else day).between(F.lit(self.first), F.lit(self.last))

    def before(self, days: int) -> Days:
        """So many days that end before these begin."""
        return days_before(self.first, days)


def days_before(date: datetime.date, days: int) -> Days:
    """The last days that were over on the date.

    >>> told = days_before(datetime.date(2024, 1, 11), 10)
    >>> str(told.first), str(told.last)
    ('2024-01-01', '2024-01-10')
    """
    return Days(date - datetime.timedelta(days), date - datetime.timedelta(1))


def kpi_struct(kpi: str, *, of: Column | str, value: Column, n: Column | str) -> Column:
    """One key figure as a struct: `kpi_rows_of` makes rows of several."""
    return F.struct(
        F.lit(kpi).alias(KpiRow.kpi),
        (F.col(of) if isinstance(of, str) else of).alias(KpiRow.slice),
        F.round(value.cast("double"), _DECIMALS).alias(KpiRow.value),
        F.coalesce((F.col(n) if isinstance(n, str) else n).cast("long"), F.lit(0).cast("long")).alias(KpiRow.n),
    )


def kpi_rows_of(rows: DataFrame, figures: Sequence[Column]) -> DataFrame:
    """One row per row of a frame and figure. Any, structs of `kpi_struct` → KpiRow."""
    return KpiRow.shaped(rows.select(F.inline(F.array(*figures))))


def sliced_sums(rows: DataFrame, parts: Mapping[str, str], sums: Mapping[str, Column]) -> DataFrame:
    """One row per slice that there are rows of: `slice`, and each of the sums. Any → any.

    Slices are all rows, and those of each value of a column of `parts`, which has the column by the slices' name:
    {"arm": "arm"} for arm:holdout. A null is in no part. Nulls add nothing to a sum.
    """
    added = [F.sum(F.coalesce(value, F.lit(0))).alias(name) for name, value in sums.items()]
    of_parts = rows.groupBy(*parts.values()).agg(*added)
    names = [F.concat(F.lit(f"{name}:"), F.col(column).cast("string")) for name, column in parts.items()]
    every = F.explode(F.array_compact(F.array(F.lit(ALL), *names))).alias(KpiRow.slice)
    again = [F.sum(name).alias(name) for name in sums]
    return of_parts.select(every, *sums).groupBy(KpiRow.slice).agg(*again)
