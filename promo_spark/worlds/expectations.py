"""What a user's visits hold on average: items by taste, staples, planted bundles, and what a basket comes to.

These are expectations of exactly what `simulation` draws, user by user; nothing here is random but the baskets of
`drawn_baskets`, of which there are many per user.
"""

from __future__ import annotations

import functools
import statistics
from dataclasses import dataclass

import numpy as np

from promo_spark.worlds.catalogue import Catalogue
from promo_spark.worlds.orders import MOST_ITEMS, MOST_UNITS, WANTED, shelf_price, units_bought
from promo_spark.worlds.population import (
    ITEMS_SIGMA,
    SECOND_PIECE,
    Population,
    drawn_topics,
    sensitivity_levels,
)
from promo_spark.worlds.simulation import LIST_LENGTH, attached
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints, stream

PIECES = 1 + SECOND_PIECE  # per unit of demand
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
NODE_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()  # of the sizes of baskets that `wanted_items` gives
_ERLANG = 6  # shape of the gaps between purchases of a staple
_LONGEST_GAP, _GAP_CELLS = 4.0, 1000  # the distribution of gaps is looked up, to 1e-7
_LONGEST = 2.0  # stretch of a list, at most
_WITHIN = 64  # sizes that a basket is drawn from


@dataclass(frozen=True)
class DayOfShop:
    """What a day's visit by taste holds, by level of price sensitivity and topic; money in cents."""

    margin: Floats  # level × topic: per wanted item
    price: Floats  # product: paid at the shelf
    antecedent: Floats  # rule × level × topic: chance that a wanted item is bought and of the rule's antecedent
    attached: Floats  # rule: expected margin of what it draws into the basket, its chance included
    stock: Bools  # product


def day_of_shop(spec: WorldSpec, shop: Catalogue, day: int) -> DayOfShop:
    """The day's expectations per wanted item, for each level of price sensitivity there is."""
    product, levels = np.arange(shop.products), sensitivity_levels(spec).ravel()
    multiple = shop.demand(product[None, :], day, levels[:, None])
    price = shelf_price(shop, product, day)
    stock = ~shop.stock_out[:, day]
    earned: Floats = (price - shop.cost) * stock
    units = PIECES * np.minimum(multiple / WANTED, MOST_UNITS)
    bought = np.minimum(multiple / WANTED, 1.0)
    antecedents, consequents, chances = shop.rules
    of_antecedent = [bought * (shop.subcategory == a) for a in antecedents]
    attached = [_attached(shop, int(c), chance, earned, day) for c, chance in zip(consequents, chances, strict=True)]
    weights = shop.topic_weights.T.astype(np.float64)
    return DayOfShop(
        margin=(units * earned) @ weights,
        price=price,
        antecedent=np.array([chance @ weights for chance in of_antecedent]).reshape(-1, len(levels), weights.shape[1]),
        attached=np.array(attached),
        stock=stock,
    )


def _attached(shop: Catalogue, subcategory: int, chance: float, earned: Floats, day: int) -> float:
    product = np.flatnonzero(shop.subcategory == subcategory)
    share = shop.popularity[product] / shop.popularity[product].sum()
    return float(chance * PIECES * (share * earned[product] * shop.on_sale(product, day)).sum())


def level_of(spec: WorldSpec, users: Population) -> Ints:
    """Each user's row among the levels of price sensitivity."""
    levels = sensitivity_levels(spec)
    own = np.abs(levels[users.segment] - users.sensitivity[:, None]).argmin(axis=1)
    row: Ints = users.segment.astype(np.int64) * levels.shape[1] + own
    return row


def wanted_items(users: Population) -> Floats:
    """User × node of the basket's size: items on the list. The sizes weigh NODE_WEIGHTS."""
    items = np.minimum(np.exp(users.log_items[:, None] + ITEMS_SIGMA * _NODES), MOST_ITEMS)
    wanted: Floats = np.minimum(WANTED * items, LIST_LENGTH)
    return wanted


