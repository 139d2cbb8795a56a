"""How regularly something is bought, from the days on which it was."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F


def median_gap(days: Column) -> Column:
    """The median number of days between neighbours of a sorted array of different days.

    Null for fewer than two days. The median and not the mean: one long holiday does not move it.
    """
    # As the one entry of an array, what is made of it is reckoned once and not wherever it stands.
    return F.get(F.transform(F.array(days), _median_gap), F.lit(0))


def _median_gap(days: Column) -> Column:
    return median(between_neighbours(days, F.date_diff))


def between_neighbours(of: Column, told: Callable[[Column, Column], Column]) -> Column:
    """What is told of each entry of an array, but the first, and the one before it; null for fewer than two."""
    count = F.size(of)
    later, earlier = (F.slice(of, F.lit(first), F.greatest(count - 1, F.lit(0))) for first in (2, 1))
    return F.when(count >= 2, F.zip_with(later, earlier, told))


def median(numbers: Column) -> Column:
    """The median of an array of numbers; null of none."""
    middle = F.transform(F.array(F.sort_array(numbers)), lambda of: _middle(of, F.size(of)))
    return F.when(F.size(numbers) > 0, F.get(middle, F.lit(0)))


def _middle(numbers: Column, count: Column) -> Column:
    """The median of sorted numbers."""
    low, high = F.floor((count - 1) / 2).cast("int"), F.floor(count / 2).cast("int")
    return (F.get(numbers, low) + F.get(numbers, high)) / 2


def due_date(last: Column, cadence: Column) -> Column:
    """The last day plus the cadence, half days rounded up; null without a cadence."""
    return F.date_add(last, F.ceil(cadence).cast("int"))
