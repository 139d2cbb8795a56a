"""Fences of a column: what is too small or too large, from the values themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts.schema import Col, Frame
from promo_spark.settings.ingest import ColumnCleaning

_PER_DEVIATION = 1.4826  # of a normal distribution: the standard deviation in median absolute deviations
FIXED_POINT = T.DecimalType(28, 9)


class ValueOf(Frame):
    """One row per different row of a table that has the value: what statistics are made of."""

    value = Col(T.DoubleType(), "the value, or its logarithm", name="_value")
    exact = Col(FIXED_POINT, "the value in its own type", name="_exact")


class Fence(Frame):
    """One row per combination of the `within` columns: between which ends a value is no outlier."""

    low = Col(T.DoubleType(), "the lower end", name="_low")
    high = Col(T.DoubleType(), "the upper end", name="_high")
    values = Col(T.LongType(), "of how many values", name="_values")


class _Ranked(Fence):
    """One row per different value of a combination, with its rank."""

    times = Col(T.LongType(), "how often the value is there", name="_times")
    upto = Col(T.LongType(), "how many values are as large or smaller", name="_upto")


class _Spread(Fence):
    """One row per combination: how far values usually lie from the median."""

    centre = Col(T.DoubleType(), "the median", name="_centre")
    of_all = Col(T.DoubleType(), "the median deviation from it", name="_of_all")
    of_others = Col(T.DoubleType(), "the median deviation of the values that are not the median", name="_of_others")


def between_quantiles(values: DataFrame, how: ColumnCleaning) -> DataFrame:
    """The values at two ranks themselves, nothing between two: cut to them, the values have the same ranks again."""
    counted = values.groupBy(*how.within, ValueOf.value).agg(F.count(F.lit(1)).alias(_Ranked.times))
    within = Window.partitionBy(*how.within)
    counted = counted.withColumns(
        {
            _Ranked.upto: F.sum(_Ranked.times).over(within.orderBy(ValueOf.value)),
            Fence.values: F.sum(_Ranked.times).over(within),
        }
    )
    lower, upper = (
        F.min(F.when(F.col(_Ranked.upto) >= F.lit(q) * F.col(Fence.values), F.col(ValueOf.value)))
        for q in how.quantiles or ()
    )
    return counted.groupBy(*how.within).agg(
        lower.alias(Fence.low), upper.alias(Fence.high), F.max(Fence.values).alias(Fence.values)
    )


def around_the_median(values: DataFrame, how: ColumnCleaning) -> DataFrame:
    """So many robust deviations on both sides of the median."""
    assert how.robust_z is not None  # settings allow no outliers without a fence
    centres = values.groupBy(*how.within).agg(
        F.median(ValueOf.value).alias(_Spread.centre), F.count(F.lit(1)).alias(Fence.values)
    )
    away = F.abs(F.col(ValueOf.value) - F.col(_Spread.centre))
    # Where more than half of the values are the same, the deviations of the others tell.
    spread = (
        with_statistics(values, centres, how)
        .groupBy(*how.within, _Spread.centre, Fence.values)
        .agg(F.median(away).alias(_Spread.of_all), F.median(F.when(away > 0, away)).alias(_Spread.of_others))
    )
    deviation = F.when(F.col(_Spread.of_all) > 0, F.col(_Spread.of_all)).otherwise(F.col(_Spread.of_others))
    reach = how.robust_z * _PER_DEVIATION * deviation
    return spread.withColumns({Fence.low: F.col(_Spread.centre) - reach, Fence.high: F.col(_Spread.centre) + reach})


def in_type(value: Column, kind: T.DataType, rounded: Callable[[Column, int], Column]) -> Column:
    """A statistic in the column's type, rounded to its scale."""
    if isinstance(kind, T.DoubleType | T.FloatType):
        return value.cast(kind)
    scale = kind.scale if isinstance(kind, T.DecimalType) else 0
    return rounded(value.cast(FIXED_POINT), scale).try_cast(kind)


# Fences are rounded to their inner side. The exponential of a logarithm misses a value by a little: that is no reason
# to cut a value to the next lower.
def rounded_up(fence: Column, scale: int) -> Column:
    return F.ceil(F.round(fence, 6), F.lit(scale))


def rounded_down(fence: Column, scale: int) -> Column:
    return F.floor(F.round(fence, 6), F.lit(scale))


def with_statistics(rows: DataFrame, statistics: DataFrame, how: ColumnCleaning) -> DataFrame:
    """The rows with the statistics of what they are within; null where there are none."""
    if not how.within:
        return rows.crossJoin(F.broadcast(statistics))  # one row, also of no values
    names = {c: f"_within_{c}" for c in how.within}
    same = functools.reduce(Column.__and__, [F.col(c) == F.col(n) for c, n in names.items()])
    return rows.join(statistics.withColumnsRenamed(names), same, how="left").drop(*names.values())
