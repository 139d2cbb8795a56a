"""What accounts do that are no customers: rings that live on offers, and lone accounts that pretend to buy.

Where there are welcome coupons (`welcome_saving`), the accounts of a ring are opened within a few days for these,
redeem them in one night, all with the same product, and are quiet until another offer reaches them, which they redeem
at once by the smallest order that it takes. Lone accounts shop like others, and order at night what they return on the
next day.
Without welcome coupons rings order at night too, in the history only.

Honest users do the same with these accounts and without: what is drawn here is drawn from streams of its own, and the
visits that users of rings would make as customers are drawn with all others before they are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promo_spark.worlds import response, welcomes
from promo_spark.worlds.assignments import assigned
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.offers import Offers, chosen_offers, offer_keys
from promo_spark.worlds.orders import (
    FAKE,
    NO_CAMPAIGN,
    RETURN,
    WEB,
    Lines,
    Orders,
    both_lines,
    both_orders,
    priced,
    shelf_price,
)
from promo_spark.worlds.population import ALONE, RING_DAYS, Population, ring_opens
from promo_spark.worlds.redemption import Uses, settled
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints, keyed_uniforms, stream

_TRIES = 50  # products that are tried until one is on the shelf
_NIGHT, _LATE, _LASTS = 2 * 3600, 22 * 3600, 7200  # fake orders begin; redeeming ones, after the day's messages
_FAKES = (8, 25)  # orders a year that a lone account fakes, from and to before
_FEWEST = 3  # and so many in any history


# the history


def with_abuse(
    spec: WorldSpec, block: int, users: Population, orders: Orders, lines: Lines
) -> tuple[Orders, Lines, Bools]:
    """The block's orders and lines as they were; and by user, whether a ring's account has used its welcome coupon.

    `users` are as they are, the orders as if all were customers.
    """
    used = np.zeros(len(users), bool)
    if users.only_offers.any():
        orders, lines = _without(users.only_offers, orders, lines)
        orders, lines = _appended(orders, lines, *_of_campaigns(spec, block, users))
        nights = ring_nights(spec, users)
        for night in np.unique(nights[users.only_offers & (nights < spec.days)]).tolist():
            rows = np.flatnonzero(users.only_offers & (nights == night))
            offers = welcomes.welcome_offers(spec, users, rows)
            done = taken(spec, users, offers, np.arange(len(offers)), night)
            number = welcomes.carrier(spec, offers.first_day)[np.maximum(done.lines.campaign, 0)]
            campaign = np.where(done.lines.campaign >= 0, number, NO_CAMPAIGN)
            orders, lines = _appended(orders, lines, done.orders, replace(done.lines, campaign=campaign))
            used[offers.user[done.uses.offer]] = True
    return *_with_fakes(spec, block, users, orders, lines), used


def ring_nights(spec: WorldSpec, users: Population) -> Ints:
    """The day on which the accounts of each user's ring redeem their welcome coupons; in no ring: never."""
    nights = ring_opens(spec, users.ring) + RING_DAYS
    return np.where(users.only_offers, nights, welcomes.NEVER)


def _without(left_out: Bools, orders: Orders, lines: Lines) -> tuple[Orders, Lines]:
    kept = ~left_out[orders.user]
    number, rows = np.cumsum(kept) - 1, kept[lines.order]
    of_lines = Lines(*(getattr(lines, name)[rows] for name in Lines.__dataclass_fields__))
    return (
        Orders(*(getattr(orders, name)[kept] for name in Orders.__dataclass_fields__)),
        replace(of_lines, order=number[of_lines.order]),
    )


def _appended(orders: Orders, lines: Lines, more: Orders, more_lines: Lines) -> tuple[Orders, Lines]:
    later = replace(more_lines, order=len(orders) + more_lines.order)
    return both_orders(orders, more), both_lines(lines, later)


def _of_campaigns(spec: WorldSpec, block: int, users: Population) -> tuple[Orders, Lines]:
    """Each coupon of a campaign that reached a ring's account: on its first day, one piece of what it is for."""
    shop, depth = catalogue(spec), assigned(spec, users, block).depth
    user, number = np.nonzero((depth > 0) & users.only_offers[:, None])
    day = shop.campaigns.start[number]
    product = np.full(len(user), -1)
    for campaign in np.unique(number).tolist():
        rows = np.flatnonzero(number == campaign)
        good_for = np.flatnonzero(shop.department == shop.campaigns.department[campaign])
        product[rows] = _products_of_rings(spec, shop, users.ring[user[rows]], good_for, int(day[rows[0]]))
    found = np.flatnonzero((product >= 0) & (day < spec.days))
    user, number, day, product = user[found], number[found], day[found], product[found]
    lines = priced(shop, np.arange(len(user)), product, np.ones(len(user), np.int64), day)
    coupon = np.rint((lines.listed - lines.reduced) * depth[user, number]).astype(np.int64)
    return _late_orders(spec, users, user, day, number), replace(lines, coupon=coupon, campaign=number)


