"""Sums over users, of figures and of the product of each two: all that means, errors and regressions are made of.

Figures are whole parts, such as cents, so that sums are exact: the same whatever the order of rows and the partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.measures.arrow_lists import entries_of_lists

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Batches = Iterator[pa.RecordBatch]

_LARGEST = 2**31 - 1  # of a figure: products of two fit a long
_LOW = 2**32  # products are summed in two parts, above and below this


class MomentSums(Frame):
    """One row per group and pair of figures: the sum of their products in two parts, high × 2³² + low."""

    group = Col(T.StringType(), "of which users", required=True)
    first = Col(T.IntegerType(), "place of a figure; −1: each user counts 1", required=True)
    second = Col(T.IntegerType(), "place of the other, not before the first", required=True)
    high = Col(T.LongType(), "see above", required=True)
    low = Col(T.LongType(), "see above", required=True)


@dataclass(frozen=True)
class Moments:
    """Of some users: how many, the sum of each figure, and the sums of the products of each two."""

    users: int
    names: tuple[str, ...]
    sums: Floats
    products: Floats  # one row and one column per figure

    def weights(self, of: Mapping[str, float]) -> Floats:
        """What each figure counts in a sum of some of them. Raises KeyError for a figure that there is not.

        >>> Moments(1, ("a", "b"), np.zeros(2), np.zeros((2, 2))).weights({"b": 2.0}).tolist()
        [0.0, 2.0]
        """
        counted = np.zeros(len(self.names))
        place = {name: at for at, name in enumerate(self.names)}
        for name, weight in of.items():
            counted[place[name]] += weight
        return counted


def moments_of_arrays(figures: Mapping[str, npt.ArrayLike]) -> Moments:
    """The moments of users that are there as arrays, one entry per user.

    >>> both = moments_of_arrays({"one": [1, 1], "paid": [2, 3]})
    >>> both.users, both.sums.tolist(), both.products.tolist()
    (2, [2.0, 5.0], [[2.0, 5.0], [5.0, 13.0]])
    """
    table = np.column_stack([np.asarray(values, np.float64) for values in figures.values()])
    return Moments(len(table), tuple(figures), table.sum(axis=0), table.T @ table)


def moments(users: DataFrame, *, groups: Column, figures: Mapping[str, tuple[Column, int]]) -> dict[str, Moments]:
    """The moments of each group of users. Any frame of users, who may be in several groups → group → Moments.

    `groups`: the names of a user's groups, a list. `figures`: name → the figure, and how many parts make one unit of
    it; a null counts as 0, what is larger than 2³¹ parts as that. The driver holds a row per group and pair of figures.
    """
    whole = [_whole(value, parts) for value, parts in figures.values()]
    rows = users.select(groups.alias(_GROUPS), F.array(*whole).alias(_FIGURES))
    parts = rows.mapInArrow(_summed(len(figures)), MomentSums.schema())
    keys = (MomentSums.group, MomentSums.first, MomentSums.second)
    sums = parts.groupBy(*keys).agg(
        F.sum(MomentSums.high).alias(MomentSums.high), F.sum(MomentSums.low).alias(MomentSums.low)
    )
    per_unit = np.array([parts for _, parts in figures.values()], np.float64)
    by_group: dict[str, dict[tuple[int, int], int]] = {}
    for row in sums.collect():
        of_group = by_group.setdefault(row[MomentSums.group], {})
        of_group[row[MomentSums.first], row[MomentSums.second]] = row[MomentSums.high] * _LOW + row[MomentSums.low]
    return {group: _moments(found, tuple(figures), per_unit) for group, found in sorted(by_group.items())}


_GROUPS, _FIGURES = "groups_of_user", "figures_of_user"


def _whole(value: Column, parts: int) -> Column:
    counted = F.round(F.coalesce(value.cast("double"), F.lit(0.0)) * parts)  # `least` skips nulls
    return F.least(F.greatest(counted, F.lit(-_LARGEST)), F.lit(_LARGEST)).cast("long")


def _moments(found: Mapping[tuple[int, int], int], names: tuple[str, ...], per_unit: Floats) -> Moments:
    count = len(names)
    sums = np.array([found[-1, at] for at in range(count)], np.float64) / per_unit
    products = np.empty((count, count))
    for first in range(count):
        for second in range(first, count):
            value = found[first, second] / (per_unit[first] * per_unit[second])
            products[first, second] = products[second, first] = value
    return Moments(found[-1, -1], names, sums, products)


def _summed(count: int) -> Callable[[Batches], Batches]:
    """Batches of users with their groups and figures → MomentSums, a row per group, pair and partition."""
    first, second = np.triu_indices(count + 1)

    def of_batches(batches: Batches) -> Batches:
        found: dict[str, tuple[Ints, Ints]] = {}
        for batch in batches:
            row, entries = entries_of_lists(batch.column(0))
            figures = batch.column(1).flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, count)
            halves = _halves(np.column_stack([np.ones(batch.num_rows, np.int64), figures]))
            coded = entries.dictionary_encode()
            group = coded.indices.to_numpy(zero_copy_only=False)
            ordered = np.argsort(group, kind="stable")
            starts = np.searchsorted(group[ordered], np.arange(len(coded.dictionary)))
            for name, rows in zip(coded.dictionary.to_pylist(), np.split(row[ordered], starts)[1:], strict=True):
                high, low = _sums_of_products(halves[rows])
                before = found.get(name)
                found[name] = (high, low) if before is None else (before[0] + high, before[1] + low)
        for name, (high, low) in found.items():
            columns = [
                pa.array([name] * len(first)),
                pa.array(first - 1, pa.int32()),
                pa.array(second - 1, pa.int32()),
                pa.array(high[first, second], pa.int64()),
                pa.array(low[first, second], pa.int64()),
            ]
            yield pa.RecordBatch.from_arrays(columns, list(MomentSums.columns()))

    return of_batches


def _halves(figures: Ints) -> Floats:
    """Each figure as high × 2¹⁶ + low; the high ones stand before the low ones.

    >>> _halves(np.array([[1, 65537, -2]])).tolist()
    [[0.0, 1.0, -1.0, 1.0, 1.0, 65534.0]]
    """
    return np.concatenate([figures >> 16, figures & 0xFFFF], axis=1).astype(np.float64)


def _sums_of_products(halves: Floats) -> tuple[Ints, Ints]:
    """The sums over rows of the products of each two figures, in two parts. `halves`: see there.

    Halves are below 2¹⁶, so that sums of a million products are whole numbers that a float has exactly: one product of
    matrices does for all pairs.

    >>> [part.tolist() for part in _sums_of_products(_halves(np.array([[1, 5], [1, 7], [1, -2]])))]
    [[[0, -1], [-1, -1]], [[3, 4294967306], [4294967306, 4294967374]]]
    """
    count = halves.shape[1] // 2
    sums = (halves.T @ halves).astype(np.int64)
    mixed = sums[:count, count:] + sums[count:, :count]
    return sums[:count, :count] + (mixed >> 16), ((mixed & 0xFFFF) << 16) + sums[count:, count:]
