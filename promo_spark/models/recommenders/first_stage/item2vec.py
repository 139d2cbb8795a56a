"""Items by what they are met with in a visit, as item2vec has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from promo_spark.models.recommenders.first_stage.vectors import ItemVectors, singular_vectors
from promo_spark.models.recommenders.similarities import tied_at_all

_NEGATIVES = 5  # items drawn at random for each that is met, in item2vec
_SMOOTHING = 0.75  # they are drawn by their frequency to this power


@dataclass(frozen=True)
class ItemToVec(ItemVectors):
    """Vectors of length 1 by which items are near that are met in the same visits (Barkan, Koenigstein 2016).

    item2vec draws pairs of a visit, and others at random, and learns which is which: what it comes near is the
    factorisation of how much more often two items meet than by chance, log(n_ij·n / n_i·n_j^¾ …) − log 5 (Levy,
    Goldberg 2014). Here that is factorised itself, less being 0: the same vectors on every run.
    """

    @staticmethod
    def of(visits: sparse.csr_array, rank: int, least: int = 1) -> ItemToVec:
        """From visits × items. An item of fewer than `least` visits, or that meets none, has a row of zeros."""
        met = tied_at_all(visits)
        known = np.flatnonzero(np.asarray(met.sum(axis=0)).ravel() >= max(least, 1))
        met = sparse.csr_array(met[:, known])
        vectors = np.zeros((visits.shape[1], rank), np.float32)
        together = sparse.coo_array(met.T @ met)
        first, second = together.coords
        apart = first != second
        first, second, count = first[apart], second[apart], together.data[apart].astype(np.float64)
        if not len(count):
            return ItemToVec(vectors)
        pairs = np.bincount(first, count, met.shape[1])
        drawn = pairs**_SMOOTHING
        more = np.log(count * drawn.sum() / (pairs[first] * drawn[second])) - np.log(_NEGATIVES)
        positive = more > 0
        if not positive.any():
            return ItemToVec(vectors)
        shape = (met.shape[1], met.shape[1])
        u, s = singular_vectors(sparse.csr_array((more[positive], (first[positive], second[positive])), shape), rank)
        found = u * np.sqrt(s)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        vectors[known, : found.shape[1]] = found / np.where(lengths > 1e-9, lengths, np.inf)
        return ItemToVec(vectors)
