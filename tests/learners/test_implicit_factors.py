"""Half-steps of implicit ALS, without Spark, beside the dense closed form."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import sparse

from promo_spark.learners import implicit_factors
from promo_spark.learners.implicit_factors import (
    NormalEquations,
    Objective,
    Ties,
    Turned,
    first_vectors,
    gram,
    solved_rows,
    turning,
)

OBJECTIVE = Objective(alpha=2.0, unobserved=0.3, regularisation=0.05, exponent=0.8, counted=0.3)


def drawn(rows: int, columns: int, seed: int = 4) -> sparse.csr_array:
    """Two clusters of rows, each tied mostly to its half of the columns; row 0 is tied to nothing."""
    random = np.random.default_rng(seed)
    same = (np.arange(rows)[:, None] % 2) == (np.arange(columns)[None] % 2)
    there = random.random((rows, columns)) < np.where(same, 0.5, 0.03)
    there[0] = False
    return sparse.csr_array(there * random.uniform(0.2, 3, (rows, columns)), dtype=np.float32)


def ties(matrix: sparse.csr_array) -> Ties:
    return Ties(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data)


def loss(matrix: sparse.csr_array, x: np.ndarray, y: np.ndarray) -> float:
    """The objective by the dense matrix, in double precision."""
    dense = matrix.toarray().astype(float)
    there, score = dense > 0, x.astype(float) @ y.astype(float).T
    weight = 0.3 + 2.0 * dense
    ridges = [
        0.05 * ((there.sum(axis) + 0.3 * there.shape[axis]) ** 0.8 * (of.astype(float) ** 2).sum(1)).sum()
        for axis, of in ((1, x), (0, y))
    ]
    return float((weight * (there - score) ** 2).sum() + sum(ridges))


def closed_form(matrix: sparse.csr_array, y: np.ndarray) -> np.ndarray:
    """(Yᵀ W Y + λ(n + u·N)^ν I)⁻¹ Yᵀ W p for each row, W of 0.3 + 2 × strength, p of ones where there is one."""
    dense, y = matrix.toarray().astype(float), y.astype(float)
    found = []
    for row in dense:
        weight, ridge = 0.3 + 2.0 * row, 0.05 * ((row > 0).sum() + 0.3 * len(row)) ** 0.8
        found.append(np.linalg.solve((y.T * weight) @ y + ridge * np.eye(y.shape[1]), (y.T * weight) @ (row > 0)))
    return np.array(found)


def test_a_half_step_is_the_closed_form() -> None:
    """The vectors are turned back for the comparison; three steps are enough within a fit, eight are exact."""
    matrix, y = drawn(30, 20), first_vectors(np.arange(20), 5, seed=1)
    by = Turned.of(y)
    exact = closed_form(matrix, y)
    assert not solved_rows(ties(matrix), by, OBJECTIVE)[0].any()
    assert solved_rows(ties(matrix), by, OBJECTIVE, steps=8) @ by.basis.T == pytest.approx(exact, abs=1e-4)
    assert np.abs(solved_rows(ties(matrix), by, OBJECTIVE) @ by.basis.T - exact).max() < 0.02 * np.abs(exact).max()


def test_rows_too_long_for_the_cache_and_rows_in_pieces_are_solved_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of more than 4 columns have their matrix summed up in pieces; so have all where vectors are sent."""
    matrix, y = drawn(30, 20), first_vectors(np.arange(20), 5, seed=1)
    by = Turned.of(y)
    whole = solved_rows(ties(matrix), by, OBJECTIVE)
    left, right = matrix[:, :11], matrix[:, 11:]
    equations = NormalEquations.of_none(30, 5)
    equations.add(ties(sparse.csr_array(left)), y[:11], OBJECTIVE)
    equations.add(ties(sparse.csr_array(right)), y[11:], OBJECTIVE)
    basis, spectrum = turning(gram(y[:11]) + gram(y[11:]))
    assert equations.turned(basis).solved(spectrum, OBJECTIVE, 20) == pytest.approx(whole, abs=1e-5)
    monkeypatch.setattr(implicit_factors, "_LONGEST", 4)
    assert solved_rows(ties(matrix), by, OBJECTIVE) == pytest.approx(whole, abs=1e-5)


def test_the_objective_falls_with_each_half_step() -> None:
    """And of two clusters each row is nearer to the columns of its own."""
    matrix = drawn(60, 40)
    y, losses = first_vectors(np.arange(40), 4, seed=2), []
    for _ in range(6):
        by = Turned.of(y)
        x = solved_rows(ties(matrix), by, OBJECTIVE)
        losses.append(loss(matrix, x, by.vectors))
        of_rows = Turned.of(x)
        y = solved_rows(ties(sparse.csr_array(matrix.T.tocsr())), of_rows, OBJECTIVE)
        losses.append(loss(matrix, of_rows.vectors, y))
    assert all(later < earlier for earlier, later in pairwise(losses))
    scores = of_rows.vectors @ y.T
    own = (np.arange(60)[:, None] % 2) == (np.arange(40)[None] % 2)
    assert scores[1:][own[1:]].mean() > 3 * abs(scores[1:][~own[1:]].mean())


def test_first_vectors_are_drawn_by_number_and_seed() -> None:
    some = first_vectors(np.array([3, 10_000_000]), 64, seed=5)
    assert np.array_equal(some[1], first_vectors(np.array([10_000_000]), 64, seed=5)[0])
    assert not np.isclose(some, first_vectors(np.array([3, 10_000_000]), 64, seed=6)).any()
    many = first_vectors(np.arange(5000), 64, seed=5)
    assert many.std() == pytest.approx(0.1, rel=0.01)
    assert np.abs(np.corrcoef(many[:, :8].T) - np.eye(8)).max() < 0.06
