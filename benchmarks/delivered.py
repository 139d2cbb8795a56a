"""What the shop has when it decides: orders, experiments and messages, and a week of random offers; no truth.

Learners read this and the shop's own shelves (prices, costs, departments, stock), and nothing of the world's inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from promo_spark.worlds.assignments import assigned
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.population import population
from promo_spark.worlds.shopping import History
from promo_spark.worlds.simulation import Day
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints

RETURN = 1  # a kind of order


@dataclass(frozen=True)
class Purchases:
    """One row per line of a purchase, by user and day. Money in units of currency."""

    user: Ints
    day: Ints
    order: Ints  # a number that the lines of an order have in common
    product: Ints
    units: Ints
    listed: Floats
    reduced: Floats  # off the list price
    coupon: Floats  # off the basket
    campaign: Ints  # whose coupon; −1: none


@dataclass(frozen=True)
class Experiments:
    """User × campaign of the history."""

    start: Ints  # by campaign
    end: Ints
    department: Ints
    randomised: Bools
    eligible: Bools
    depth: Floats  # of the coupon sent; 0: none was
    opened: Bools
    redeemed: Bools
    qualified: Bools  # bought something that the coupon is good for while it held


@dataclass(frozen=True)
class Explored:
    """The week of random offers, a row per user. `mechanic` −1: no offer. Money in units of currency."""

    mechanic: Ints
    saving: Floats
    amount: Floats
    min_spend: Floats
    product: Ints  # −1: none
    second: Ints
    opened: Bools
    given: Floats
    used: Ints  # days on which it gave something

    @classmethod
    def of(
        cls,
        users: int,
        user: Ints,
        mechanic: Ints,
        saving: Floats,
        amount: Ints,
        min_spend: Ints,
        products: tuple[Ints, Ints],
        days: Sequence[Day],
    ) -> Explored:
        rows: dict[str, np.ndarray] = {
            "mechanic": np.full(users, -1),
            "saving": np.zeros(users),
            "amount": np.zeros(users),
            "min_spend": np.zeros(users),
            "product": np.full(users, -1),
            "second": np.full(users, -1),
            "opened": np.zeros(users, bool),
        }
        of_offers = (mechanic, saving, amount / 100, min_spend / 100, *products, days[0].opened)
        for name, values in zip(rows, of_offers, strict=True):
            rows[name][user] = values
        given, used = np.zeros((2, users))
        for done in days:
            who = user[done.uses.offer]
            given += np.bincount(who, done.uses.given, users) / 100
            used += np.bincount(who, minlength=users) > 0
        return cls(**rows, given=given, used=used.astype(np.int64))


@dataclass(frozen=True)
class DeliveredBlock:
    """What the shop saw of a block of users."""

    number: int
    past: History
    days: list[History]
    explored: Explored


@dataclass(frozen=True)
class Delivered:
    """All of it, of all users. `day`: of the decision."""

    spec: WorldSpec
    day: int
    registered: Ints  # day of the account, by user; before the history: negative
    purchases: Purchases
    experiments: Experiments
    explored: Explored

    @property
    def users(self) -> int:
        return len(self.registered)


def delivered(spec: WorldSpec, day: int, blocks: Sequence[DeliveredBlock]) -> Delivered:
    shop, registered, purchases, experiments = catalogue(spec), [], [], []
    start = orders = 0
    for block in blocks:
        people = population(spec, block.number)
        registered.append(people.joined.astype(np.int64))
        own = []
        for part in (block.past, *block.days):
            own.append(_purchases(part, start, orders))
            orders += len(part.orders)
        own_purchases = _joined(Purchases, own)
        purchases.append(own_purchases)
        experiments.append(_experiments(spec, block.number, own_purchases, start))
        start += len(people)
    campaigns = shop.campaigns
    return Delivered(
        spec=spec,
        day=day,
        registered=np.concatenate(registered),
        purchases=_joined(Purchases, purchases),
        experiments=Experiments(
            start=np.asarray(campaigns.start),
            end=np.asarray(campaigns.end),
            department=np.asarray(campaigns.department),
            randomised=np.asarray(campaigns.randomised),
            **{name: np.concatenate([part[name] for part in experiments]) for name in experiments[0]},
        ),
        explored=_joined(Explored, [block.explored for block in blocks]),
    )


def _purchases(part: History, first_user: int, first_order: int) -> Purchases:
    lines, orders = part.lines, part.orders
    kept = np.flatnonzero((orders.kind[lines.order] != RETURN) & (lines.quantity > 0))
    order = lines.order[kept]
    return Purchases(
        user=first_user + orders.user[order],
        day=np.asarray(orders.day[order]),
        order=first_order + order,
        product=lines.product[kept],
        units=lines.quantity[kept],
        listed=lines.listed[kept] / 100,
        reduced=lines.reduced[kept] / 100,
        coupon=lines.coupon[kept] / 100,
        campaign=lines.campaign[kept],
    )


def _experiments(spec: WorldSpec, block: int, bought: Purchases, first_user: int) -> dict[str, np.ndarray]:
    shop, people = catalogue(spec), population(spec, block)
    campaigns, arm = shop.campaigns, assigned(spec, people, block)
    redeemed, qualified = np.zeros((2, len(people), len(campaigns)), bool)
    user, historical = bought.user - first_user, bought.day < spec.days
    for number in range(len(campaigns)):
        fits = historical & (campaigns.start[number] <= bought.day) & (bought.day < campaigns.end[number])
        redeemed[user[fits & (bought.campaign == number)], number] = True
        qualified[user[fits & (shop.department[bought.product] == campaigns.department[number])], number] = True
    return {
        "eligible": arm.eligible,
        "depth": arm.depth,
        "opened": arm.opened & arm.contacted,
        "redeemed": redeemed,
        "qualified": qualified,
    }


Joinable = TypeVar("Joinable", Purchases, Explored)


def _joined(kind: type[Joinable], parts: Sequence[Joinable]) -> Joinable:
    """The rows of all parts, one part after the other."""
    names = [field.name for field in fields(kind)]
    return kind(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
