"""What a batch of users did, day by day, and the messages they opened: what their response is learnt from.

Days are numbers from the first day that is looked at. A row as of a day sees nothing on it or after it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Amounts = NDArray[np.float32]  # of many days: half the memory, and exact to a cent below 100,000


@dataclass(frozen=True)
class Messages:
    """One row per user and offer of the past that the user was told of, by user."""

    user: Ints
    start: Ints  # it held from this day
    end: Ints  # to the day before this one
    saving: Floats  # share off what it applies to
    share: Floats  # of the user's spend before it, on what it applies to
    could_use: Bools  # bought something that it was good for while it held
    used: Bools
    visits: Floats  # days with an order while it held
    lines: Floats  # bought then of what it applies to
    usual_lines: Floats  # that so many visits hold by what was usual before it

    def __len__(self) -> int:
        return len(self.user)

    def rows(self, chosen: Bools) -> Messages:
        """Some of the rows, in their order."""
        return Messages(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})


@dataclass(frozen=True)
class Histories:
    """One row per user; user × day where days are told. Money in units of currency."""

    ordered: Bools  # bought something on the day
    paid: Amounts
    off: Amounts  # all discounts
    lines: Amounts
    known_from: Ints  # day of the account or of the first order, 0 or later
    messages: Messages

    def __len__(self) -> int:
        return len(self.known_from)

    @property
    def days(self) -> int:
        return int(self.ordered.shape[1])

    def before(self, day: int, users: Ints | None = None) -> Histories:
        """What was known as the day began, of all users or of some. Of a message that still held, only that it began.

        `users`: numbers in rising order, each once.
        """
        kept = self.messages.start < day
        if users is None:
            rows: slice | Ints = slice(None)
            messages = self.messages.rows(kept)
        else:
            place = np.full(len(self), -1)
            place[users] = np.arange(len(users))
            rows = users
            messages = self.messages.rows(kept & (place[self.messages.user] >= 0))
            messages = replace(messages, user=place[messages.user])
        paid, off, lines = (values[rows, :day] for values in (self.paid, self.off, self.lines))
        return Histories(self.ordered[rows, :day], paid, off, lines, self.known_from[rows], messages)

    def last_order(self) -> Ints:
        """The last day with an order, by user; −1: there was none."""
        last = self.days - 1 - self.ordered[:, ::-1].argmax(axis=1)
        return np.where(self.ordered.any(axis=1), last, -1).astype(np.int64)


TRAITS: Final = (
    "discount_share",
    "basket_value",
    "basket_lines",
    "visit_rate",
    "discount_by_rate",
    "tenure",
)
HABITS: Final = ("days_7", "days_14", "days_28", "days_56", "recency", "silence")


def traits(of: Histories) -> Floats:
    """User × TRAITS: what kind of shopper the user is; logs where amounts are far apart."""
    visits, tenure = of.ordered.sum(axis=1), _tenure(of)
    rate = np.log((visits + 0.3) / (tenure + 7.0))
    paid, off = of.paid.sum(axis=1, dtype=np.float64), of.off.sum(axis=1, dtype=np.float64)
    discount = off / np.maximum(paid + off, 0.01)
    some = np.maximum(visits, 1)
    return np.column_stack(
        [
            discount,
            np.log1p(np.maximum(paid, 0.0) / some),
            np.log1p(of.lines.sum(axis=1, dtype=np.float64) / some),
            rate,
            discount * rate,
            np.log1p(tenure),
        ]
    )


def habits(of: Histories) -> Floats:
    """User × HABITS: how often the user came lately. `silence`: days since the last order × the usual rate."""
    counts = [of.ordered[:, max(of.days - window, 0) :].sum(axis=1) for window in (7, 14, 28, 56)]
    last = of.last_order()
    recency = np.where(last >= 0, of.days - last, 999)
    rate = (of.ordered.sum(axis=1) + 0.3) / (_tenure(of) + 7.0)
    return np.column_stack([*counts, recency, recency * rate]).astype(np.float64)


def _tenure(of: Histories) -> Ints:
    return np.maximum(of.days - of.known_from, 0)


def day_levels(of: Histories) -> Floats:
    """Orders of each day per user who was known, over their mean: the season.

    >>> ordered = np.array([[True, False], [True, True]])
    >>> nothing = Messages(*[np.zeros(0)] * 10)
    >>> zeros = np.zeros((2, 2))
    >>> day_levels(Histories(ordered, zeros, zeros, zeros, np.array([0, 0]), nothing)).round(3).tolist()
    [1.333, 0.667]
    """
    known = (of.known_from[:, None] <= np.arange(of.days)).sum(axis=0)
    per_user = of.ordered.sum(axis=0) / np.maximum(known, 1)
    mean = per_user.mean() if of.days else 1.0
    levels: Floats = per_user / mean if mean > 0 else np.ones(of.days)
    return np.maximum(levels, 0.01)
