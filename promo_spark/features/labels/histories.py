"""What users did, as arrays: one way to read it as of any day, for training dates and for the date that is scored.

Rows are looked up by day: of a row as of a day only what lies before it is counted, for a label only what lies on it or
after. All sums are sums of integers, so no figure depends on which users stand beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SPAN = 1 << 20  # days, more than there are: parts the days of one owner from those of the next


@dataclass(frozen=True)
class Timeline:
    """One row per thing that happened to an owner on a day, by owner and day: days since 1970, and integers to sum."""

    owner: Ints
    day: Ints
    amounts: dict[str, Ints]
    key: Ints = field(init=False, repr=False)  # of owner and day, in order
    sums: dict[str, Ints] = field(init=False, repr=False)  # of the amounts, up to each row

    def __post_init__(self) -> None:
        key = self.owner * SPAN + self.day
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "sums", {name: np.r_[0, np.cumsum(a)] for name, a in self.amounts.items()})

    def before(self, owner: Ints, day: Ints) -> Ints:
        """The place after the owner's last row before the day."""
        return np.searchsorted(self.key, owner * SPAN + day).astype(np.int64)

    def within(self, owner: Ints, first: Ints, end: Ints) -> Span:
        """The rows of the owners from the first day on and before the end."""
        return Span(self, self.before(owner, first), self.before(owner, end), end)

    def count(self, owner: Ints, first: Ints, end: Ints) -> Ints:
        """How many rows the owners have from the first day on and before the end."""
        return self.within(owner, first, end).count

    def total(self, name: str, owner: Ints, first: Ints, end: Ints) -> Floats:
        """The sum of an amount over the same rows."""
        return self.within(owner, first, end).total(name)


@dataclass(frozen=True)
class Span:
    """Rows of a timeline, found once and asked often: of each owner those from one place on and before another."""

    of: Timeline
    begin: Ints
    after: Ints
    end: Ints  # the day that they lie before

    def of_owners(self, chosen: Bools) -> Span:
        """The same of some of the owners."""
        return Span(self.of, self.begin[chosen], self.after[chosen], self.end[chosen])

    @property
    def count(self) -> Ints:
        """How many rows."""
        return self.after - self.begin

    def total(self, name: str) -> Floats:
        """The sum of an amount."""
        sums = self.of.sums[name]
        return (sums[self.after] - sums[self.begin]).astype(np.float64)

    def recency(self, nth: int = 1) -> Floats:
        """Days from the last row (or the nth last) to the end; NaN: there is none.

        >>> visits = Timeline(np.array([0, 0, 1]), np.array([100, 107, 90]), {})
        >>> visits.within(np.array([0, 1, 2]), np.array([0, 95, 0]), np.array([110, 110, 110])).recency().tolist()
        [3.0, nan, nan]
        """
        place = self.after - nth
        known = place >= self.begin
        days = self.of.day
        day = days[np.where(known, place, 0)] if len(days) else np.zeros(len(place), np.int64)
        return np.where(known, (self.end - day).astype(np.float64), np.nan)

    def first(self, name: str = "") -> Ints:
        """The day of the first row, or its amount; of those who have none, that of any row, or 0."""
        values = self.of.amounts[name] if name else self.of.day
        if not len(values):
            return np.zeros(len(self.begin), np.int64)
        return values[np.minimum(self.begin, len(values) - 1)]


def timeline(owner: Ints, day: Ints, amounts: dict[str, Ints] | None = None) -> Timeline:
    """The rows in order of owner and day; those of one owner and day become one row, their amounts summed.

    >>> timeline(np.array([1, 0, 1]), np.array([5, 9, 5]), {"units": np.array([2, 1, 3])}).amounts["units"].tolist()
    [1, 5]
    """
    key = owner * SPAN + day
    keys, place = np.unique(key, return_inverse=True)
    summed = {}
    for name, amount in (amounts or {}).items():
        summed[name] = np.zeros(len(keys), np.int64)
        np.add.at(summed[name], place, amount)
    return Timeline(keys // SPAN, keys % SPAN, summed)


@dataclass(frozen=True)
class Histories:
    """What some users did. Money in cents; an order day counts once, however many orders it has.

    `pairs` are the users' products: of each its user and its product, by user and product; `bought` are the days of
    pairs, of categories and of products. `registered` is the day of the account, −1: nobody knows.
    """

    users: int
    registered: Ints
    orders: Timeline  # of users; amounts: cents, lines, discounted, orders, weekend, gap, gap_squared
    contacts: Timeline  # of users
    redemptions: Timeline  # of users
    pair_user: Ints
    pair_product: Ints
    bought: Timeline  # of pairs; amounts: units (thousandths), gap, gap_squared
    tastes: Timeline  # of user × category

    def pair(self, user: Ints, product: Ints) -> Ints:
        """The number of the users' pairs with the products; −1: none."""
        key, wanted = self.pair_user * SPAN + self.pair_product, user * SPAN + product
        if not len(key):
            return np.full(len(wanted), -1)
        place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
        return np.where(key[place] == wanted, place, -1).astype(np.int64)


@dataclass(frozen=True)
class Purchases:
    """One row per user, day and product bought."""

    user: Ints
    day: Ints
    product: Ints
    units: Ints  # thousandths


@dataclass(frozen=True)
class OrderDays:
    """One row per user and day with an order."""

    user: Ints
    day: Ints
    cents: Ints
    lines: Ints
    discounted: Ints


def histories(
    registered: Ints,
    days: OrderDays,
    purchases: Purchases,
    contacts: tuple[Ints, Ints],
    redemptions: tuple[Ints, Ints],
    category_of: Ints,
) -> Histories:
    """What the users did, ready to be looked up. `category_of`: the category of each product, by number."""
    orders = timeline(days.user, days.day, {"cents": days.cents, "lines": days.lines, "discounted": days.discounted})
    gap = _gaps(orders)
    weekend = ((orders.day + 3) % 7 >= 5).astype(np.int64)  # 1970-01-01 was a Thursday
    orders = Timeline(
        orders.owner, orders.day, {**orders.amounts, "gap": gap, "gap_squared": gap * gap, "weekend": weekend}
    )
    pairs, pair = np.unique(purchases.user * SPAN + purchases.product, return_inverse=True)
    bought = timeline(pair, purchases.day, {"units": purchases.units})
    again = _gaps(bought)
    bought = Timeline(bought.owner, bought.day, {**bought.amounts, "gap": again, "gap_squared": again * again})
    categories = int(category_of.max(initial=0)) + 1
    tastes = timeline(purchases.user * categories + category_of[purchases.product], purchases.day)
    return Histories(
        len(registered),
        registered,
        orders,
        timeline(*contacts),
        timeline(*redemptions),
        pairs // SPAN,
        pairs % SPAN,
        bought,
        tastes,
    )


def _gaps(of: Timeline) -> Ints:
    """Days since the owner's row before; 0 of the first."""
    gap = np.diff(of.day, prepend=0)
    first = np.diff(of.owner, prepend=-1) != 0
    return np.where(first, 0, gap).astype(np.int64)


def stacked(columns: Sequence[Floats | Ints]) -> Floats:
    """The columns side by side, as doubles."""
    return np.column_stack([np.asarray(column, np.float64) for column in columns])