def absent(items: Floats, chance: Floats) -> Floats:
    """Chance that none of a list's items is this, each with its chance. `items`: user × node.

    >>> absent(np.full((1, len(NODE_WEIGHTS)), 2.0), np.array([0.5])).round(9).tolist()
    [0.25]
    """
    missing: Floats = _none_of(items, chance) @ NODE_WEIGHTS
    return missing


def buys_something(shop: Catalogue, users: Population, days: int) -> Floats:
    """Chance that a visit of the user holds anything, by taste or by need, on the usual one of so many days."""
    product, every_week = np.arange(shop.products)[:, None], np.arange(0, days, 7)
    bought = np.minimum(shop.demand(product, every_week, np.ones(1)) / WANTED, 1.0) * ~shop.stock_out[:, every_week]
    usual = float(shop.popularity @ bought.mean(axis=1) / shop.popularity.sum())
    visits_of_gap = PIECES * users.staple_gaps * users.visit_rate[:, None]
    need = 1.0 / (visits_of_gap + 1.0)  # bought at the first visit after the gap
    no_need: Floats = np.prod(np.where(users.staples >= 0, 1 - need, 1.0), axis=1)
    return 1 - no_need * absent(wanted_items(users), np.full(len(users), usual))


def absent_beside(items: Floats, chance: Floats) -> Floats:
    """The same of the other items of a list, seen from one item: longer lists count as often as they have items.

    >>> absent_beside(np.full((1, len(NODE_WEIGHTS)), 2.0), np.array([0.5])).round(9).tolist()
    [0.5]
    """
    weights = items * NODE_WEIGHTS
    others = _none_of(np.maximum(items - 1, 0.0), chance)
    missing: Floats = (others * weights).sum(axis=1) / weights.sum(axis=1)
    return missing


def _none_of(items: Floats, chance: Floats) -> Floats:
    whole = np.floor(items)
    none: Floats = np.power(1 - chance[:, None], whole) * (1 - (items - whole) * chance[:, None])
    return none


@dataclass(frozen=True)
class Staples:
    """Staples of one row each, and when they are due; days count from the first."""

    due: Floats  # may lie in the past; or row × days that are equally likely
    gap: Floats
    multiple: Floats  # row × day: demand multiple
    stock: Bools  # row × day
    early: Floats  # row × day: days before it is due from which it is bought


@dataclass(frozen=True)
class Needs:
    """Row × day: how staples are bought, stock aside."""

    asked: Floats  # chance that a visit of the day buys it
    first: Floats  # the same, if it is the first visit of all these days
    pieces: Floats  # expected, the chance of the visit included

    def later(self, visit: Floats) -> Floats:
        """The chance that a visit of the day buys it, if it is not the first."""
        first = first_visits(visit)
        rest = np.maximum(visit - first, 1e-12)
        later: Floats = np.clip((self.asked * visit - self.first * first) / rest, 0.0, 1.0)
        return later


def first_visits(visit: Floats) -> Floats:
    """… × day: chance that the first visit of all falls on the day.

    >>> first_visits(np.array([[0.5, 0.5, 1.0]])).tolist()
    [[0.5, 0.25, 0.25]]
    """
    none_yet = np.cumprod(1 - visit, axis=-1)
    first = visit.copy()
    first[..., 1:] *= none_yet[..., :-1]
    return first


