"""Columns of lists in Arrow: as entries that know their row, and of the rows of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def in_one_piece(column: Any) -> pa.Array:
    """The column of a batch or a table, in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def entries_of_lists(lists: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    """The row of each entry, and the entries.

    >>> row, entries = entries_of_lists(pa.array([[5, 6], [], [7]]))
    >>> row.tolist(), entries.to_pylist()
    ([0, 0, 2], [5, 6, 7])
    """
    rows = pc.list_parent_indices(lists).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return np.asarray(rows, np.int64), lists.flatten()


def lists_of_rows(matrix: NDArray[Any]) -> pa.ListArray:
    """A list for each row of a matrix.

    >>> lists_of_rows(np.array([[1, 2], [3, 4]])).to_pylist()
    [[1, 2], [3, 4]]
    """
    ends = pa.array(np.arange(len(matrix) + 1) * matrix.shape[1], pa.int32())
    return pa.ListArray.from_arrays(ends, pa.array(matrix.ravel()))
