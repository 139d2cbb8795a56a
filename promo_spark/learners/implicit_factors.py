"""Implicit alternating least squares: each row's vector by the vectors of its columns. Plain numpy.

For a row with n of N columns the vector x is sought that makes least (Rendle et al. 2022, "Revisiting the performance
of iALS"):

    Σ (u + alpha·s)(1 − x·y)² over its columns  +  u Σ (x·y)² over all others  +  λ (n + u′·N)^ν |x|²

with the strength s of each of its columns, the weight u of what it is not tied to, and y the columns' vectors; there u′
is u. With u = 1, u′ = 0 and ν = 1 it is what MLlib makes least. The
normal equations are (u·YᵀY + Σ alpha·s·yyᵀ + λ…) x = Σ (u + alpha·s) y. The columns' vectors are turned so that YᵀY
is a diagonal: scores of turned vectors are the same, what all rows share is inverted by a division, and with it as the
preconditioner few steps of conjugate gradients from 0 give what an exact solver does, for a quarter of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

STEPS = 3  # of conjugate gradients: enough within a fit, whose next half-steps make good what is left
EXACT_STEPS = 8  # as an exact solver would have it, to single precision
_TILE = 1 << 18  # numbers gathered at once: 1 MB, which stays in a core's cache
_LONGEST = 4096  # columns of a row that are gathered at once; longer rows have their matrix summed up in pieces
_SPREAD = 0.1  # standard deviation of the first vectors


@dataclass(frozen=True)
class Objective:
    """What is made least, as above. `counted` is u′: with 0 a row's own columns alone count."""

    alpha: float
    unobserved: float
    regularisation: float
    exponent: float
    counted: float

    def ridge(self, counts: Integers, columns: int) -> Floats:
        """What is added to the diagonal for each row, by its number of columns and that of all columns.

        >>> Objective(2.0, 0.5, 0.1, 1.0, 0.5).ridge(np.array([3, 5]), 14).tolist()  # 0.1 × (3 + 0.5 × 14), …
        [1.0, 1.2000000476837158]
        """
        return (self.regularisation * (counts + self.counted * columns) ** self.exponent).astype(np.float32)


@dataclass(frozen=True)
class Ties:
    """A sparse matrix by rows: of row i the entries from starts[i] up to starts[i + 1], strengths above 0."""

    starts: Integers
    columns: NDArray[np.int32]
    strengths: Floats

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> Integers:
        return np.diff(self.starts)

    def chosen(self, rows: Integers, width: int) -> tuple[NDArray[np.int32], Floats, NDArray[np.bool_]]:
        """Rows × width: columns, strengths, and what is there; the rest is column 0 of strength 0."""
        place = self.starts[rows][:, None] + np.arange(width)
        there = place < self.starts[rows + 1][:, None]
        place = np.minimum(place, len(self.columns) - 1)
        return np.where(there, self.columns[place], 0), np.where(there, self.strengths[place], np.float32(0)), there


@dataclass(frozen=True)
class Turned:
    """Vectors by which rows are solved: YᵀY is the diagonal of `spectrum`."""

    vectors: Floats
    spectrum: Doubles
    basis: Floats  # vectors times this are the turned ones, and these times its transpose are the vectors again

    @classmethod
    def of(cls, vectors: Floats) -> Turned:
        basis, spectrum = turning(gram(vectors))
        return cls(np.asarray(vectors @ basis, np.float32), spectrum, basis)


@dataclass
class NormalEquations:
    """What the columns that rows are tied to add to their equations, summed up piece by piece."""

    matrices: Floats  # rows × rank × rank: Σ alpha·s·yyᵀ
    targets: Floats  # rows × rank: Σ (u + alpha·s) y
    counts: Integers

    @classmethod
    def of_none(cls, rows: int, rank: int) -> NormalEquations:
        zeros = np.zeros((rows, rank, rank), np.float32)
        return cls(zeros, np.zeros((rows, rank), np.float32), np.zeros(rows, np.int64))

    def add(self, ties: Ties, vectors: Floats, objective: Objective) -> None:
        """Ties of the same rows to columns that have these vectors."""
        self.counts += ties.counts
        for rows, width in _tiles(ties.counts, vectors.shape[1]):
            if width <= _LONGEST:
                columns, strengths, there = ties.chosen(rows, width)
                self._add(rows, vectors[columns], strengths, there, objective)
                continue
            for row in rows:
                for first in range(int(ties.starts[row]), int(ties.starts[row + 1]), _LONGEST):
                    piece = slice(first, min(first + _LONGEST, int(ties.starts[row + 1])))
                    strengths = ties.strengths[piece][None]
                    there = np.ones(strengths.shape, bool)
                    self._add(np.array([row]), vectors[ties.columns[piece]][None], strengths, there, objective)

    def _add(
        self, rows: Integers, of: Floats, strengths: Floats, there: NDArray[np.bool_], objective: Objective
    ) -> None:
        weights = np.float32(objective.alpha) * strengths
        self.targets[rows] += _summed(_wanted(weights, there, objective), of)
        of = of * np.sqrt(weights)[:, :, None]
        self.matrices[rows] += np.matmul(of.swapaxes(1, 2), of)

    def turned(self, basis: Floats) -> NormalEquations:
        """The same equations of vectors that are turned into a basis."""
        matrices = np.matmul(basis.T, np.matmul(self.matrices, basis))
        return NormalEquations(matrices, self.targets @ basis, self.counts)

    def solved(self, spectrum: Doubles, objective: Objective, columns: int, steps: int = STEPS) -> Floats:
        """The rows' vectors; zeros of a row that is tied to nothing. `columns`: how many there are in all."""
        diagonal = _diagonal(spectrum, objective, self.counts, columns)

        def product(x: Floats) -> Floats:
            return np.asarray(diagonal * x + np.matmul(self.matrices, x[:, :, None])[:, :, 0])

        return _conjugate_gradients(product, self.targets, diagonal, steps)


