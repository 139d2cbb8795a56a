"""What offers give at the till and afterwards: prices, whole bundles, minimum spends, gifts, points and rebates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promo_spark.worlds import response
from promo_spark.worlds.catalogue import Catalogue
from promo_spark.worlds.offers import Heard, Offers
from promo_spark.worlds.orders import NO_CAMPAIGN, Lines, both_lines, priced
from promo_spark.worlds.population import Population
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints, keyed_uniforms


@dataclass(frozen=True)
class Uses:
    """One row per offer that was used on a day."""

    offer: Ints
    given: Floats  # cents: taken off the receipt, the gift's cost, the rebate, or the points that will be spent


def receipts(
    shop: Catalogue, lines: Lines, customers: Ints, heard: Heard, chosen: Bools, offers: Offers, day: int
) -> tuple[Lines, Uses]:
    """The day's lines with what the offers take off them, gifts added.

    `customers`: the user of each order. `chosen`: the offers that may be used, see `choices`.
    """
    user = customers[lines.order]
    whole = _bundles_complete(lines, user, offers)
    off = np.rint(lines.listed * heard.till(user, lines.product) * whole).astype(np.int64)
    lines = replace(lines, reduced=np.maximum(lines.reduced, off))
    return settled(shop, lines, customers, whole, chosen, offers, day)


def settled(
    shop: Catalogue, lines: Lines, customers: Ints, whole: Bools, chosen: Bools, offers: Offers, day: int
) -> tuple[Lines, Uses]:
    """The lines, whose prices are lowered already, with what else the offers take off, gifts added; and all uses.

    `whole`: lines that no bundle leaves as they were because its other product is missing.
    """
    user = customers[lines.order]
    given = [_given_on_products(shop, lines, user, whole, chosen, offers, day)]
    if len(customers) and np.any(~response.ON_PRODUCTS[offers.mechanic]):
        lines, used = _off_baskets(lines, customers, chosen, offers)
        lines, gifts = _with_gifts(shop, lines, customers, chosen, offers, day)
        given += [used, gifts]
    return lines, Uses(np.concatenate([g.offer for g in given]), np.concatenate([g.given for g in given]))


def choices(spec: WorldSpec, users: Population, heard: Heard, offers: Offers, day: int) -> Bools:
    """Offers that can be used today: unspent, and where it takes a choice, opened and chosen."""
    chosen = redeems(spec, users, offers.user, np.array(day), heard.key, offers.saving)
    chooses = ~response.CHOSEN[offers.mechanic] | (heard.opened & chosen)
    return chooses & ~offers.spent


def redeems(spec: WorldSpec, users: Population, user: Ints, day: Ints, key: Ints, saving: Floats) -> Bools:
    """Whether the user would redeem the offer on the day, where it takes a choice. `key`: see offer_keys."""
    chance = response.redeem_chance(users.answers.redeem[user].astype(np.float64), saving)
    chosen: Bools = keyed_uniforms(spec.seed, "redeem", day, users.numbers[user], key) < chance
    return chosen


def _given_on_products(
    shop: Catalogue, lines: Lines, user: Ints, whole: Bools, chosen: Bools, offers: Offers, day: int
) -> Uses:
    """What each offer on products gives: below the shelf's price, or afterwards a share of what was paid."""
    rows = np.flatnonzero(response.ON_PRODUCTS[offers.mechanic[offers.offer]] & chosen[offers.offer])
    offer, product = offers.offer[rows], offers.product[rows]
    span = shop.products
    wanted = offers.user[offer] * span + product
    key, line = np.unique(user * span + lines.product, return_inverse=True)
    counted = np.bincount(line.ravel(), lines.listed, len(key))
    paid = np.bincount(line.ravel(), lines.listed - lines.reduced, len(key))
    together = np.zeros(len(key), bool)
    together[line.ravel()] = whole
    if not len(key) or not len(rows):
        return Uses(np.zeros(0, np.int64), np.zeros(0))
    at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    found = (key[at] == wanted) & (together[at] | (offers.mechanic[offer] != response.BUNDLE))
    at, offer, product = at[found], offer[found], product[found]
    on_shelf = counted[at] * (1 - shop.depth[product, day // 7].astype(np.float64))
    back = np.where(offers.mechanic[offer] == response.POINTS, response.POINTS_SPENT, 1.0)
    later = paid[at] * offers.saving[offer] * back
    given = np.where(response.AT_THE_TILL[offers.mechanic[offer]], np.maximum(on_shelf - paid[at], 0), later)
    used, place = np.unique(offer, return_inverse=True)
    return Uses(used, np.bincount(place.ravel(), given, len(used)).astype(np.float64))


def _off_baskets(lines: Lines, customers: Ints, chosen: Bools, offers: Offers) -> tuple[Lines, Uses]:
    """One offer an order takes its amount off, the highest that it reaches, spread over the lines to the cent."""
    spent, order_of = _spent(lines, customers, offers)
    on_basket = np.isin(offers.mechanic, (response.COUPON, response.THRESHOLD)) & chosen
    fits = np.flatnonzero(on_basket & (order_of[offers.user] >= 0))
    fits = fits[spent[order_of[offers.user[fits]]] >= np.maximum(offers.min_spend[fits], offers.amount[fits])]
    used = np.full(len(customers), NO_CAMPAIGN)
    best = fits[np.argsort(offers.amount[fits], kind="stable")]
    used[order_of[offers.user[best]]] = best
    amount = np.where(used >= 0, offers.amount[np.maximum(used, 0)], 0) if len(offers) else np.zeros_like(used)
    coupon = parts_of_lines(amount, lines.listed - lines.reduced, lines.order)
    done = np.flatnonzero(used >= 0)
    return replace(lines, coupon=coupon, campaign=used[lines.order]), Uses(
        used[done], offers.amount[used[done]].astype(np.float64)
    )


def parts_of_lines(amount: Ints, paid: Ints, order: Ints) -> Ints:
    """Each line's part of what is taken off its order, to the cent. `amount` is by order, each of which has lines.

    >>> parts_of_lines(np.array([100]), paid=np.array([100, 100, 100]), order=np.array([0, 0, 0])).tolist()
    [33, 33, 34]
    """
    before = np.cumsum(paid) - paid
    before -= before[np.searchsorted(order, np.arange(len(amount)))][order]
    total = np.maximum(np.bincount(order, paid, len(amount)).astype(np.int64), 1)[order]
    parts: Ints = amount[order] * (before + paid) // total - amount[order] * before // total
    return parts


def _with_gifts(
    shop: Catalogue, lines: Lines, customers: Ints, chosen: Bools, offers: Offers, day: int
) -> tuple[Lines, Uses]:
    """A gift in stock comes as a line of its own, its whole price taken off, where enough was spent."""
    spent, order_of = _spent(lines, customers, offers)
    rows = np.flatnonzero((offers.mechanic[offers.offer] == response.GIFT) & chosen[offers.offer])
    rows = rows[order_of[offers.user[offers.offer[rows]]] >= 0]
    offer, product = offers.offer[rows], offers.product[rows]
    order = order_of[offers.user[offer]]
    there = shop.on_sale(product, day) & ~shop.stock_out[product, day]
    fits = np.flatnonzero((spent[order] >= offers.min_spend[offer]) & there)
    offer, product, order = offer[fits], product[fits], order[fits]
    added = priced(shop, order, product, np.ones(len(fits), np.int64), np.full(len(fits), day))
    whole = both_lines(lines, replace(added, coupon=added.listed - added.reduced, campaign=offer))
    by_order = np.argsort(whole.order, kind="stable")
    sorted_lines = Lines(*(getattr(whole, name)[by_order] for name in Lines.__dataclass_fields__))
    return sorted_lines, Uses(offer, shop.cost[product].astype(np.float64))


def _spent(lines: Lines, customers: Ints, offers: Offers) -> tuple[Ints, Ints]:
    """What each order comes to before offers on baskets, and each user's order, −1 where there is none."""
    spent = np.bincount(lines.order, lines.listed - lines.reduced - lines.coupon, len(customers)).astype(np.int64)
    order_of = np.full(int(max(customers.max(initial=0), offers.user.max(initial=0))) + 1, -1)
    order_of[customers] = np.arange(len(customers))
    return spent, order_of


def _bundles_complete(lines: Lines, user: Ints, offers: Offers) -> Bools:
    """False for lines of products that a bundle reduces only together, where one is missing in the basket."""
    complete = np.ones(len(lines), bool)
    rows = np.flatnonzero(offers.mechanic[offers.offer] == response.BUNDLE)
    if not len(rows) or not len(lines):
        return complete
    span = int(max(lines.product.max(), offers.product.max())) + 1
    bought = np.unique(user * span + lines.product)
    key = offers.user[offers.offer[rows]] * span + offers.product[rows]
    in_basket = np.isin(key, bought)
    missing = np.zeros(len(offers), bool)
    missing[offers.offer[rows[~in_basket]]] = True
    broken = key[missing[offers.offer[rows]]]
    return ~np.isin(user * span + lines.product, broken)
