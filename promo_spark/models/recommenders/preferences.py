"""How well users' vectors agree with those of products: of all products, or of those that a search finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promo_spark.models.recommenders.item_model import ItemModel
from promo_spark.models.recommenders.relevance import usual_tiers
from promo_spark.models.recommenders.top_n import Floats, Integers, best_at, top_n
from promo_spark.models.recommenders.user_batches import UserBatch


@dataclass(frozen=True)
class Preferences:
    """Users × scored products: the product of their vectors; −inf where the user or the product has none.

    `columns` says which of the model's products these are, of each user rising, with the number of all products where
    there is none; None: all of them, in order. What the users bought is always there.
    """

    values: Floats
    columns: Integers | None = None

    def copy(self) -> Preferences:
        return Preferences(self.values.copy(), self.columns)

    def places(self, user: Integers, column: Integers) -> Integers:
        """Where in their user's row columns stand that are there."""
        if self.columns is None:
            return column
        width = int(self.columns.max(initial=0)) + 1  # rows follow one another, so that their keys rise
        keys = np.arange(len(self.columns))[:, None] * width + self.columns
        return np.asarray(np.searchsorted(keys.ravel(), user * width + column) - user * keys.shape[1])

    def leave_out(self, of_columns: NDArray[np.bool_]) -> None:
        """Takes out what is true of users × all columns of the model."""
        if self.columns is None:
            self.values[of_columns] = -np.inf
        else:
            last = np.minimum(self.columns, of_columns.shape[1] - 1)
            self.values[np.take_along_axis(of_columns, last, axis=1)] = -np.inf

    def best(self, n: int) -> tuple[Integers, Floats]:
        """The columns and values of each user's n best, best first; ties to the lower column; −inf: there is none."""
        if self.columns is None:
            return top_n(self.values, n)
        return best_at(self.values, self.columns, n)


def preferences(model: ItemModel, users: UserBatch, n: int) -> Preferences:
    """Of all products; or, where the model has a search, of those that it finds and of what the users bought.

    It is asked for `n` products and as many more as any of the users has bought, should none of these be for the list.
    """
    if model.search is None:
        scores: Floats = users.vectors @ model.vectors.T
        scores[:, ~model.has_vector] = -np.inf
        scores[~users.modelled] = -np.inf
        return Preferences(scores)
    most = n + int(np.diff(users.offsets).max(initial=0))
    found = model.search.nearest(users.vectors, min(most, len(model.items)))
    own, modelled = model.columns(users.items)
    row = np.repeat(np.arange(len(found)), np.diff(users.offsets))[modelled]
    width = len(model.items)
    user, place = np.nonzero((found >= 0) & users.modelled[:, None])
    keys = np.union1d(user * width + found[user, place], row * width + own)
    user, column = np.divmod(keys, width)
    counts = np.bincount(user, minlength=len(found))
    columns = np.full((len(found), int(counts.max(initial=0))), width, np.int64)
    values = np.full(columns.shape, -np.inf, np.float32)
    place = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    columns[user, place] = column
    agree = np.einsum("ij,ij->i", users.vectors[user], model.vectors[column])
    values[user, place] = np.where(users.modelled[user] & model.has_vector[column], agree, -np.inf)
    return Preferences(values, columns)


def withheld(model: ItemModel, users: UserBatch) -> NDArray[np.bool_] | None:
    """Users × catalogue: what is not for a user: limited to others, or new and too far in price; None: nothing.

    A price like the user's is one of the tiers around the usual one of what the user bought.
    """
    of = model.relevance
    if of is None:
        return None
    user = np.repeat(np.arange(len(users.modelled)), np.diff(users.offsets))
    usual = usual_tiers(user, of.tier[users.items], users.orders, len(users.modelled))
    far = of.too_far_in_price(usual)
    far[user, users.items] = False
    return far if users.outside is None else far | of.not_allowed(users.outside)
