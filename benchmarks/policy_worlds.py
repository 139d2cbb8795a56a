"""The worlds that policies are compared on: a history, a week of random offers, and what can be offered after it.

The shop gives random offers for a week and decides for the week that follows. What it has seen by then is `Delivered`,
see delivered.py; what is true of the candidates, and what the best retailer could believe of them, stands in the table.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from best_choices import Problem
from delivered import Delivered, DeliveredBlock, Explored, delivered

from promo_spark.worlds import response
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.offers import Offers, joined, with_savings
from promo_spark.worlds.population import population
from promo_spark.worlds.posterior import LaterWeek, believed_offers
from promo_spark.worlds.raw_columns import user_ids
from promo_spark.worlds.shopping import History, State, history
from promo_spark.worlds.simulation import Day, simulated_day
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints, stream
from promo_spark.worlds.true_offers import TrueOffer, true_offers

DATE = datetime.date(2024, 6, 1)  # the day after the history: the week of random offers begins
WEEK = 7
EXPLORED_NOTHING = 0.3  # share of users without an offer in that week
CANDIDATES = 20  # per user, nothing among them
SAVINGS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
BASKETS = (0.7, 1.0, 1.4)  # minimum spends, over the user's usual basket
MECHANIC_SHARES = {response.DISCOUNT: 0.4, response.COUPON: 0.4, response.THRESHOLD: 0.3}  # of the day's budget
DEPARTMENT, DEPARTMENT_SHARE = 0, 0.3
OWN = 8  # products of the user's own that offers are on
POPULAR_PRODUCTS = 50  # that offers are on though the user does not buy them
POPULAR = 0.25  # of offers on products that are on a popular product, not one of the user's own


@dataclass(frozen=True)
class Block:
    """A block of users with their candidates, mechanic by mechanic, as the day of the decision begins."""

    number: int
    state: State
    recent: Floats  # offers of the week before, by user
    offers: Offers


@dataclass(frozen=True, eq=False)  # one is only itself: what is learnt of it is kept by it
class World:
    """A world with its candidates and their truth, whatever the budgets are. Money in units of currency."""

    spec: WorldSpec
    day: int  # of the decision
    blocks: list[Block]
    delivered: Delivered
    table: dict[str, npt.NDArray[np.float64]]  # user × candidate, nothing as the last


@dataclass(frozen=True)
class Case:
    """A world under limits: what a policy chooses from. Money in units of currency; user × candidate."""

    world: World
    given: Floats  # true expected amount given
    uses: Floats
    profit: Floats  # of a piece of the product, or of the basket that the offer applies to, before the offer
    mechanic: Floats  # a number; −1: nothing
    saving: Floats
    segment: Ints
    counts: Bools  # limit × user × candidate: what is given counts against the limit
    most: Floats  # that may be given, by limit
    truth: Problem  # values and amounts given as they are
    believed: Problem  # as the best retailer could know them, see worlds/posterior.py

    @property
    def users(self) -> int:
        return len(self.given)

    def problem(self, value: Floats, given: Floats) -> Problem:
        """The case as a policy sees it that expects these values and amounts given."""
        return Problem(value, np.where(self.counts, given, 0.0), self.most)


def candidates(spec: WorldSpec, block: int, day: int, purpose: str, seen: Sequence[History]) -> Offers:
    """The candidates of a block's users but nothing: every mechanic at least twice, on own and on popular products.

    Own products are those that the user bought most often in what was seen. What is not there, or is reduced on the
    shelf, is not offered: an offer gives more than everybody has.
    """
    people, shop = population(spec, block), catalogue(spec)
    draw, n = stream(spec.seed, purpose, block), len(people)
    mechanics = [*range(len(response.MECHANICS))] * 2
    mechanics += [response.DISCOUNT, response.COUPON, response.THRESHOLD]
    every = np.arange(shop.products)
    open_to_offers = shop.on_sale(every, day) & ~shop.stock_out[every, day] & (shop.depth[every, day // 7] <= 0)
    popular = np.flatnonzero(open_to_offers)[np.argsort(-shop.popularity[open_to_offers])][:POPULAR_PRODUCTS]
    own = most_bought(seen, shop.products, popular)
    baskets = np.maximum(np.rint(usual_baskets(seen) / 100) * 100, 500)
    by_price = np.flatnonzero(open_to_offers)[np.argsort(shop.price[open_to_offers], kind="stable")]
    parts = []
    for number, mechanic in enumerate(mechanics):
        saving, on_products = draw.choice(SAVINGS, n), bool(response.ON_PRODUCTS[mechanic])
        product = own[np.arange(n), draw.integers(0, own.shape[1], n)]
        others = popular[draw.integers(0, len(popular), n)]
        product = np.where((draw.random(n) < POPULAR) | ~open_to_offers[product], others, product)
        second = _first_of(np.column_stack([own, np.tile(popular[:2], (n, 1))]), open_to_offers, product)
        basket = np.rint(baskets * draw.choice(BASKETS, n) / 100).astype(np.int64) * 100
        amount = np.rint(basket * saving).astype(np.int64)
        if mechanic == response.GIFT:
            place = np.searchsorted(shop.price[by_price], amount)
            product = by_price[np.minimum(place, len(by_price) - 1)]
        products = np.column_stack([product, second]) if mechanic == response.BUNDLE else product[:, None]
        made = Offers(
            user=np.arange(n),
            mechanic=np.full(n, mechanic),
            saving=saving,
            amount=np.zeros(n, np.int64) if on_products else amount,
            min_spend=np.zeros(n, np.int64) if on_products else basket,
            first_day=np.full(n, day),
            spent=np.zeros(n, bool),
            ids=named(f"{purpose} {number}-", people.numbers),
            carriers=named(purpose, np.zeros(n, np.int64)),
            offer=np.repeat(np.arange(n), products.shape[1]),
            product=products.ravel().astype(np.int64),
        )
        parts.append(with_savings(made, shop))
    return joined(parts)


def usual_baskets(seen: Sequence[History]) -> Floats:
    """By user: the mean of what was paid per order, in cents; like that of all where there was none."""
    paid, orders = np.zeros((2, len(seen[0].users)))
    for part in seen:
        bought, lines = part.orders.kind == 0, part.lines
        of_lines = (lines.listed - lines.reduced - lines.coupon) * bought[lines.order]
        paid += np.bincount(part.orders.user[lines.order], of_lines, len(paid))
        orders += np.bincount(part.orders.user[bought], minlength=len(paid))
    baskets: Floats = (paid + paid.sum() / max(orders.sum(), 1.0)) / (orders + 1)
    return baskets


def most_bought(seen: Sequence[History], products: int, popular: Ints) -> Ints:
    """User × OWN: the products of most of the user's lines, the popular ones where there are fewer."""
    times = np.zeros((len(seen[0].users), products))
    for part in seen:
        bought = part.orders.kind[part.lines.order] == 0
        np.add.at(times, (part.orders.user[part.lines.order][bought], part.lines.product[bought]), 1.0)
    times[:, popular[:OWN]] += np.linspace(0.5, 0.1, OWN)[: len(popular)]
    return np.argsort(-times, axis=1, kind="stable")[:, :OWN].astype(np.int64)


