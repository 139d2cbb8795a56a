"""The products whose vectors agree most with a user's, looked for among few of them: approximate, by faiss.

Products are put into cells by k-means; of a user the products of the nearest `probes` cells are compared. What agrees
most is not what is nearest, as a long vector agrees with everybody. So vectors get one number more, √(longest² −
length²), and users 0: then who is nearer agrees more, exactly (Bachrach et al. 2014, "Speeding up the Xbox recommender
system"), and k-means finds cells that say something.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promo_spark.errors import SettingsError
from promo_spark.models.recommenders.top_n import Floats, Integers

_CELLS_PER_ROOT = 4  # cells are so many times √products: comparing cells then costs about what comparing products does
_LEAST_PER_CELL, _MOST_PER_CELL = 8, 64  # products that a cell is found by: fewer say nothing, more only take longer
_ROUNDS = 10
_NEVER = 1 << 30


@dataclass(frozen=True)
class VectorSearch:
    """Cells of products' vectors. `index` is faiss's own form of them, the same in every task."""

    index: NDArray[np.uint8]
    probes: int

    @staticmethod
    def of(vectors: Floats, *, probes: int, seed: int) -> VectorSearch | None:
        """Of products' vectors; those without one, rows of zeros, are not found. None: no product has one.

        Raises SettingsError where faiss is not installed.
        """
        require_faiss(probes)
        import faiss

        rows = np.flatnonzero(vectors.any(axis=1))
        if not len(rows):
            return None
        known = np.asarray(vectors[rows], np.float32)
        squared = np.square(known, dtype=np.float64).sum(axis=1)
        beside = np.sqrt(squared.max() - squared).astype(np.float32)
        known = np.ascontiguousarray(np.column_stack([known, beside]))
        cells = max(1, min(round(_CELLS_PER_ROOT * len(rows) ** 0.5), len(rows) // _LEAST_PER_CELL))
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # sums of k-means by one thread: the same on every run
        try:
            index = faiss.IndexIVFFlat(faiss.IndexFlatL2(known.shape[1]), known.shape[1], cells, faiss.METRIC_L2)
            index.cp.seed, index.cp.niter = seed % (1 << 31), _ROUNDS
            index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, _MOST_PER_CELL
            index.train(known)
            index.add_with_ids(known, rows)
        finally:
            faiss.omp_set_num_threads(threads)
        return VectorSearch(faiss.serialize_index(index), probes)

    def nearest(self, users: Floats, most: int) -> Integers:
        """Of each user up to `most` products that agree most, of those found: rows of the vectors; −1: no more."""
        _, found = self._cells.search(np.column_stack([users, np.zeros(len(users), np.float32)]), most)
        return np.asarray(found, np.int64)

    @cached_property
    def _cells(self) -> Any:
        import faiss

        faiss.omp_set_num_threads(1)  # a task has one core
        faiss.cvar.distance_compute_blas_threshold = _NEVER  # else a user's cells depend on who comes with the user
        index: Any = faiss.deserialize_index(self.index)
        index.nprobe = self.probes
        return index

    def __getstate__(self) -> dict[str, Any]:
        return {"index": self.index, "probes": self.probes}  # what is read of it stays in its process


def require_faiss(probes: int) -> None:
    """Raises SettingsError where the search is asked for and faiss is not installed."""
    if probes and importlib.util.find_spec("faiss") is None:
        raise SettingsError(
            f"recommend.als.probes = {probes} searches by faiss, which is not installed: "
            "pip install 'promo-spark[ann]', or write 0, which compares all products"
        )