def first_vectors(numbers: Integers, rank: int, seed: int) -> Floats:
    """A row of small numbers for each number: the same for the same number and seed, whatever the others.

    >>> first_vectors(np.array([7, 9]), 2, 1)[1].tolist() == first_vectors(np.array([9]), 2, 1)[0].tolist()
    True
    """
    with np.errstate(over="ignore"):  # splitmix64 (Steele et al. 2014)
        z: NDArray[Any] = numbers.astype(np.uint64)[:, None] * np.uint64(rank) + np.arange(rank, dtype=np.uint64)
        z = (z + np.uint64(seed) * np.uint64(0xD1B54A32D192ED03) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    uniform = np.asarray(z, np.float64) / 2.0**64
    return np.asarray((2 * uniform - 1) * np.sqrt(3) * _SPREAD, np.float32)


def gram(vectors: Floats) -> Doubles:
    """YᵀY."""
    doubles = vectors.astype(np.float64)
    return np.asarray(doubles.T @ doubles)


def turning(of: Doubles) -> tuple[Floats, Doubles]:
    """A symmetric matrix → the basis in which it is a diagonal, and that diagonal."""
    spectrum, basis = np.linalg.eigh(of)
    return basis.astype(np.float32), np.maximum(spectrum, 0)


def solved_rows(ties: Ties, by: Turned, objective: Objective, steps: int = STEPS) -> Floats:
    """Each row's vector by those of its columns; zeros of a row that is tied to nothing."""
    rank, columns = by.vectors.shape[1], len(by.vectors)
    found = np.zeros((len(ties), rank), np.float32)
    diagonal = _diagonal(by.spectrum, objective, ties.counts, columns)
    for rows, width in _tiles(ties.counts, rank):
        if width > _LONGEST:
            for row in rows:
                piece = slice(int(ties.starts[row]), int(ties.starts[row + 1]))
                starts = np.array([0, piece.stop - piece.start])
                equations = NormalEquations.of_none(1, rank)
                equations.add(Ties(starts, ties.columns[piece], ties.strengths[piece]), by.vectors, objective)
                found[row] = equations.solved(by.spectrum, objective, columns, steps)[0]
            continue
        of, strengths, there = ties.chosen(rows, width)
        found[rows] = _of_tile(by.vectors[of], strengths, there, diagonal[rows], objective, steps)
    return found


def _of_tile(
    of: Floats, strengths: Floats, there: NDArray[np.bool_], diagonal: Floats, objective: Objective, steps: int
) -> Floats:
    weights = np.float32(objective.alpha) * strengths

    def product(x: Floats) -> Floats:
        agreement = np.matmul(of, x[:, :, None])[:, :, 0] * weights
        return np.asarray(diagonal * x + _summed(agreement, of))

    return _conjugate_gradients(product, _summed(_wanted(weights, there, objective), of), diagonal, steps)


def _conjugate_gradients(product: Callable[[Floats], Floats], target: Floats, diagonal: Floats, steps: int) -> Floats:
    """For each row x with product(x) = target, from 0, preconditioned by the diagonal."""
    found: Floats = np.zeros_like(target)
    residual: Floats = target
    scaled = residual / diagonal
    direction, size = scaled, _dots(residual, scaled)
    for step in range(steps):
        along = product(direction)
        length = size / np.maximum(_dots(direction, along), np.finfo(np.float32).tiny)
        found += length * direction
        if step < steps - 1:
            residual = np.asarray(residual - length * along)
            scaled = residual / diagonal
            size, before = _dots(residual, scaled), size
            direction = scaled + size / np.maximum(before, np.finfo(np.float32).tiny) * direction
    return found


def _diagonal(spectrum: Doubles, objective: Objective, counts: Integers, columns: int) -> Floats:
    ridge = objective.ridge(counts, columns)
    return (objective.unobserved * spectrum + ridge[:, None] + np.finfo(np.float32).tiny).astype(np.float32)


def _wanted(weights: Floats, there: NDArray[np.bool_], objective: Objective) -> Floats:
    """What each column's vector counts in the target."""
    return weights + there.astype(np.float32) * np.float32(objective.unobserved)


def _dots(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", a, b)[:, None], np.float32)


def _summed(weights: Floats, of: Floats) -> Floats:
    return np.asarray(np.matmul(weights[:, None, :], of)[:, 0], np.float32)


def _tiles(counts: Integers, rank: int) -> Iterator[tuple[Integers, int]]:
    """Rows of about as many columns, so few at a time that their columns' vectors stay in cache; and their most."""
    order = np.argsort(counts, kind="stable")
    ordered = counts[order]
    first = int(np.searchsorted(ordered, 0, side="right"))  # rows without a column are left at 0
    while first < len(order):
        most = int(ordered[first]) * 9 // 8
        last = int(np.searchsorted(ordered, most, side="right"))
        at_once = max(1, _TILE // (max(most, 1) * rank))
        for start in range(first, last, at_once):
            rows = order[start : min(start + at_once, last)]
            yield rows, int(counts[rows[-1]])
        first = last
