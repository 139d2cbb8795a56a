"""Which products are judged for a user: own ones, ones that go with these or that similar users buy, popular ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import types as T
from scipy import sparse

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.models.recommenders.neighbours import Neighbours
from promo_spark.models.recommenders.top_n import Floats, Integers, top_n

_AT_ONCE = 256  # users


class ListedItems(Frame):
    """One row per user and recommender: the best items, best first; ties by the lower position."""

    recommender = Col(T.StringType(), "the recommender", required=True)
    items = Col(T.ArrayType(T.IntegerType()), "positions in the catalogue", required=True)
    scores = Col(
        T.ArrayType(T.DoubleType()),
        "of ranked, the second stage, how likely each is bought within 28 days; else the recommender's own score",
        required=True,
    )
    because = Col(
        T.ArrayType(T.IntegerType()), "of each the own item that speaks most for it; -1: none does", required=True
    )


class RankedItems(Frame):
    """One row per user: the lists of the recommenders that rank the user's items. Entries are ListedItems."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    lists = Col(T.ArrayType(ListedItems.schema()), "a list per recommender", required=True)


@dataclass(frozen=True)
class Shoppers:
    """Some users: what each bought, as users × all products, and each one's place among the neighbours, or −1."""

    bought: sparse.csr_array
    places: Integers


@dataclass(frozen=True)
class Scored:
    """The users from `first` on and before `end`, and the scores of Neighbours of them: users × scored products."""

    neighbours: Neighbours
    first: int
    end: int
    together: Floats
    similar: Floats

    def of(self, user: Integers, product: Integers) -> tuple[Floats, Floats]:
        """Both scores of pairs of these users; NaN where the product has too few buyers."""
        products = self.neighbours.products
        if not len(products):
            return np.full(len(user), np.nan, np.float32), np.full(len(user), np.nan, np.float32)
        place = np.minimum(np.searchsorted(products, product), len(products) - 1)
        known = products[place] == product
        together, similar = (
            np.where(known, scores[user - self.first, place], np.nan).astype(np.float32)
            for scores in (self.together, self.similar)
        )
        return together, similar


@dataclass(frozen=True)
class Own:
    """One row per user and product that the user bought and may buy again."""

    user: Integers
    product: Integers
    strength: NDArray[np.float64]


@dataclass(frozen=True)
class Breadth:
    """How many products each source gives per user."""

    own: int
    similar: int
    popular: int


def scored_users(neighbours: Neighbours, shoppers: Shoppers) -> Iterator[Scored]:
    """A part of the users at a time."""
    columns = neighbours.columns(shoppers.bought)
    for first in range(0, columns.shape[0], _AT_ONCE):
        end = min(first + _AT_ONCE, columns.shape[0])
        part = columns[first:end]
        yield Scored(neighbours, first, end, *neighbours.scores(part, shoppers.places[first:end]))


def candidates(
    neighbours: Neighbours, shoppers: Shoppers, own: Own, popular: Integers, breadth: Breadth
) -> Iterator[tuple[Scored, Integers, Integers]]:
    """A part of the users at a time: their scores, and the pairs of user and product that are judged, in order.

    Of `own` the strongest are judged, of `popular`, most popular first, those that the user did not buy.
    """
    products = shoppers.bought.shape[1]
    strongest = _strongest(own, breadth.own, products)
    for scored in scored_users(neighbours, shoppers):
        first, end = scored.first, scored.end
        bought = shoppers.bought[first:end]
        row, column = neighbours.columns(bought).nonzero()
        keys = [strongest[(strongest >= first * products) & (strongest < end * products)]]
        for scores in (scored.together, scored.similar):
            unknown = scores.copy()
            unknown[row, column] = -np.inf
            best, value = top_n(unknown, min(breadth.similar, unknown.shape[1]))
            user = np.broadcast_to(np.arange(first, end)[:, None], best.shape)
            keys.append((user * products + neighbours.products[best])[np.isfinite(value)])
        everyone = np.arange(first, end)[:, None] * products + popular[None, : breadth.popular]
        keys.append(everyone[bought[:, popular[: breadth.popular]].toarray() == 0])
        key = np.sort(np.concatenate(keys))
        judged, product = np.divmod(key[np.diff(key, prepend=-1) != 0], products)
        yield scored, judged, product


def _strongest(own: Own, most: int, products: int) -> Integers:
    """Of each user the products of most strength, ties to the lower number, as one key each, rising."""
    order = np.lexsort((own.product, -own.strength, own.user))
    user = own.user[order]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    return np.sort((user * products + own.product[order])[place < most])
