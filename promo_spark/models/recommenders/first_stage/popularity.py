"""What needs no model: the user's own items, and what most users are tied to, in the user's group and everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from promo_spark.models.recommenders.first_stage.interface import UserItems
from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.similarities import tied_at_all
from promo_spark.models.recommenders.top_n import Floats, Integers


@dataclass(frozen=True)
class OwnStrength:
    """The user's own items, by the strength of the tie."""

    def scores(self, users: UserItems) -> Floats:
        found = np.full((len(users), users.items), -np.inf, np.float32)
        tied = users.strength.tocoo()
        found[tied.coords] = tied.data
        return found

    def because(self, _users: UserItems, _user: Integers, item: Integers) -> Integers:
        """It is the reason itself."""
        return item.astype(np.int64)


@dataclass(frozen=True)
class Popular:
    """Users of the group who are tied to the item; among equal ones, and without a group, all users who are.

    Of an item that nobody is tied to it says nothing.
    """

    overall: Floats  # users by item
    by_group: Floats  # groups × items

    @staticmethod
    def of(recent: sparse.csr_array, group: Integers) -> Popular:
        """From users × items, of late, and the group of each user."""
        has = tied_at_all(recent)
        inside = np.flatnonzero(group >= 0)
        groups = int(group.max(initial=-1)) + 1
        of_group = sparse.csr_array(
            (np.ones(len(inside), np.float32), (group[inside], inside)), shape=(groups, recent.shape[0])
        )
        overall = np.asarray(has.sum(axis=0), np.float32).ravel()
        return Popular(overall, np.asarray((of_group @ has).toarray(), np.float32))

    def scores(self, users: UserItems) -> Floats:
        share = self.overall / np.float32(self.overall.sum() + 1)  # below 1: it decides among equal ones only
        known = (users.group >= 0) & (users.group < len(self.by_group))
        found = np.broadcast_to(self.overall, (len(users), users.items)).copy()
        if known.any():
            found[known] = self.by_group[users.group[known]] + share
        found[:, self.overall == 0] = -np.inf
        return found

    def because(self, _users: UserItems, _user: Integers, item: Integers) -> Integers:
        """Others speak for it."""
        return np.full(len(item), NO_ITEM, np.int64)
