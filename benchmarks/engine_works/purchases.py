"""Who bought what, drawn from a seed: users have tastes, and few items are bought most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from engine_works.work import SEED, column, write

Ints = NDArray[np.int64]

_TOPICS, _LIKED, _FAITHFUL, _SKEW = 20, 3, 0.8, 1.5
PAIRS = "pairs"


def write_pairs(folder: Path, users: int, items: int, each: int) -> int:
    """Writes user and item, each pair once, sorted; returns how many. A user likes three topics of twenty."""
    rng = np.random.default_rng(SEED)
    liked = rng.integers(_TOPICS, size=(users, _LIKED))
    user = np.repeat(np.arange(users), rng.poisson(each, users) + 2)
    own = liked[user, rng.integers(_LIKED, size=len(user))]
    topic = np.where(rng.random(len(user)) < _FAITHFUL, own, rng.integers(_TOPICS, size=len(user)))
    place = (rng.random(len(user)) ** _SKEW * (items // _TOPICS)).astype(np.int64)
    drawn = np.unique(user * items + place * _TOPICS + topic)
    write(folder, PAIRS, {"user": (drawn // items).astype(np.int32), "item": (drawn % items).astype(np.int32)})
    return len(drawn)


def read_pairs(folder: Path, name: str = PAIRS) -> tuple[Ints, Ints]:
    table = pq.read_table(folder / f"{name}.parquet")
    return column(table, "user").astype(np.int64), column(table, "item").astype(np.int64)


def matrix(user: Ints, item: Ints, shape: tuple[int, int] | None = None) -> sparse.csr_matrix:
    """Users × items: 1 where the user bought the item."""
    return sparse.csr_matrix((np.ones(len(user), np.float32), (user, item)), shape=shape)


def table_of(of: sparse.csr_matrix, names: tuple[str, str, str]) -> pa.Table:
    """Row, column and value of what the matrix holds."""
    held = of.tocoo()
    columns = (held.row.astype(np.int32), held.col.astype(np.int32), held.data)
    return pa.table(dict(zip(names, columns, strict=True)))