def staple_path(staples: Staples, visit: Floats, step: float) -> Needs:
    """How staples are bought at visits; `visit` is row × day, the chance of a visit.

    Due days are kept in steps: with whole days it is exact where nothing is bought early. As in simulated days: what
    was left is tried again after two days, what was out of stock after seven, what was bought when the gap, which goes
    with the pieces, is over.
    """
    rows, days = visit.shape
    bins = int(np.ceil((days + staples.early.max(initial=0.0)) / step)) + 1
    edges: Floats = step * np.arange(bins, dtype=np.float64)
    mass = np.zeros((rows, bins))
    due = staples.due if staples.due.ndim == 2 else staples.due[:, None]
    first = np.ceil(np.maximum(due, 0.0) / step)
    row, point = np.nonzero(first < bins)
    np.add.at(mass, (row, first[row, point].astype(np.int64)), 1.0 / first.shape[1])
    start = mass.copy()
    asked, at_first, pieces = np.zeros((3, rows, days))
    for day in range(days):
        multiple = staples.multiple[:, day]
        early = staples.early[:, day, None]
        eligible = edges - np.where(early > 0, step / 2, 0.0) <= day + early
        open_now = (mass * eligible).sum(axis=1)
        buys = np.minimum(multiple, 1.0)
        asked[:, day] = open_now * buys
        at_first[:, day] = (start * eligible).sum(axis=1) * buys
        pieces[:, day] = open_now * PIECES * np.minimum(multiple, MOST_UNITS) * visit[:, day]
        tried = open_now * visit[:, day]
        mass *= np.where(eligible, 1 - visit[:, day, None], 1.0)
        _add_at(mass, tried * (1 - buys), (day + 2.0) / step)
        _add_at(mass, np.where(staples.stock[:, day], 0.0, tried * buys), (day + 7.0) / step)
        bought = np.where(staples.stock[:, day], tried * buys, 0.0)
        mass += bought[:, None] * _next_due(staples.gap, multiple, edges - float(day))
    return Needs(asked, at_first, pieces)


def _add_at(mass: Floats, amount: Floats, place: float) -> None:
    at = int(np.ceil(place))
    if at < mass.shape[1]:
        mass[:, at] += amount


def _next_due(gap: Floats, multiple: Floats, after: Floats) -> Floats:
    """Row × bin: chance that what is bought now is due again in the bin that ends `after` so many days."""
    least = np.maximum(np.floor(multiple), 1.0)
    more = np.where(multiple > 1, multiple - np.floor(multiple), 0.0)
    ahead = np.flatnonzero(after >= 1.0)  # never on the same day
    until = np.zeros((len(gap), len(ahead)))
    for one_more in (0, 1):
        for pieces, chance in ((1, 1 - SECOND_PIECE), (2, SECOND_PIECE)):
            rows = np.flatnonzero(more > 0) if one_more else np.arange(len(gap))
            units = np.minimum(least[rows] + one_more, MOST_UNITS) * pieces
            weight = (more[rows] if one_more else 1 - more[rows]) * chance
            until[rows] += weight[:, None] * gap_over(after[ahead] / (gap[rows] * units)[:, None])
    share = np.zeros((len(gap), len(after)))
    share[:, ahead] = np.diff(until, axis=1, prepend=0.0)
    return share


def gap_over(ratio: Floats) -> Floats:
    """Chance that a gap is over after this share of its mean: the gamma with mean 1 and shape 6.

    >>> gap_over(np.array([0.0, 1.0])).round(4).tolist()
    [0.0, 0.5543]
    """
    table, place = _gap_table(), np.minimum(ratio, _LONGEST_GAP) * _GAP_CELLS
    cell = np.minimum(place.astype(np.int64), len(table) - 2)
    low = table[cell]
    over: Floats = low + (place - cell) * (table[cell + 1] - low)
    return over


@functools.cache
def _gap_table() -> Floats:
    """The distribution function of a gap at every cell's end: that of an Erlang, a sum over Poisson terms."""
    mean = _ERLANG * np.arange(int(_LONGEST_GAP * _GAP_CELLS) + 1) / _GAP_CELLS
    term, total = np.ones_like(mean), np.ones_like(mean)
    for order in range(1, _ERLANG):
        term = term * mean / order
        total = total + term
    table: Floats = 1 - np.exp(-mean) * total
    return table


@dataclass(frozen=True)
class Baskets:
    """User × basket, in cents: what baskets come to and leave as margin, plain and filled up."""

    spent: Floats
    filled: Floats
    more_margin: Floats  # of a basket that is filled up over the plain one