def _late_orders(spec: WorldSpec, users: Population, user: Ints, day: Ints, key: Ints) -> Orders:
    drawn = keyed_uniforms(spec.seed, "late orders", users.numbers[user], day, key)
    second, n = _LATE + (drawn * _LASTS).astype(np.int64), len(user)
    return Orders(user, day, second, np.full(n, WEB), np.full(n, FAKE))


def _products_of_rings(spec: WorldSpec, shop: Catalogue, ring: np.ndarray, among: Ints, day: int) -> Ints:
    """The product of each ring out of these: the same on all days on which it is there; −1: none is."""
    first = (keyed_uniforms(spec.seed, "ring products", ring.astype(np.int64)) * len(among)).astype(np.int64)
    found = np.full(len(ring), -1)
    for step in range(min(_TRIES, len(among))):
        product = among[(first + step) % len(among)]
        there = shop.on_sale(product, day) & ~shop.stock_out[product, day]
        found = np.where((found < 0) & there, product, found)
    return found


def _with_fakes(spec: WorldSpec, block: int, users: Population, orders: Orders, lines: Lines) -> tuple[Orders, Lines]:
    """Fake orders of the history, by night; those of lone accounts are returned on the next day."""
    shop, draw = catalogue(spec), stream(spec.seed, "fakes", block)
    cheats = np.flatnonzero((users.fraud > 0) & ~users.only_offers & (users.joined < spec.days - 1))
    count = draw.integers(*_FAKES, len(cheats)) * spec.days // 365 + _FEWEST
    user = np.repeat(cheats, count)
    earliest = np.maximum(users.joined[user], 0)
    ring = _group(spec, users, user)
    nth = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    night = stream(spec.seed, "nights").integers(0, 1 << 40, 64)[nth % 64]  # shared by all of a ring
    day = np.maximum((ring * 7919 + night) % spec.days, earliest)
    product = _faked_product(shop, ring, nth)
    on_sale = shop.on_sale(product, day)
    user, day, product, nth = user[on_sale], day[on_sale], product[on_sale], nth[on_sale]
    second = _NIGHT + draw.integers(0, _LASTS, len(user))
    orders, lines = _appended(orders, lines, *_faked(shop, user, day, product, second))
    alone = np.flatnonzero((users.fraud[user] == ALONE) & (day < spec.days - 1))
    return _appended(orders, lines, *_returned(shop, user[alone], day[alone], product[alone], second[alone]))


def _group(spec: WorldSpec, users: Population, user: Ints) -> Ints:
    """The ring, or a number of the lone account's own."""
    return np.where(users.ring[user] >= 0, users.ring[user], spec.users + users.first + user)


def _faked_product(shop: Catalogue, group: Ints, nth: Ints) -> Ints:
    """One of the three products that a group orders."""
    return (group * 104729 + nth % 3) % shop.products


def _faked(shop: Catalogue, user: Ints, day: Ints, product: Ints, second: Ints) -> tuple[Orders, Lines]:
    n = len(user)
    lines = priced(shop, np.arange(n), product, np.ones(n, np.int64), day)
    return Orders(user, day, second, np.full(n, WEB), np.full(n, FAKE)), lines


def _returned(shop: Catalogue, user: Ints, day: Ints, product: Ints, second: Ints) -> tuple[Orders, Lines]:
    """What was ordered on the day comes back on the next one, at the price that was paid."""
    orders, made = _faked(shop, user, day, product, second)
    back = replace(made, quantity=-made.quantity, listed=-made.listed, reduced=-made.reduced)
    return replace(orders, day=day + 1, kind=np.full(len(user), RETURN)), back


# a simulated day


def with_abuse_of_day(
    spec: WorldSpec, users: Population, offers: Offers, day: int, orders: Orders, lines: Lines, uses: Uses
) -> tuple[Orders, Lines, Uses]:
    """The day's orders, lines and uses with those of rings and of lone accounts."""
    done = taken(spec, users, offers, offers_acted_on(spec, users, offers, day), day)
    orders, lines = _appended(orders, lines, done.orders, done.lines)
    for fake in _fakes_of_day(spec, users, day):
        orders, lines = _appended(orders, lines, *fake)
    return orders, lines, Uses(np.append(uses.offer, done.uses.offer), np.append(uses.given, done.uses.given))


def offers_acted_on(spec: WorldSpec, users: Population, offers: Offers, day: int) -> Ints:
    """The offers that rings redeem on the day: those made for it, and welcome coupons in the ring's night."""
    begins = np.where(welcomes.is_welcome(offers), ring_nights(spec, users)[offers.user], offers.first_day)
    return np.flatnonzero(users.only_offers[offers.user] & ~offers.spent & (begins == day))


