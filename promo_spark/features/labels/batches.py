"""Rows of UserHistory, as Arrow hands them over, as arrays that features and labels are taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from promo_spark.contracts.predictions import BoughtEntry, UserHistory
from promo_spark.features.labels.histories import Histories, Ints, OrderDays, Purchases, histories
from promo_spark.features.labels.pairs import Pairs
from promo_spark.measures.arrow_lists import entries_of_lists, in_one_piece

_NOT_KNOWN = -1


@dataclass(frozen=True)
class Catalogue:
    """The products by number, sorted by id, and the number of each one's category."""

    product_ids: tuple[str, ...]
    category: Ints

    @staticmethod
    def of(categories: Mapping[str, str | None]) -> Catalogue:
        """By id and name of the category; products without one are a category together.

        >>> Catalogue.of({"tea": "drinks", "nut": None}).category.tolist()
        [0, 1]
        """
        ids = tuple(sorted(categories))
        names = sorted({categories[i] or "" for i in ids})
        numbers = {name: number for number, name in enumerate(names)}
        return Catalogue(ids, np.array([numbers[categories[i] or ""] for i in ids], np.int64))

    def numbers(self, product_ids: pa.Array) -> Ints:
        """The number of each product; −1 where it is not in the catalogue."""
        found = pc.index_in(product_ids, value_set=pa.array(self.product_ids, product_ids.type))
        return _integers(found)


@dataclass(frozen=True)
class Batch:
    """Some users: their ids, what they did, and pairs of user and product: recommended ones, and ones taken back."""

    user_ids: pa.Array
    of: Histories
    recommended: tuple[Ints, Ints]  # user, product
    returned: tuple[Ints, Ints]
    category: Ints  # of each product, by number

    def __len__(self) -> int:
        return len(self.user_ids)


def batch_of(rows: pa.RecordBatch | pa.Table, catalogue: Catalogue) -> Batch:
    """UserHistory in Arrow → arrays, in the order of the rows.

    Products that are not in the catalogue are left out of the pairs; the orders that bought them count.
    """
    columns = {name: in_one_piece(rows.column(name)) for name in UserHistory.columns()}
    user, entries = entries_of_lists(columns[UserHistory.bought])
    of_day = {name: _integers(entries.field(name)) for name in _NUMBERS}
    product = catalogue.numbers(entries.field(BoughtEntry.product_id))
    known = product >= 0
    day = of_day[BoughtEntry.day]
    return Batch(
        columns[UserHistory.user_id],
        histories(
            _integers(columns[UserHistory.registered]),
            OrderDays(user, day, of_day[BoughtEntry.cents], of_day[BoughtEntry.lines], of_day[BoughtEntry.discounted]),
            Purchases(user[known], day[known], product[known], of_day[BoughtEntry.units][known]),
            _pairs(columns[UserHistory.contacts]),
            _pairs(columns[UserHistory.redemptions]),
            catalogue.category,
        ),
        _of_catalogue(columns[UserHistory.recommended], catalogue),
        _of_catalogue(columns[UserHistory.returned], catalogue),
        catalogue.category,
    )


def candidate_pairs(batch: Batch, own: Pairs, order_days: Ints, *, day: int, most_own: int) -> tuple[Pairs, Ints]:
    """The pairs that are judged on a day, and 1 where the product is recommended and not the user's own.

    Own products are those that were not taken back whole, of each user up to `most_own`: most days bought first, then
    the lower number. `order_days`: on how many days each own pair was bought.
    """
    products = max(1, len(batch.category))
    taken_user, taken_product = batch.returned
    kept = ~np.isin(own.user * products + own.product, taken_user * products + taken_product)
    user, product, count = own.user[kept], own.product[kept], order_days[kept]
    order = np.lexsort((product, -count, user))
    user, product = user[order], product[order]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    user, product = user[place < most_own], product[place < most_own]
    new_user, new_product = batch.recommended
    new = ~np.isin(new_user * products + new_product, user * products + product)
    users = np.concatenate([user, new_user[new]])
    both = np.concatenate([product, new_product[new]])
    source = np.r_[np.zeros(len(user), np.int64), np.ones(int(new.sum()), np.int64)]
    return Pairs(users, both, np.full(len(users), day), own.lookback), source


_NUMBERS = (BoughtEntry.day, BoughtEntry.units, BoughtEntry.cents, BoughtEntry.lines, BoughtEntry.discounted)


def _integers(values: pa.Array) -> Ints:
    return np.asarray(pc.fill_null(values.cast(pa.int64()), _NOT_KNOWN).to_numpy(zero_copy_only=False), np.int64)


def _pairs(lists: pa.Array) -> tuple[Ints, Ints]:
    row, entries = entries_of_lists(lists)
    return row, _integers(entries)


def _of_catalogue(lists: pa.Array, catalogue: Catalogue) -> tuple[Ints, Ints]:
    row, entries = entries_of_lists(lists)
    product = catalogue.numbers(entries)
    return row[product >= 0], product[product >= 0]