def _first_of(products: Ints, allowed: Bools, other_than: Ints) -> Ints:
    """The first of each row's products that is allowed and is another one."""
    fits = allowed[products] & (products != other_than[:, None])
    return np.asarray(products[np.arange(len(products)), fits.argmax(axis=1)], np.int64)


def named(prefix: str, numbers: Ints) -> pa.Array:
    return pc.binary_join_element_wise(prefix, user_ids(numbers), "")


def chosen(offers: Offers, rows: Ints) -> Offers:
    """Some of the offers, in their order."""
    kept = np.zeros(len(offers), bool)
    kept[rows] = True
    number, products = np.cumsum(kept) - 1, kept[offers.offer]
    columns = {name: getattr(offers, name) for name in Offers.__dataclass_fields__}
    of_offer = {
        n: v.filter(pa.array(kept)) if isinstance(v, pa.Array) else v[kept]
        for n, v in columns.items()
        if n not in ("offer", "product")
    }
    return Offers(**of_offer, offer=number[offers.offer[products]], product=offers.product[products])


def first_products(offers: Offers) -> tuple[Ints, Ints]:
    """The first and the second product of each offer; −1 where there is none."""
    first, last, count = np.full((3, len(offers)), -1)
    first[offers.offer[::-1]] = offers.product[::-1]
    last[offers.offer] = offers.product
    count = np.bincount(offers.offer, minlength=len(offers))
    return first, np.where(count > 1, last, -1)