@dataclass(frozen=True)
class Taken:
    """What redeems offers: an order for each. The lines' campaigns and the uses' offers are rows of the offers."""

    orders: Orders
    lines: Lines
    uses: Uses
    offer: Ints  # by order


def taken(spec: WorldSpec, users: Population, offers: Offers, rows: Ints, day: int) -> Taken:
    """How the accounts of rings redeem the offers of these rows: each by the smallest order that it takes.

    An offer of what is not there on the day, or to an account that is not, is left.
    """
    shop = catalogue(spec)
    there = shop.on_sale(offers.product, day) & ~shop.stock_out[offers.product, day]
    complete = np.bincount(offers.offer, ~there, len(offers)) == 0
    on_products = response.ON_PRODUCTS[offers.mechanic]
    dear = np.argsort(-shop.price, kind="stable")[: max(1, len(shop.price) // 2)]  # a few pieces reach any minimum
    own = np.full(len(offers), -1)
    own[rows] = _products_of_rings(spec, shop, users.ring[offers.user[rows]], dear, day)
    opened = users.joined[offers.user[rows]] <= day
    rows = rows[opened & complete[rows] & (on_products[rows] | (own[rows] >= 0))]
    kept = chosen_offers(offers, rows)
    lines = _smallest_orders(shop, kept, own[rows], day)
    every, whole = np.arange(len(rows)), np.ones(len(lines), bool)
    of_orders = replace(kept, user=every)  # each offer has an order to itself
    lines, uses = settled(shop, lines, every, whole, np.ones(len(rows), bool), of_orders, day)
    if len(rows):
        row = rows[np.maximum(lines.campaign, 0)]
        lines = replace(lines, campaign=np.where(lines.campaign >= 0, row, NO_CAMPAIGN))
    orders = _late_orders(spec, users, kept.user, np.full(len(rows), day), offer_keys(kept))
    return Taken(orders, lines, Uses(rows[uses.offer], uses.given), rows)


def _smallest_orders(shop: Catalogue, kept: Offers, own: Ints, day: int) -> Lines:
    """An order per offer: one piece of each offered product, or as many of the ring's `own` as it takes.

    What an offer on products takes off at the till is off; what it takes off a basket is not.
    """
    on_products = response.ON_PRODUCTS[kept.mechanic]
    named = on_products[kept.offer]
    order = np.concatenate([kept.offer[named], np.flatnonzero(~on_products)])
    product = np.concatenate([kept.product[named], own[~on_products]])
    least = np.maximum(kept.min_spend, np.where(kept.mechanic == response.GIFT, 0, kept.amount))[order]
    pieces = np.maximum(np.ceil(least / np.maximum(shelf_price(shop, product, day), 1)), 1).astype(np.int64)
    by_order = np.argsort(order, kind="stable")
    order, product, units = order[by_order], product[by_order], np.where(on_products[order], 1, pieces)[by_order]
    lines = priced(shop, order, product, units, np.full(len(order), day))
    lowered = np.where(on_products & response.AT_THE_TILL[kept.mechanic], kept.saving, 0.0)[order]
    off = np.rint(lines.listed * lowered).astype(np.int64)
    return replace(lines, reduced=np.maximum(lines.reduced, off))


def _fakes_of_day(spec: WorldSpec, users: Population, day: int) -> list[tuple[Orders, Lines]]:
    """What lone accounts order on the day; and what they return of the day before, if that was simulated."""
    shop = catalogue(spec)
    today = _fake_orders(spec, shop, users, day)
    before = _fake_orders(spec, shop, users, max(day - 1, spec.days))
    return [_faked(shop, *today), *([_returned(shop, *before)] if day > spec.days else [])]


def _fake_orders(spec: WorldSpec, shop: Catalogue, users: Population, day: int) -> tuple[Ints, Ints, Ints, Ints]:
    """User, day, product and second of the orders that lone accounts fake on a day."""
    alone = np.flatnonzero((users.fraud == ALONE) & (users.joined <= day))
    u, which, when = (_of_day(spec, purpose, users, alone, day) for purpose in ("fake", "faked product", "fake at"))
    often = np.mean(_FAKES) / 365 + _FEWEST / spec.days  # as in the history
    product = _faked_product(shop, _group(spec, users, alone), (which * 3).astype(np.int64))
    rows = np.flatnonzero((u < often) & shop.on_sale(product, day))
    second = _NIGHT + (when[rows] * _LASTS).astype(np.int64)
    return alone[rows], np.full(len(rows), day), product[rows], second


def _of_day(spec: WorldSpec, purpose: str, users: Population, rows: Ints, day: int) -> Floats:
    return keyed_uniforms(spec.seed, purpose, np.array(day), users.numbers[rows])
