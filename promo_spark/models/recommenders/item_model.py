"""The products that lists are made of, as arrays: their vectors, what is popular, and what is for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from promo_spark.models.recommenders.relevance import Relevance
from promo_spark.models.recommenders.top_n import Floats, Integers
from promo_spark.models.recommenders.vector_search import VectorSearch

NO_ITEM = -1

_TILE_SCORES = 1 << 23  # users × products scored at once: 32 MB
_MOST_USERS = 256


@dataclass(frozen=True)
class PopularItems:
    """Products by falling popularity, with the number of their recent buyers."""

    items: Integers
    buyers: Integers


@dataclass(frozen=True)
class ItemModel:
    """The products that lists are made of; the same in every task. `items` rises; `vectors` has a row for each.

    A product that is new since the vectors were fitted has a row of zeros.
    """

    items: Integers
    vectors: Floats
    overall: PopularItems
    by_segment: Mapping[int, PopularItems]
    relevance: Relevance | None = None  # None: every product is for everybody
    search: VectorSearch | None = None  # None: vectors are compared with all

    @cached_property
    def has_vector(self) -> NDArray[np.bool_]:
        return np.asarray(self.vectors.any(axis=1))

    @property
    def limits(self) -> int:
        """How many limits of products there are."""
        return 0 if self.relevance is None else len(self.relevance.limited)

    def users_at_once(self) -> int:
        if self.search is not None and self.relevance is None:
            return _MOST_USERS
        return max(1, min(_MOST_USERS, _TILE_SCORES // max(1, len(self.items))))

    def columns(self, items: Integers) -> tuple[Integers, NDArray[np.bool_]]:
        """The columns of those items that are modelled, and which of the items these are."""
        if not len(self.items):
            return np.empty(0, np.int64), np.zeros(len(items), bool)
        columns = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
        modelled = self.items[columns] == items
        return columns[modelled], modelled
