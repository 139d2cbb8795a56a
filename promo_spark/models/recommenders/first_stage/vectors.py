"""Items by what few numbers say of them: singular vectors, vectors of ALS; and EASE, which tells each by all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from promo_spark.learners.implicit_factors import Ties
from promo_spark.models.recommenders.first_stage.interface import UserItems
from promo_spark.models.recommenders.fold_in import FoldIn
from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.neighbours import Neighbours
from promo_spark.models.recommenders.similarities import tied_at_all
from promo_spark.models.recommenders.top_n import Floats, Integers

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class ItemVectors:
    """Vectors of items: what is scored agrees with those of what the user is tied to, by strength."""

    vectors: Floats  # a row per item

    def scores(self, users: UserItems) -> Floats:
        return _of_tied_users(np.asarray(users.strength @ self.vectors) @ self.vectors.T, users)

    def because(self, users: UserItems, user: Integers, item: Integers) -> Integers:
        return _nearest_own(self.vectors, users, user, item)


@dataclass(frozen=True)
class Svd(ItemVectors):
    """Truncated singular value decomposition, where what a user is not tied to counts as 0: r V Vᵀ (Cremonesi 2010)."""

    @staticmethod
    def of(sample: sparse.csr_array, rank: int) -> Svd:
        """From users × items. With as many vectors as the matrix has ranks, its rows come back as they are."""
        return Svd(singular_vectors(sparse.csr_array(sample.T), rank)[0].astype(np.float32))


@dataclass(frozen=True)
class Als:
    """Implicit ALS: users' vectors are solved for by the items' (FoldIn), so that a user may be new since the fit."""

    items: Integers  # those that have a vector, rising
    vectors: Floats  # a row for each
    fold_in: FoldIn  # by these

    def scores(self, users: UserItems) -> Floats:
        found = np.full((len(users), users.items), -np.inf, np.float32)
        known = sparse.csr_array(users.strength[:, self.items])
        tied = np.diff(known.indptr) > 0
        vectors = self.fold_in.user_vectors(Ties(known.indptr.astype(np.int64), known.indices, known.data))
        found[np.ix_(tied, self.items)] = vectors[tied] @ self.vectors.T
        return found

    def because(self, users: UserItems, user: Integers, item: Integers) -> Integers:
        vectors = np.zeros((users.items, self.vectors.shape[1]), np.float32)
        vectors[self.items] = self.vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return _nearest_own((vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32), users, user, item)


@dataclass(frozen=True)
class Together:
    """EASE, as Neighbours has it: by what users are tied to, not how strongly."""

    neighbours: Neighbours

    def scores(self, users: UserItems) -> Floats:
        found = np.full((len(users), users.items), -np.inf, np.float32)
        has = self.neighbours.columns(tied_at_all(users.strength))
        found[:, self.neighbours.products] = self.neighbours.together(has)
        return _of_tied_users(found, users)

    def because(self, _users: UserItems, _user: Integers, item: Integers) -> Integers:
        """Everything of the user's own speaks for it or against it together."""
        return np.full(len(item), NO_ITEM, np.int64)


def singular_vectors(matrix: sparse.csr_array, rank: int) -> tuple[Doubles, Doubles]:
    """The first `rank` left vectors, as columns, and their values; all that there are, where these are fewer."""
    most = min(matrix.shape)
    if rank < most:
        u, s, _ = svds(matrix.astype(np.float64), k=rank, v0=np.ones(most), return_singular_vectors="u")
    else:
        u, s, _ = np.linalg.svd(matrix.toarray().astype(np.float64), full_matrices=False)
    return u, s


def _of_tied_users(scores: Floats, users: UserItems) -> Floats:
    """Of a user who is tied to nothing nothing is said."""
    return np.where(np.diff(users.strength.indptr)[:, None] > 0, scores, -np.inf).astype(np.float32)


def _nearest_own(vectors: Floats, users: UserItems, user: Integers, item: Integers) -> Integers:
    """Of pairs of user and item, the user's own item that speaks most for it by vector and strength, or NO_ITEM."""
    found = np.full(len(item), NO_ITEM, np.int64)
    for one in np.unique(user):
        mine = users.strength[[one]]
        rows = np.flatnonzero(user == one)
        if mine.nnz:
            alike = (vectors[item[rows]] @ vectors[mine.indices].T) * mine.data
            best = alike.argmax(axis=1)
            found[rows] = np.where(alike[np.arange(len(rows)), best] > 0, mine.indices[best], NO_ITEM)
    return found
