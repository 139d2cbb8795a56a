"""Fifths of a set of values: from the cheapest to the dearest, from the smallest spender to the largest."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def fifths(value: Column) -> Column:
    """Aggregate: the four exact cuts between the fifths of the values; nulls do not count."""
    return F.percentile(value, [0.2, 0.4, 0.6, 0.8])


def fifth(value: Column, cuts: Column) -> Column:
    """Which fifth a value lies in, 1 to 5: one more than the cuts below it; null stays null.

    Equal values always share a fifth, and a value that rises never falls into a lower one.
    """
    below = F.filter(cuts, lambda cut: cut < value)
    return F.when(value.isNotNull(), F.size(below) + 1).cast("int")
