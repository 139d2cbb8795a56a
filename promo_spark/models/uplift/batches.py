"""Rows of ResponseHistory, as Arrow hands them over, as arrays: what users did, and the experiments they were in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from promo_spark.contracts.responses import OFFER_MECHANICS, DayEntry, MessageEntry, ResponseHistory
from promo_spark.measures.arrow_lists import entries_of_lists, in_one_piece
from promo_spark.models.uplift.histories import Bools, Floats, Histories, Ints, Messages

_LIKE_ALL = 3.0  # order days of a usual user that a user's own lines are drawn to
# Usual baskets that a user's shares of spend are drawn to. On Complete Journey 8 foretell best what households spend
# on a department or a category in the 60 days after March or July; 4 and 16 are nearly as good, 1 is not.
SHARES_LIKE_ALL: Final = 8.0
_LEAST_DAYS = 7  # of an experiment that still runs


@dataclass(frozen=True)
class Trials:
    """One row per experiment and user. Days are numbers as in Histories; `mechanic` −1: an arm without an offer.

    `experiment`: its number. Those that began on a day are one, and so are all draws of explored users: whatever the
    date, none has the same probability.
    """

    user: Ints
    start: Ints
    end: Ints
    mechanic: Ints
    saving: Floats
    share: Floats
    weight: Floats
    experiment: Ints

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Batch:
    """Some users: their ids, what they did, and the experiments they were in."""

    user_ids: pa.Array
    histories: Histories
    trials: Trials

    def __len__(self) -> int:
        return len(self.user_ids)


def usual_basket(rows: pa.RecordBatch | pa.Table) -> float:
    """What is paid on an order day, on average; 1 where nobody ordered. ResponseHistory in Arrow → currency."""
    _, entries = entries_of_lists(in_one_piece(rows.column(ResponseHistory.days)))
    cents = _numbers(entries, DayEntry.cents)
    return float(max(cents.mean(), 1.0) / 100) if len(cents) else 1.0


def batch_of(rows: pa.RecordBatch | pa.Table, *, first_day: int, days: int, basket: float) -> Batch:
    """ResponseHistory in Arrow → arrays, in the order of the rows. `first_day`: the day whose number is 0.

    `basket`: currency that a usual user pays on an order day; of a user who paid for few, shares are like those of all.
    """
    users = len(rows)
    owner, entries = entries_of_lists(in_one_piece(rows.column(ResponseHistory.days)))
    day = _numbers(entries, DayEntry.day) - first_day
    ordered = np.zeros((users, days), bool)
    ordered[owner, day] = True
    paid, off, lines = np.zeros((3, users, days), np.float32)
    paid[owner, day] = _numbers(entries, DayEntry.cents) / 100
    off[owner, day] = _numbers(entries, DayEntry.off_cents) / 100
    lines[owner, day] = _numbers(entries, DayEntry.lines)
    known_from = np.where(ordered.any(axis=1), ordered.argmax(axis=1), days).astype(np.int64)
    messages, trials = _told(rows, ordered, paid, first_day, basket)
    histories = Histories(ordered, paid, off, lines, known_from, messages)
    return Batch(in_one_piece(rows.column(ResponseHistory.user_id)), histories, trials)


def _told(
    rows: pa.RecordBatch | pa.Table, ordered: Bools, paid: np.ndarray, first_day: int, basket: float
) -> tuple[Messages, Trials]:
    """The offers that came and were opened, and the experiments."""
    user, entries = entries_of_lists(in_one_piece(rows.column(ResponseHistory.messages)))
    days = ordered.shape[1]
    start = _numbers(entries, MessageEntry.start) - first_day
    end = np.minimum(_numbers(entries, MessageEntry.end) - first_day, days)
    visits = np.column_stack([np.zeros(len(ordered)), np.cumsum(ordered, axis=1)])
    spent = np.column_stack([np.zeros(len(paid)), np.cumsum(paid, axis=1, dtype=np.float64)])
    visits_before, visits_held = visits[user, start], visits[user, end] - visits[user, start]
    whole = _flags(entries, MessageEntry.whole_shop)
    own, usual = _numbers(entries, MessageEntry.cents_before) / 100, _reals(entries, MessageEntry.usual_share)
    some = SHARES_LIKE_ALL * basket
    share = np.where(whole, 1.0, (own + some * usual) / (spent[user, start] + some))
    least, reached = (_numbers(entries, name) for name in (MessageEntry.least_cents, MessageEntry.reached_before))
    usually = np.exp(-np.maximum(least, 0) / 100 / basket)  # of all baskets, as if their amounts were exponential
    share = np.where(least >= 0, (reached + _LIKE_ALL * usually) / (visits_before + _LIKE_ALL), share)
    per_visit = (
        _numbers(entries, MessageEntry.lines_before) + _LIKE_ALL * _reals(entries, MessageEntry.usual_lines)
    ) / (visits_before + _LIKE_ALL)
    known = np.asarray(pc.is_valid(entries.field(MessageEntry.used)).to_numpy(zero_copy_only=False), bool)
    saving, lines = _reals(entries, MessageEntry.saving), _numbers(entries, MessageEntry.lines_held)
    told = Messages(
        user=user,
        start=start,
        end=end,
        saving=saving,
        share=share,
        could_use=known & np.where(whole, visits_held > 0, lines > 0),
        used=_flags(entries, MessageEntry.used),
        visits=visits_held,
        lines=lines.astype(np.float64),
        usual_lines=np.where(whole, 0.0, per_visit * visits_held),
    )
    mechanic = _mechanics(entries.field(MessageEntry.mechanic))
    enough = (end - start >= _LEAST_DAYS) | (_numbers(entries, MessageEntry.end) - first_day <= days)
    tried = (mechanic >= -1) & enough
    of_offer, weight = np.where(mechanic >= 0, share, 0.0), _reals(entries, MessageEntry.weight)
    experiment = np.where(_flags(entries, MessageEntry.explored), days, start)
    columns = (user, start, end, mechanic, saving, of_offer, weight, experiment)
    trials = Trials(*(values[tried] for values in columns))
    return told.rows(_flags(entries, MessageEntry.opened) & (saving > 0)), trials


_NO_EXPERIMENT, _UNKNOWN = -3, -2


def _mechanics(names: pa.Array) -> Ints:
    """The number of each mechanic; −1: an arm without an offer; below: no experiment, or an unknown mechanic."""
    found = pc.index_in(names, value_set=pa.array(OFFER_MECHANICS, pa.string()))
    number = np.asarray(pc.fill_null(found.cast(pa.int64()), _UNKNOWN).to_numpy(zero_copy_only=False), np.int64)
    empty = np.asarray(pc.fill_null(pc.equal(names, ""), False).to_numpy(zero_copy_only=False), bool)
    none = np.asarray(pc.is_null(names).to_numpy(zero_copy_only=False), bool)
    return np.where(none, _NO_EXPERIMENT, np.where(empty, -1, number))


def _numbers(entries: pa.Array, name: str) -> Ints:
    values = pc.fill_null(entries.field(name).cast(pa.int64()), _NOT_TOLD)
    return np.asarray(values.to_numpy(zero_copy_only=False), np.int64)


_NOT_TOLD = -1  # of whole numbers


def _reals(entries: pa.Array, name: str) -> Floats:
    values = pc.fill_null(entries.field(name), 1.0)
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)


def _flags(entries: pa.Array, name: str) -> Bools:
    return np.asarray(pc.fill_null(entries.field(name), False).to_numpy(zero_copy_only=False), bool)
