"""Rules of baskets as a recommender: who holds what a rule asks for is shown what it says follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from promo_spark.models.recommenders.first_stage.interface import UserItems
from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.similarities import tied_at_all
from promo_spark.models.recommenders.top_n import Floats, Integers


@dataclass(frozen=True)
class RuledProducts:
    """What rules are about: of each product the kind that rules name, such as its subcategory, NO_ITEM where none.

    `weight`: above 0 to 1, by which the products of a kind are told apart; where rules name products, 1.
    """

    kind: Integers
    kinds: int
    weight: Floats

    @staticmethod
    def themselves(products: int) -> RuledProducts:
        """Rules name products."""
        return RuledProducts(np.arange(products), products, np.ones(products, np.float32))


@dataclass(frozen=True)
class Rules:
    """The score of a product: the confidence of the surest rule that leads to its kind, times the product's weight.

    Of the rules all of whose kinds a user holds. A user holds what the user is tied to of late.
    """

    asked: sparse.csr_array  # rules × kinds: 1 where the rule asks for the kind
    size: Floats  # how many kinds each asks for
    first: Integers  # the first of these
    consequent: Integers
    confidence: Floats
    about: RuledProducts

    @staticmethod
    def of(
        antecedents: Sequence[Sequence[int]], consequents: Sequence[int], confidence: Floats, about: RuledProducts
    ) -> Rules:
        """Rules of one consequent, by the numbers of the kinds. Surer ones stand first, whatever the order given."""
        order = sorted(range(len(consequents)), key=lambda r: (-confidence[r], tuple(antecedents[r]), consequents[r]))
        row = np.repeat(np.arange(len(order)), [len(antecedents[r]) for r in order]).astype(np.int64)
        column = np.array([kind for r in order for kind in antecedents[r]], np.int64)
        asked = sparse.csr_array((np.ones(len(row), np.float32), (row, column)), shape=(len(order), about.kinds))
        return Rules(
            asked,
            np.array([len(antecedents[r]) for r in order], np.float32),
            np.array([antecedents[r][0] for r in order], np.int64),
            np.array([consequents[r] for r in order], np.int64),
            np.array([confidence[r] for r in order], np.float32),
            about,
        )

    def scores(self, users: UserItems) -> Floats:
        of_kinds = np.full((len(users), self.about.kinds), -np.inf, np.float32)
        user, rule = self._fired(users)
        np.maximum.at(of_kinds, (user, self.consequent[rule]), self.confidence[rule])
        known = self.about.kind != NO_ITEM
        found = np.full((len(users), users.items), -np.inf, np.float32)
        found[:, known] = of_kinds[:, self.about.kind[known]] * self.about.weight[known]
        return found

    def because(self, users: UserItems, user: Integers, item: Integers) -> Integers:
        """An own product of the first kind that the surest rule asks for: that of the lowest number."""
        of_user, rule = self._fired(users)
        kinds = self.about.kinds
        # of a user and kind the first rule is the surest
        key, place = np.unique(of_user * kinds + self.consequent[rule], return_index=True)
        tied = users.recent.tocoo()
        owner, product = (part[self.about.kind[tied.coords[1]] != NO_ITEM] for part in tied.coords)
        held, first = np.unique(owner * kinds + self.about.kind[product], return_index=True)
        found = np.full(len(item), NO_ITEM, np.int64)
        wanted = user * kinds + self.about.kind[item]
        led = np.flatnonzero(np.isin(wanted, key) & (self.about.kind[item] != NO_ITEM))
        asked_for = self.first[rule[place[np.searchsorted(key, wanted[led])]]]
        found[led] = product[first[np.searchsorted(held, user[led] * kinds + asked_for)]]
        return found

    def _fired(self, users: UserItems) -> tuple[Integers, Integers]:
        """Pairs of user and rule, by user, then by rule."""
        known = np.flatnonzero(self.about.kind != NO_ITEM)
        shape = (users.items, self.about.kinds)
        of_kinds = sparse.csr_array((np.ones(len(known), np.float32), (known, self.about.kind[known])), shape=shape)
        held = tied_at_all(sparse.csr_array(users.recent @ of_kinds))
        count = sparse.csr_array(held @ self.asked.T)
        count.sort_indices()
        user = np.repeat(np.arange(len(users)), np.diff(count.indptr))
        whole = count.data == self.size[count.indices]
        return user[whole].astype(np.int64), count.indices[whole].astype(np.int64)