def explored_week(spec: WorldSpec, block: int, past: History) -> tuple[Offers, list[Day], Explored]:
    """The week of random offers: each user has nothing, or any one of the user's candidates, each as likely."""
    offers, draw = candidates(spec, block, spec.days, "explored", [past]), stream(spec.seed, "explore", block)
    state, n = past.state, len(past.users)
    number = np.where(draw.random(n) < EXPLORED_NOTHING, -1, draw.integers(0, CANDIDATES - 1, n))
    has = np.flatnonzero(number >= 0)
    rows = np.sort(number[has] * n + has)
    held, days = chosen(offers, rows), []
    spent, recent = np.zeros(len(held), bool), np.zeros(n)
    for day in range(spec.days, spec.days + WEEK):
        held = Offers(**{**vars(held), "spent": spent})
        done = simulated_day(spec, block, day, state, held, recent)
        state, used = done.past.state, done.uses.offer
        spent = spent.copy()
        spent[used[response.ONCE[held.mechanic[used]]]] = True
        recent = np.bincount(held.user, minlength=n).astype(np.float64)
        days.append(done)
    products, of_offers = first_products(held), (held.user, held.mechanic, held.saving, held.amount, held.min_spend)
    return held, days, Explored.of(n, *of_offers, products, days)


def world(spec: WorldSpec, beliefs: bool = True) -> World:
    """The candidates of all users with what is true of them, nothing included as the last: all its figures are 0.

    Without `beliefs` the truth stands in the place of what could be believed, which takes most of the time.
    """
    blocks, parts, seen = [], [], []
    day = spec.days + WEEK
    for number in range(spec.user_blocks):
        past = history(spec, number)
        held, days, explored = explored_week(spec, number, past)
        state, n = days[-1].past.state, len(past.users)
        later = LaterWeek(held, days[0].opened, [done.past for done in days])
        recent = np.bincount(held.user, minlength=n).astype(np.float64)
        offers = candidates(spec, number, day, "candidates", [past, *(done.past for done in days)])
        truth = true_offers(spec, number, day, state, offers, recent=recent)
        believed = believed_offers(spec, number, day, past, offers, later=later) if beliefs else truth
        blocks.append(Block(number, state, recent, offers))
        parts.append(_table(spec, number, day, offers, truth, believed))
        seen.append(DeliveredBlock(number, past, [done.past for done in days], explored))
    table = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return World(spec, day, blocks, delivered(spec, day, seen), table)


def _table(
    spec: WorldSpec, number: int, day: int, offers: Offers, truth: TrueOffer, believed: TrueOffer
) -> dict[str, npt.NDArray[np.float64]]:
    shop, people = catalogue(spec), population(spec, number)
    offered = terms_of(offers)
    first = offered["product"]
    price = shop.list_price[first, day // 7] * (1 - shop.depth[first, day // 7])
    basket = people.basket_value(shop)[offers.user] * (1 - (shop.cost / shop.price).mean())
    on_products = response.ON_PRODUCTS[offers.mechanic]
    columns = {
        "value": truth.margin / 100,
        "given": truth.given / 100,
        "visits": truth.visits - truth.visits_without,
        "believed_value": believed.margin / 100,
        "believed_given": believed.given / 100,
        "believed_visits": believed.visits - believed.visits_without,
        "uses": truth.uses,
        "profit": np.where(on_products, price - shop.cost[first], basket) / 100,
        **offered,
        "department": np.where(first >= 0, shop.department[first], -1),
        "segment": people.segment[offers.user],
    }
    shaped = {name: np.asarray(values).reshape(-1, len(people)).T for name, values in columns.items()}
    return {name: np.column_stack([v, _of_nothing(name, v)]) for name, v in shaped.items()}


def terms_of(offers: Offers) -> dict[str, npt.NDArray[Any]]:
    """One row per offer: what it offers; money in units of currency, a product −1 where there is none."""
    first, second = first_products(offers)
    return {
        "mechanic": offers.mechanic,
        "saving": offers.saving,
        "amount": offers.amount / 100,
        "min_spend": offers.min_spend / 100,
        "product": first,
        "second": second,
    }


def _of_nothing(name: str, values: Floats) -> Floats:
    if name == "segment":
        return values[:, 0]
    return np.full(len(values), -1.0 if name in ("mechanic", "department", "product", "second") else 0.0)


def case(of: World, budget: float) -> Case:
    """The world under limits: so much of budget per user, shares of it for some mechanics and a department."""
    table, users = of.table, len(of.table["value"])
    day = budget * users
    of_limit = [np.ones_like(table["given"], bool), *(table["mechanic"] == m for m in MECHANIC_SHARES)]
    of_limit.append(table["department"] == DEPARTMENT)
    shares = [1.0, *MECHANIC_SHARES.values(), DEPARTMENT_SHARE]
    counts, most = np.array(of_limit), day * np.array(shares)

    def problem(value: str, given: str) -> Problem:
        return Problem(table[value], np.where(counts, table[given], 0.0), most)

    return Case(
        of,
        **{name: table[name] for name in ("given", "uses", "profit", "mechanic", "saving")},
        segment=table["segment"][:, 0].astype(np.int64),
        counts=counts,
        most=most,
        truth=problem("value", "given"),
        believed=problem("believed_value", "believed_given"),
    )
