"""Random numbers by purpose: the same seed, purpose and keys give the same draws, whoever draws when."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def stream(seed: int, purpose: str, *keys: int) -> np.random.Generator:
    """A generator of its own for a purpose and, say, a block of users.

    >>> bool(stream(7, "visits", 3).random() == stream(7, "visits", 3).random())
    True
    >>> bool(stream(7, "visits", 3).random() == stream(7, "visits", 4).random())
    False
    """
    entropy = [seed, zlib.crc32(purpose.encode()), *keys]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


def keyed_uniforms(seed: int, purpose: str, *keys: Ints) -> Floats:
    """One uniform number per row of keys, a hash of them: no other row's presence changes it.

    >>> of_three = keyed_uniforms(7, "mentions", np.array([1, 2, 3]))
    >>> of_one = keyed_uniforms(7, "mentions", np.array([2]))
    >>> bool(of_three[1] == of_one[0])
    True
    """
    mixed = np.full(np.broadcast(*keys).shape, seed ^ zlib.crc32(purpose.encode()), np.uint64)
    for key in keys:  # splitmix64, once per key
        mixed = (mixed ^ np.asarray(key).astype(np.uint64)) + _STEP
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


class Choices:
    """Draws from many distributions at once: `drawn(row, u)` is the item at which the row's distribution passes u.

    A guide table says where to look, so that nearly no draw needs a search.
    """

    def __init__(self, cumulative: Floats, items: Ints, rows: int) -> None:
        """`cumulative` rises from row to row + 1 over the items of each row, all rows one after the other."""
        self._cumulative, self._items = cumulative, items
        self._guide = int(np.clip(min(2_000_000, 16 * len(cumulative)) // rows, 64, 65536))
        self._last = np.nextafter(rows, 0.0)  # row + u is rounded, and may not leave the last row
        # Of a cell, how many lie in the cells before it: u passes those in any case.
        in_cells = np.bincount(self._cell(cumulative), minlength=rows * self._guide)
        self._from: Ints = np.cumsum(in_cells)[: rows * self._guide] - in_cells[: rows * self._guide]

    def _cell(self, at: Floats) -> Ints:
        return (at * self._guide).astype(np.int64)

    def drawn(self, row: npt.NDArray[np.integer], u: Floats) -> Ints:
        wanted = np.minimum(row + u, self._last)
        index = self._from[self._cell(wanted)]
        index += self._cumulative[index] <= wanted
        index += self._cumulative[index] <= wanted
        late = np.flatnonzero(self._cumulative[index] <= wanted)
        index[late] = np.searchsorted(self._cumulative, wanted[late], side="right")
        return self._items[index]


def choices_by_row(weights: npt.NDArray[np.floating]) -> Choices:
    """Each row of the weights is a distribution over the columns.

    >>> choices = choices_by_row(np.array([[1.0, 3.0], [1.0, 0.0]]))
    >>> choices.drawn(np.array([0, 0, 1]), np.array([0.2, 0.3, 0.9])).tolist()
    [0, 1, 0]
    """
    rows, columns = weights.shape
    cumulative = np.cumsum(weights, axis=1, dtype=np.float64)
    cumulative /= cumulative[:, -1:]
    cumulative[:, -1] = 1.0
    cumulative += np.arange(rows)[:, None]
    return Choices(cumulative.ravel(), np.tile(np.arange(columns), rows), rows)


def choices_by_group(group: npt.NDArray[np.integer], weight: Floats) -> Choices:
    """Each group, 0 to the largest, is a distribution over its members; every group has one.

    >>> choices = choices_by_group(np.array([1, 0, 1]), weight=np.array([1.0, 5.0, 3.0]))
    >>> choices.drawn(np.array([0, 1, 1]), np.array([0.9, 0.2, 0.3])).tolist()
    [1, 0, 2]
    """
    order = np.argsort(group, kind="stable")
    cumulative = np.cumsum(weight[order])
    ends = np.searchsorted(group[order], np.arange(int(group.max()) + 1), side="right") - 1
    starts = np.concatenate([[0.0], cumulative[ends[:-1]]])
    sorted_group = group[order]
    cumulative = (cumulative - starts[sorted_group]) / (cumulative[ends] - starts)[sorted_group] + sorted_group
    cumulative[ends] = np.arange(len(ends)) + 1.0
    return Choices(cumulative, order, len(ends))
