"""Which products are for a user at all: of a price like the user's, and not limited to others, as by age or region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promo_spark.models.recommenders.top_n import Integers

NO_TIER = 0
_DEAREST = 5
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Relevance:
    """What is known of the products of a catalogue, by position.

    `tier`: 1 cheap to 5 dear within the category, NO_TIER where no price is known. `limited`: limits × products, which
    products are under each limit. `price_tiers`: by how many tiers a product may differ from the user's usual one.
    """

    tier: Integers
    limited: Bools
    price_tiers: int

    def too_far_in_price(self, usual_tier: Integers) -> Bools:
        """Users × products; nothing is where the price of the product or the user's usual tier is not known.

        >>> of = Relevance(np.array([1, 3, 5, NO_TIER]), np.zeros((0, 4), bool), price_tiers=2)
        >>> of.too_far_in_price(np.array([1, 3, NO_TIER])).tolist()
        [[False, False, True, False], [False, False, False, False], [False, False, False, False]]
        """
        apart = np.abs(usual_tier[:, None] - self.tier[None, :]) > self.price_tiers
        known = (usual_tier[:, None] != NO_TIER) & (self.tier[None, :] != NO_TIER)
        return np.asarray(apart & known, bool)

    def not_allowed(self, outside: Bools) -> Bools:
        """Users × products. `outside`: users × limits, whether the user does not meet each.

        >>> of = Relevance(np.array([1, 3]), np.array([[False, True]]), price_tiers=2)
        >>> of.not_allowed(np.array([[True], [False]])).tolist()
        [[False, True], [False, False]]
        """
        return np.asarray(outside.astype(np.int64) @ self.limited.astype(np.int64) > 0, bool)


def usual_tiers(user: Integers, tier: Integers, orders: Integers, users: int) -> Integers:
    """Each user's usual price tier: the middle one of the orders of products of a known tier, the lower of two.

    >>> usual_tiers(np.array([0, 0, 0]), np.array([1, 4, 5]), np.array([2, 1, 1]), 2).tolist()  # 1, 1, 4, 5; nothing
    [1, 0]
    """
    counts = np.zeros((users, _DEAREST + 1), np.int64)
    known = tier != NO_TIER
    np.add.at(counts, (user[known], tier[known]), orders[known])
    reached = np.cumsum(counts, axis=1) * 2 >= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.where(counts.any(axis=1), reached.argmax(axis=1), NO_TIER).astype(np.int64)
