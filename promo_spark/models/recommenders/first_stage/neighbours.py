"""What is like a user's items (Sarwar et al. 2001), and what users like the user have (Herlocker et al. 1999)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from promo_spark.models.recommenders.first_stage.interface import UserItems, strongest_link
from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.similarities import Measure, nearest, shares, tied_at_all
from promo_spark.models.recommenders.top_n import Floats, Integers


@dataclass(frozen=True)
class ItemNeighbours:
    """Items by how like they are to the user's own: score of j = Σ over own k of similarity(j, k) × strength of k.

    `normalised` divides by the sum of the similarities: of ratings, the rating that is expected.
    """

    similar: sparse.csr_array  # items × items: of each, its nearest
    normalised: bool = False

    @staticmethod
    def of(
        sample: sparse.csr_array, *, measure: Measure, most: int, least_users: int = 1, normalised: bool = False
    ) -> ItemNeighbours:
        """From users × items. An item of fewer users is nobody's neighbour."""
        of_items = sparse.csr_array(sample.T.tocsr(), dtype=np.float32)
        enough = np.diff(of_items.indptr) >= least_users
        of_items = sparse.csr_array(sparse.diags_array(enough.astype(np.float32)) @ of_items)
        of_items.eliminate_zeros()
        return ItemNeighbours(nearest(of_items, of_items, measure, most, np.arange(of_items.shape[0])), normalised)

    def scores(self, users: UserItems) -> Floats:
        summed = (users.strength @ self.similar.T).toarray().astype(np.float32)
        said = summed > 0
        if self.normalised:
            summed /= np.maximum((tied_at_all(users.strength) @ self.similar.T).toarray(), np.float32(1e-9))
        return np.where(said, summed, -np.inf).astype(np.float32)

    def because(self, users: UserItems, user: Integers, item: Integers) -> Integers:
        return strongest_link(self.similar, users, user, item)


@dataclass(frozen=True)
class UserNeighbours:
    """What the nearest users of the sample are tied to of late: Σ similarity × strength / Σ similarity."""

    sample: sparse.csr_array
    recent: sparse.csr_array
    measure: Measure
    most: int

    def scores(self, users: UserItems) -> Floats:
        alike = nearest(users.strength, self.sample, self.measure, self.most, users.place)
        found = shares(alike, self.recent)
        return np.where(found > 0, found, -np.inf).astype(np.float32)

    def because(self, _users: UserItems, _user: Integers, item: Integers) -> Integers:
        """Users speak for it, no item of the user's own."""
        return np.full(len(item), NO_ITEM, np.int64)
