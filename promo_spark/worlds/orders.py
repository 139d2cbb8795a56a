"""What orders are made of: what is wanted and bought, lines at the shop's prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promo_spark.worlds.catalogue import Catalogue
from promo_spark.worlds.population import SECOND_PIECE
from promo_spark.worlds.streams import Floats, Ints

WANTED = 2.0  # items are wanted so many times as often as they are bought on a usual day
MOST_ITEMS = 60  # bought at a visit, usual demand
MOST_UNITS = 12
STORE, WEB, APP = 0, 1, 2
CHANNELS = ("store", "web", "app")
PURCHASE, RETURN, FAKE = 0, 1, 2  # kinds of orders
NO_CAMPAIGN = -1


@dataclass(frozen=True)
class Orders:
    """One row per order: who (row of the block), when, where."""

    user: Ints
    day: Ints
    second: Ints  # of the day, UTC
    channel: npt.NDArray[np.int64]
    kind: Ints  # PURCHASE, RETURN or FAKE

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Lines:
    """One row per order and line, sorted by order. Money in cents."""

    order: Ints
    product: Ints
    quantity: Ints
    listed: Ints  # at list price
    reduced: Ints  # taken off by promotion
    coupon: Ints  # taken off by a coupon
    campaign: Ints  # whose coupon; NO_CAMPAIGN: none

    def __len__(self) -> int:
        return len(self.order)


@dataclass(frozen=True)
class Picks:
    """What visits ask for: visit, product, units."""

    visit: Ints
    product: Ints
    units: Ints


def units_bought(multiple: Floats, u: Floats, second: Floats, wanted: float = WANTED) -> Ints:
    """Units per wanted item, 0 where it is left: expected (1 + SECOND_PIECE) · multiple / wanted, at any multiple.

    One number u decides both, so that a lower price never makes the same shopper buy less.

    >>> units_bought(np.array([0.5, 2.0, 5.0]), u=np.array([0.3, 0.3, 0.3]), second=np.array([0.9, 0.9, 0.1])).tolist()
    [0, 1, 4]
    """
    ratio = multiple / wanted
    bought = np.where(ratio < 1, u < ratio, np.floor(ratio + u)).astype(np.int64)
    units: Ints = np.minimum(bought, MOST_UNITS) * (1 + (second < SECOND_PIECE))
    return units


def priced(shop: Catalogue, order: Ints, product: Ints, units: Ints, day: Ints) -> Lines:
    """Lines at the shop's prices of the day."""
    list_price = shop.list_price[product, day // 7].astype(np.int64)
    reduction = np.rint(list_price * shop.depth[product, day // 7]).astype(np.int64)
    none = np.zeros(len(order), np.int64)
    return Lines(order, product, units, list_price * units, reduction * units, none, none + NO_CAMPAIGN)


def shelf_price(shop: Catalogue, product: Ints, day: Ints | int) -> Floats:
    """What a piece costs at the shelf on the day, in cents."""
    listed = shop.list_price[product, day // 7].astype(np.float64)
    price: Floats = listed - np.rint(listed * shop.depth[product, day // 7])
    return price


def both_orders(first: Orders, second: Orders) -> Orders:
    return Orders(*(np.concatenate([getattr(first, n), getattr(second, n)]) for n in Orders.__dataclass_fields__))


def both_lines(first: Lines, second: Lines) -> Lines:
    return Lines(*(np.concatenate([getattr(first, n), getattr(second, n)]) for n in Lines.__dataclass_fields__))


def bought_picks(visit: Ints, product: Ints, units: Ints) -> Picks:
    """The picks of which anything is bought."""
    taken = np.flatnonzero(units > 0)
    return Picks(visit[taken], product[taken], units[taken])


def both_picks(first: Picks, second: Picks) -> Picks:
    return Picks(*(np.concatenate([getattr(first, n), getattr(second, n)]) for n in Picks.__dataclass_fields__))
