"""What users could be given, as arrays: one entry per option, users one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from promo_spark.decisions.allocation.user_options import OptionUse, UserOption, UserOptions
from promo_spark.decisions.offers.topics import WHOLE_SHOP
from promo_spark.measures.arrow_lists import entries_of_lists, in_one_piece

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NO_TOPIC: Final = -1


@dataclass(frozen=True)
class Options:
    """Options of users. `uses`: option × constraint, in whole units. `topics`: option × place, NO_TOPIC where none."""

    users: int
    owner: Ints  # the user of each option, never falling
    room: Ints  # of each user
    value: Ints  # millionths of currency
    uses: Any  # csr_array
    topics: Ints
    alone: Bools  # for the whole shop: stands alone

    def __len__(self) -> int:
        return len(self.value)

    def conflict(self, one: Ints, other: Ints) -> Bools:
        """Whether two options cannot both be given to their user; −1: no option, never a conflict."""
        there = (one >= 0) & (other >= 0)
        a, b = self.topics[one], self.topics[other]
        same = np.zeros(len(one), bool)
        for i in range(a.shape[1]):
            for j in range(b.shape[1]):
                same |= (a[:, i] == b[:, j]) & (a[:, i] != NO_TOPIC)
        return there & (same | self.alone[one] | self.alone[other])

    def used(self, chosen: Bools) -> Ints:
        """What chosen options use of each constraint."""
        return np.asarray(self.uses.T @ chosen.astype(np.int64), np.int64)

    def of_users(self, taken: Bools) -> Options:
        """The options of some users, who are numbered anew."""
        keep = taken[self.owner]
        number = np.cumsum(taken) - 1
        return Options(
            int(taken.sum()),
            number[self.owner[keep]],
            self.room[taken],
            self.value[keep],
            self.uses[np.flatnonzero(keep)],
            self.topics[keep],
            self.alone[keep],
        )


def options_of(rows: pa.Table | pa.RecordBatch, constraints: Sequence[str]) -> tuple[Options, pa.Array]:
    """UserOptions in Arrow → the options that bring something, those of a user by promotion_id, and their ids.

    What an option uses of constraints that are not named does not count.
    """
    owner, entries = entries_of_lists(in_one_piece(rows.column(UserOptions.options)))
    value = _numbers(entries.field(UserOption.value_micro))
    ids = entries.field(UserOption.promotion_id)
    kept = np.flatnonzero(value > 0)
    by_owner_and_id = pa.table({"owner": owner[kept], "id": ids.take(pa.array(kept))})
    kept = kept[_numbers(pc.sort_indices(by_owner_and_id, [("owner", "ascending"), ("id", "ascending")]))]
    of_option, uses = entries_of_lists(entries.field(UserOption.uses).take(pa.array(kept)))
    place = pc.index_in(uses.field(OptionUse.constraint), value_set=pa.array(constraints, pa.string()))
    constraint = _numbers(place.fill_null(-1))
    amount, named = _numbers(uses.field(OptionUse.amount)), constraint >= 0
    matrix = csr_array(
        (amount[named], (of_option[named], constraint[named])), shape=(len(kept), len(constraints)), dtype=np.int64
    )
    topics, alone = _topics(entries.field(UserOption.topics).take(pa.array(kept)))
    room = _numbers(rows.column(UserOptions.room))
    made = Options(len(rows), owner[kept], room, value[kept], matrix, topics, alone)
    return made, ids.take(pa.array(kept))


def _topics(lists: pa.Array) -> tuple[Ints, Bools]:
    """Option × place: numbers of topics; and whether an option is for the whole shop."""
    owner, entries = entries_of_lists(lists)
    names = entries.dictionary_encode()
    number = np.asarray(names.indices.to_numpy(zero_copy_only=False), np.int64)
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    topics = np.full((len(lists), int(place.max(initial=0)) + 1), NO_TOPIC, np.int64)
    topics[owner, place] = number
    whole = [n for n, name in enumerate(names.dictionary.to_pylist()) if name == WHOLE_SHOP]
    return topics, np.asarray(np.isin(topics, whole).any(axis=1))


def _numbers(column: Any) -> Ints:
    return np.asarray(in_one_piece(column).cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)
