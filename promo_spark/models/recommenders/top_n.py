"""The best few of many scores per row, exactly, with ties decided by position. Plain numpy.

Selecting costs more than computing the scores: `np.argpartition` over a whole row takes two to three times
as long as the matrix product that filled it. So each row is first cut to the maxima of blocks of columns,
and only the blocks that can hold one of the best are looked into.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

BLOCK = 64
_LOW = np.int64(0xFFFFFFFF)


def top_n(scores: Floats, n: int) -> tuple[Integers, Floats]:
    """The columns and scores of each row's n best, best first; equal scores in order of column.

    Exact: were one of the n best outside the n blocks taken, each of those would hold a score at least as
    good, at an earlier column where equal, and so n scores would stand before it. A score of −inf means
    "never": where a row has fewer than n others, such columns fill its end. Scores must not be NaN.

    >>> columns, scores = top_n(np.array([[0.5, 2.0, -1.0, 2.0]], np.float32), 3)
    >>> columns.tolist(), scores.tolist()
    ([[1, 3, 0]], [[2.0, 2.0, 0.5]])
    """
    rows, columns = scores.shape
    n = min(n, columns)
    blocks = -(-columns // BLOCK)
    if blocks <= n:
        return best_at(scores, np.broadcast_to(np.arange(columns), scores.shape), n)
    whole = columns // BLOCK * BLOCK
    maxima = scores[:, :whole].reshape(rows, -1, BLOCK).max(axis=2)
    if whole < columns:
        maxima = np.concatenate([maxima, scores[:, whole:].max(axis=1, keepdims=True)], axis=1)
    taken, _ = best_at(maxima, np.broadcast_to(np.arange(blocks), maxima.shape), n)
    positions = (taken[:, :, None] * BLOCK + np.arange(BLOCK)).reshape(rows, -1)
    in_blocks = np.take_along_axis(scores, np.minimum(positions, columns - 1), axis=1)
    in_blocks[positions >= columns] = -np.inf  # the last block may be shorter than the others
    return best_at(in_blocks, positions, n)


def best_at(scores: Floats, positions: NDArray[Any], n: int) -> tuple[Integers, Floats]:
    """The positions and scores of each row's n best, by one integer key: the score's order above, the position's below.

    The bits of a float32, read as an integer, rise with a positive number and fall with a negative one;
    turning the negatives round makes them an order. Keys are all different, so any partition is exact.
    """
    bits = (scores + np.float32(0)).view(np.int32)  # + 0 makes −0 equal to 0
    ordered = (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64)
    keys = (ordered << 32) | (_LOW - positions)
    if n < keys.shape[1]:
        keys = np.partition(keys, keys.shape[1] - n, axis=1)[:, -n:]
    keys = np.sort(keys, axis=1)[:, ::-1]
    high = (keys >> 32).astype(np.int32)
    values = (high ^ ((high >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)
    return _LOW - (keys & _LOW), values
