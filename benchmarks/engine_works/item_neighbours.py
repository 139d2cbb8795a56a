"""The nearest items of each item, by the cosine of who bought them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from engine_works.purchases import matrix, read_pairs, table_of, write_pairs
from engine_works.work import Engine, Verdict, column, reading_rate, result

NEAREST = 50
_SIZES = {
    "tiny": (500, 200, 20),
    "small": (5_000, 2_000, 25),
    "medium": (50_000, 10_000, 40),
    "large": (200_000, 20_000, 60),
}
_NAMES = ("item", "neighbour", "similarity")
_CLOSE = 1e-4


class ItemNeighbours:
    name = "item_neighbours"
    reference = "scipy"
    about = (
        f"Of each item the {NEAREST} nearest, by the cosine of who bought them; generated purchases, one row per pair."
    )
    tolerance = f"the similarities at every rank are those of scipy's product within {_CLOSE:g}"
    limited_by = "reading two numbers from memory for each pair of items that a user has, Σ n²"
    sizes = ("tiny", "small", "medium", "large")

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (
            Engine("scipy", by_scipy, packages=("scipy",)),
            Engine("ours", by_ours, ("promo_spark.models.recommenders.first_stage.neighbours",), ("scipy",)),
            Engine("scikit-learn", by_sklearn, ("sklearn.neighbors",), ("scikit-learn",)),
            Engine("implicit", by_implicit, ("implicit.nearest_neighbours",), ("implicit",)),
        )

    def prepare(self, folder: Path, size: str) -> int:
        return write_pairs(folder, *_SIZES[size])

    def judged(self, _folder: Path, results: Mapping[str, Path]) -> dict[str, Verdict]:
        right = _ranked(results["scipy"])
        gaps = {name: _gap(right, _ranked(path)) for name, path in results.items()}
        return {
            name: Verdict(gap <= _CLOSE, note=f"largest gap {gap:.0e}" if gap else "") for name, gap in gaps.items()
        }

    def limit(self, folder: Path) -> float:
        user, _ = read_pairs(folder)
        return float((np.bincount(user) ** 2).sum()) * 2 * 4 / reading_rate()


def _input(data: Path) -> sparse.csr_matrix:
    return matrix(*read_pairs(data))


def by_ours(data: Path, left: Path, _spark: Any) -> None:
    from promo_spark.models.recommenders.first_stage.neighbours import ItemNeighbours as Ours

    found = Ours.of(sparse.csr_array(_input(data)), measure="cosine", most=NEAREST).similar
    pq.write_table(table_of(sparse.csr_matrix(found), _NAMES), left)


def by_scipy(data: Path, left: Path, _spark: Any) -> None:
    """A product of sparse matrices, a block of items at a time, and the best of each row."""
    bought = _input(data)
    lengths = np.sqrt(np.asarray(bought.multiply(bought).sum(axis=0)).ravel())
    unit = sparse.csr_matrix(bought @ sparse.diags(1 / np.maximum(lengths, 1e-9)), dtype=np.float32)
    of_items = unit.T.tocsr()
    parts = []
    for first in range(0, of_items.shape[0], 1000):
        alike = (of_items[first : first + 1000] @ unit).tocsr()
        row = np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))
        others = alike.indices != row + first
        row, neighbour, value = row[others], alike.indices[others], alike.data[others]
        order = np.lexsort((neighbour, -value, row))
        row, neighbour, value = row[order], neighbour[order], value[order]
        starts = np.searchsorted(row, np.arange(alike.shape[0]))
        kept = np.arange(len(row)) - starts[row] < NEAREST
        parts.append((row[kept] + first, neighbour[kept], value[kept]))
    row, neighbour, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    _write(left, row, neighbour, value)


def by_sklearn(data: Path, left: Path, _spark: Any) -> None:
    from sklearn.neighbors import NearestNeighbors

    of_items = _input(data).T.tocsr()
    found = NearestNeighbors(n_neighbors=NEAREST + 1, metric="cosine", algorithm="brute", n_jobs=2).fit(of_items)
    distance, neighbour = found.kneighbors(of_items)
    row = np.repeat(np.arange(of_items.shape[0]), NEAREST + 1)
    _write(left, row, neighbour.ravel(), 1 - distance.ravel())


def by_implicit(data: Path, left: Path, _spark: Any) -> None:
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=NEAREST + 1, num_threads=2)
    model.fit(_input(data), show_progress=False)
    found = model.similarity.tocoo()
    _write(left, found.row, found.col, found.data)


def _write(left: Path, row: NDArray[Any], neighbour: NDArray[Any], value: NDArray[Any]) -> None:
    others = (row != neighbour) & (value > 1e-6)
    columns = (row[others].astype(np.int32), neighbour[others].astype(np.int32), value[others].astype(np.float32))
    pq.write_table(pa.table(dict(zip(_NAMES, columns, strict=True))), left)


def _ranked(path: Path) -> NDArray[np.float64]:
    """Items × ranks: the similarities, falling; 0 where there is no neighbour. So ties do not matter."""
    table = result(path)
    item, value = column(table, "item"), column(table, "similarity").astype(np.float64)
    order = np.lexsort((-value, item))
    item, value = item[order], value[order]
    rank = np.arange(len(item)) - np.searchsorted(item, item)
    ranked = np.zeros((int(item.max()) + 1, NEAREST))
    kept = rank < NEAREST
    ranked[item[kept], rank[kept]] = value[kept]
    return ranked


def _gap(right: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    return float(np.abs(right - found).max()) if right.shape == found.shape else float("inf")
