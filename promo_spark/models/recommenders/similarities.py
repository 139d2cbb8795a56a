"""How alike rows of a sparse matrix are: users by what they are tied to, or items by who is tied to them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import sparse

from promo_spark.models.recommenders.top_n import Floats, Integers, top_n

Measure = Literal["cosine", "pearson", "jaccard"]
_AT_ONCE = 512  # rows


def tied_at_all(of: sparse.csr_array) -> sparse.csr_array:
    """1 wherever there is a tie, however strong."""
    return sparse.csr_array((np.ones(of.nnz, np.float32), of.indices, of.indptr), shape=of.shape)


def similarities(rows: sparse.csr_array, others: sparse.csr_array, measure: Measure) -> Floats:
    """Each row against each of the others, both by the same columns; 0 where nothing is shared.

    cosine: of the strengths. pearson: of those of the columns that both have, less their means there; 0 where they
    share fewer than two, or one of them is the same on all. jaccard: the share of the columns of either that both have.

    >>> u, v = (sparse.csr_array(np.array([r], np.float32)) for r in ([5, 4, 3, 2, 1], [4, 3, 2, 1, 5]))
    >>> similarities(u, v, "cosine").astype(float).round(5).tolist(), similarities(u, v, "pearson").tolist()
    ([[0.81818]], [[0.0]])
    """
    if measure == "pearson":
        return _pearson(rows, others)
    if measure == "jaccard":
        rows, others = tied_at_all(rows), tied_at_all(others)
    shared = (rows @ others.T).toarray().astype(np.float32)
    if measure == "jaccard":
        sizes = [np.asarray(part.sum(axis=1)).ravel() for part in (rows, others)]
        either = sizes[0][:, None] + sizes[1][None, :] - shared
        return np.asarray(shared / np.maximum(either, 1.0), np.float32)
    return cosines(shared, rows, others)


def cosines(products: Floats, rows: sparse.csr_array, others: sparse.csr_array) -> Floats:
    """The cosines of each row with each of the others, of which the inner products are known."""
    lengths = [np.sqrt(np.asarray(part.multiply(part).sum(axis=1)).ravel()) for part in (rows, others)]
    lengths = [np.where(length > 0, length, 1.0).astype(np.float32) for length in lengths]
    return np.asarray(products / lengths[0][:, None] / lengths[1][None, :], np.float32)


def nearest(
    rows: sparse.csr_array, others: sparse.csr_array, measure: Measure, most: int, places: Integers
) -> sparse.csr_array:
    """Rows × others: the similarities above 0 of the `most` nearest; ties to the lower number.

    `places`: which of the others each row is itself, −1 where none: it is not its own neighbour.
    """
    found = []
    for first in range(0, rows.shape[0], _AT_ONCE):
        alike = similarities(rows[first : first + _AT_ONCE], others, measure)
        found.append(nearest_of(alike, most, places[first : first + _AT_ONCE]))
    return sparse.csr_array(sparse.vstack(found, format="csr") if found else (0, others.shape[0]), dtype=np.float32)


def nearest_of(alike: Floats, most: int, places: Integers) -> sparse.csr_array:
    """The same of rows whose similarities are known; that of a row with itself becomes 0 in place."""
    inside = np.flatnonzero(places >= 0)
    alike[inside, places[inside]] = 0.0
    column, value = top_n(alike, min(most, alike.shape[1]))
    row, rank = np.nonzero(value > 0)
    found = (value[row, rank], (row, column[row, rank]))
    return sparse.csr_array(found, shape=alike.shape, dtype=np.float32)


def _pearson(rows: sparse.csr_array, others: sparse.csr_array) -> Floats:
    x, y = rows.astype(np.float64), others.astype(np.float64)
    has_x, has_y = tied_at_all(x).astype(np.float64), tied_at_all(y).astype(np.float64)
    n, sum_x, sum_y = (np.asarray((a @ b.T).toarray()) for a, b in ((has_x, has_y), (x, has_y), (has_x, y)))
    both = np.asarray((x @ y.T).toarray())
    square_x = np.asarray((x.multiply(x) @ has_y.T).toarray())
    square_y = np.asarray((has_x @ y.multiply(y).T).toarray())
    spread = (n * square_x - sum_x**2) * (n * square_y - sum_y**2)
    known = (n >= 2) & (spread > 1e-9 * np.maximum(n, 1) ** 2)
    return np.where(known, (n * both - sum_x * sum_y) / np.sqrt(np.where(known, spread, 1.0)), 0.0).astype(np.float32)


def shares(alike: sparse.csr_array, tied: sparse.csr_array) -> Floats:
    """Rows × columns: what the others of each row are tied to, weighted by how alike they are; weights sum to 1."""
    total = np.maximum(np.asarray(alike.sum(axis=1, dtype=np.float64)).ravel(), 1e-9)
    weight = (alike.data / np.repeat(total, np.diff(alike.indptr))).astype(np.float32)
    of_rows = sparse.csr_array((weight, alike.indices, alike.indptr), shape=alike.shape)
    return np.asarray((of_rows @ tied).toarray(), np.float32)