def drawn_baskets(
    spec: WorldSpec, shop: Catalogue, users: Population, block: int, days: Ints, asked: Floats, stretch: Floats
) -> Baskets:
    """Baskets at the shelf's prices, one for each of `days`: plain, and filled up by the user's stretch.

    `asked` is user × staple × basket: the chance that a visit buys the staple.
    """
    columns: list[tuple[Floats, ...]] = []
    quantiles = _normal_quantiles(len(days) * _WITHIN).reshape(len(days), _WITHIN)
    sizes = quantiles[stream(spec.seed, "sizes").permutation(len(days))]  # each basket from a share of all sizes
    for number, day in enumerate(days.tolist()):
        draw = stream(spec.seed, "baskets", block, number)
        held = draw.random(asked.shape[:2]) < asked[:, :, number]
        size = sizes[number, draw.integers(0, _WITHIN, len(users))]
        basket = _Basket(shop, users, draw, day, held, size)
        (spent, margin), (filled, more) = basket.comes_to(np.ones(len(users))), basket.comes_to(stretch)
        columns.append((spent, filled, more - margin))
    return Baskets(*(np.column_stack(values) for values in zip(*columns, strict=True)))


@functools.cache
def _normal_quantiles(count: int) -> Floats:
    """So many numbers that are spread as the standard normal is."""
    return np.array([statistics.NormalDist().inv_cdf((place + 0.5) / count) for place in range(count)])


class _Basket:
    """One basket per user, drawn as a simulated day draws it; what it comes to depends on the list's stretch."""

    def __init__(
        self, shop: Catalogue, users: Population, draw: np.random.Generator, day: int, asked: Bools, size: Floats
    ) -> None:
        n = len(users)
        self._shop, self._day, self._n = shop, day, n
        stock, price = ~shop.stock_out[:, day], shelf_price(shop, np.arange(shop.products), day)
        self._price, self._earned = price * stock, (price - shop.cost) * stock
        self._items = WANTED * np.minimum(np.exp(users.log_items + ITEMS_SIGMA * size), MOST_ITEMS)
        self._rounding = draw.random(n)
        longest = self._counts(np.full(n, _LONGEST))
        self._user = np.repeat(np.arange(n), longest)
        self._place = np.arange(len(self._user)) - np.repeat(np.cumsum(longest) - longest, longest)
        topic = drawn_topics(users.tastes, self._user, draw.random(len(self._user)))
        self._product = shop.topic_choices.drawn(topic, draw.random(len(self._user)))
        multiple = shop.demand(self._product, day, users.sensitivity[self._user])
        self._units = units_bought(multiple, draw.random(len(topic)), draw.random(len(topic)))
        self._needing, self._needed = np.nonzero(asked)[0], users.staples[asked]
        multiple = shop.demand(self._needed, day, users.sensitivity[self._needing])
        some = np.maximum(multiple, 1.0)  # that it is bought is known
        self._pieces = units_bought(some, draw.random(len(some)), draw.random(len(some)), wanted=1.0)
        self._drawn = draw.random((3, n, max(1, len(shop.rules[0]))))

    def _counts(self, stretch: Floats) -> Ints:
        return np.minimum(np.floor(self._items * stretch + self._rounding), LIST_LENGTH).astype(np.int64)

    def comes_to(self, stretch: Floats) -> tuple[Floats, Floats]:
        """What each user's basket comes to, and what it leaves as margin, in cents."""
        inside = np.flatnonzero((self._place < self._counts(stretch)[self._user]) & (self._units > 0))
        user = np.concatenate([self._user[inside], self._needing])
        product = np.concatenate([self._product[inside], self._needed])
        units = np.concatenate([self._units[inside], self._pieces])
        more = attached(self._shop, self._drawn, self._day, user, product)
        user, product, units = (np.concatenate(both) for both in zip((user, product, units), more, strict=True))
        spent: Floats = np.bincount(user, units * self._price[product], self._n).astype(np.float64)
        margin: Floats = np.bincount(user, units * self._earned[product], self._n).astype(np.float64)
        return spent, margin
