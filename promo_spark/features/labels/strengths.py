"""How strongly users are tied to products as of a day, and what they bought, as matrices. Plain numpy and scipy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from promo_spark.features.labels.histories import SPAN, Floats, Histories, Ints


@dataclass(frozen=True)
class Ties:
    """One row per user and product that the user bought in the days before a day, by user and product.

    `strength`: days with the product, each counting half as much after so many days.
    """

    user: Ints
    product: Ints
    strength: Floats


def ties(of: Histories, day: int, *, days: int, half_life: int) -> Ties:
    """What users bought in the `days` before a day. The same for a user whoever else is in the histories.

    >>> from promo_spark.features.labels.histories import OrderDays, Purchases, histories
    >>> none, one = np.zeros(0, np.int64), np.ones(2, np.int64)
    >>> bought = Purchases(np.array([0, 0]), np.array([70, 100]), np.array([4, 4]), one * 1000)
    >>> orders = OrderDays(np.array([0, 0]), np.array([70, 100]), one, one, one)
    >>> of = histories(np.array([-1]), orders, bought, (none, none), (none, none), np.zeros(5, np.int64))
    >>> ties(of, 130, days=365, half_life=30).strength.tolist()  # 60 and 30 days ago: a quarter and a half
    [0.75]
    """
    inside = (of.bought.day < day) & (of.bought.day >= day - days)
    weight = np.power(0.5, (day - of.bought.day[inside]) / half_life)
    strength: Floats = np.bincount(of.bought.owner[inside], weight, len(of.pair_user)).astype(np.float64)
    met = strength > 0
    return Ties(of.pair_user[met], of.pair_product[met], strength[met])


def visit_matrix(of: Histories, day: int, *, days: int, allowed: NDArray[np.bool_]) -> sparse.csr_array:
    """Days on which a user bought × products: 1 where it is an allowed product, in the `days` before a day."""
    inside = np.flatnonzero((of.bought.day < day) & (of.bought.day >= day - days))
    product = of.pair_product[of.bought.owner[inside]]
    inside, product = inside[allowed[product]], product[allowed[product]]
    visit = of.pair_user[of.bought.owner[inside]] * SPAN + of.bought.day[inside]
    found, row = np.unique(visit, return_inverse=True)
    return sparse.csr_array((np.ones(len(row), np.float32), (row, product)), shape=(len(found), len(allowed)))


def purchase_matrix(of: Histories, day: int, *, days: int, allowed: NDArray[np.bool_]) -> sparse.csr_array:
    """Users × products: 1 where the user bought an allowed product in the `days` before a day."""
    inside = (of.bought.day < day) & (of.bought.day >= day - days)
    pair = of.bought.owner[inside]
    pair = pair[np.diff(pair, prepend=-1) != 0]  # they rise
    pair = pair[allowed[of.pair_product[pair]]]
    ones = np.ones(len(pair), np.float32)
    return sparse.csr_array((ones, (of.pair_user[pair], of.pair_product[pair])), shape=(of.users, len(allowed)))
