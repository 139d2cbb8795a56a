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


class RankedItems(Frame):
    """One row per user: the likeliest of the candidates, most likely first; ties by the lower position."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    ranked = Col(T.ArrayType(T.IntegerType()), "their positions in the catalogue", required=True)
    likelihood = Col(T.ArrayType(T.DoubleType()), "how likely each is bought within 28 days", "share", required=True)


@dataclass(frozen=True)
class Candidates:
    """One row per user and product that is judged, by user and product; users and products by number.

    `together`, `similar`: the scores of Neighbours; NaN where the product has too few buyers.
    """

    user: Integers
    product: Integers
    together: Floats
    similar: Floats


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


def candidates(
    neighbours: Neighbours,
    bought: sparse.csr_array,
    places: Integers,
    own: Own,
    popular: Integers,
    breadth: Breadth,
) -> Iterator[Candidates]:
    """A part of the users at a time.

    `bought`: users × all products; `places`: where users stand among the neighbours, −1 where not. Of `own` the
    strongest are judged, of `popular`, most popular first, those that the user did not buy.
    """
    users, products = bought.shape
    strongest = _strongest(own, breadth.own, products)
    columns = neighbours.columns(bought)
    place_of = np.full(products, -1)
    place_of[neighbours.products] = np.arange(len(neighbours.products))
    for first in range(0, users, _AT_ONCE):
        end = min(first + _AT_ONCE, users)
        of_users = columns[first:end]
        together = neighbours.together(of_users)
        similar = neighbours.similar(of_users, places[first:end])
        row, column = of_users.nonzero()
        keys = [strongest[(strongest >= first * products) & (strongest < end * products)]]
        for scores in (together, similar):
            unknown = scores.copy()
            unknown[row, column] = -np.inf
            best, value = top_n(unknown, min(breadth.similar, unknown.shape[1]))
            user = np.broadcast_to(np.arange(first, end)[:, None], best.shape)
            keys.append((user * products + neighbours.products[best])[np.isfinite(value)])
        everyone = np.arange(first, end)[:, None] * products + popular[None, : breadth.popular]
        keys.append(np.setdiff1d(everyone, _keys(bought[first:end], first)))
        user, product = np.divmod(np.unique(np.concatenate(keys)), products)
        place = place_of[product]
        known = place >= 0
        values = [
            np.where(known, scores[user - first, np.maximum(place, 0)], np.nan).astype(np.float32)
            if len(neighbours.products)
            else np.full(len(user), np.nan, np.float32)
            for scores in (together, similar)
        ]
        yield Candidates(user, product, values[0], values[1])


def _strongest(own: Own, most: int, products: int) -> Integers:
    """Of each user the products of most strength, ties to the lower number, as one key each, rising."""
    order = np.lexsort((own.product, -own.strength, own.user))
    user = own.user[order]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    return np.sort((user * products + own.product[order])[place < most])


def _keys(bought: sparse.csr_array, first: int) -> Integers:
    """What the users bought, as one key each."""
    row, column = bought.nonzero()
    return np.asarray((row + first) * bought.shape[1] + column, np.int64)
