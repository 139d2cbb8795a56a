"""Days played in a row by arrays alone, and what each user did in them: what policies are compared by.

The same draws as the job `simulate` makes, without Spark: under common random numbers two policies differ by what they
offer, not by chance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promo_spark.worlds import response
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.offers import NO_OFFERS, Offers
from promo_spark.worlds.shopping import State
from promo_spark.worlds.simulation import Day, simulated_day
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Floats


@dataclass(frozen=True)
class Played:
    """What a block did in some days; one row per user, money in cents. `state` is as the last day ends."""

    visits: Floats
    units: Floats  # of the products of the user's own offers, gifts aside
    uses: Floats
    given: Floats
    margin: Floats  # after what is given
    state: State


def played(
    spec: WorldSpec,
    block: int,
    day: int,
    state: State,
    offers: Offers = NO_OFFERS,
    valid_days: int = 7,
    days: int = 7,
    recent: Floats | None = None,
) -> Played:
    """The days from a day of the future on, under offers that are made for the first and hold some days.

    `recent`: offers of the 28 days before, by user. The offers count among them from the second day on.
    """
    shop, n = catalogue(spec), len(state.habit)
    visits, units, uses, given, margin = np.zeros((5, n))
    spent, before = np.zeros(len(offers), bool), np.zeros(n) if recent is None else recent
    for later in range(days):
        held = replace(offers, spent=spent) if later < valid_days else NO_OFFERS
        done = simulated_day(spec, block, day + later, state, held, before)
        state, own = done.past.state, done.uses.offer < len(offers)  # welcome coupons are not counted as uses
        used, of_uses = done.uses.offer[own], done.uses.given[own]
        visits += done.came
        units += units_of_offers(shop, done, offers, n)
        if len(used):
            user, mechanic = offers.user[used], offers.mechanic[used]
            uses += np.bincount(user, minlength=n)
            given += np.bincount(user, of_uses, n)
            margin -= np.bincount(user, np.where(response.AT_THE_TILL[mechanic], 0.0, of_uses), n)
            spent = spent.copy()
            spent[used[response.ONCE[mechanic]]] = True
        margin += receipts_margin(shop, done, n)
        if not later:
            before = before + np.bincount(offers.user, minlength=n)
    return Played(visits, units, uses, given, margin, state)


def receipts_margin(shop: Catalogue, done: Day, users: int) -> Floats:
    """What the day's receipts leave after the cost of the goods, by user, in cents."""
    lines = done.past.lines
    left = lines.listed - lines.reduced - lines.coupon - shop.cost[lines.product] * lines.quantity
    margin: Floats = np.bincount(done.past.orders.user[lines.order], left, users).astype(np.float64)
    return margin


def units_of_offers(shop: Catalogue, done: Day, offers: Offers, users: int) -> Floats:
    """Pieces of the products of the user's own offers, by user; what was given for nothing is not counted."""
    lines = done.past.lines
    user = done.past.orders.user[lines.order]
    offered = offers.user[offers.offer] * shop.products + offers.product
    is_gift = (lines.campaign >= 0) & (lines.coupon == lines.listed - lines.reduced)
    chosen = np.isin(user * shop.products + lines.product, offered) & ~is_gift
    units: Floats = np.bincount(user[chosen], lines.quantity[chosen], users).astype(np.float64)
    return units
