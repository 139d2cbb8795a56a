"""A block's days from a day of the future on: what its users do without offers, and what an offer's visits hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.worlds import response
from promo_spark.worlds.assignments import LEFT, contacts_before
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.expectations import (
    NODE_WEIGHTS,
    PIECES,
    Baskets,
    Needs,
    Staples,
    absent,
    day_of_shop,
    drawn_baskets,
    level_of,
    staple_path,
    wanted_items,
)
from promo_spark.worlds.offers import Offers, log_felt_price
from promo_spark.worlds.orders import MOST_UNITS, WANTED
from promo_spark.worlds.population import STAPLES, Population, population
from promo_spark.worlds.shopping import State
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Floats, Ints

BASKETS = 56  # per user, over which the chance to reach a minimum spend is taken
_FINE = 0.25  # days: step in which due days of an offered staple are kept


@dataclass(frozen=True)
class OfferedProducts:
    """One row per offer and offered product, and day: what a visit holds of it."""

    chance: Floats  # per wanted item: it is bought and is the product
    pieces: Floats  # per wanted item: pieces of it
    mentioned: Floats  # the offer brings it to mind, and it is bought
    needs: Needs  # as a staple


class UsualDays:
    """The block's expectations. `state` is as the first day begins; `recent`: offers simulated before."""

    def __init__(
        self,
        spec: WorldSpec,
        block: int,
        day: int,
        state: State,
        days: int,
        users: Population | None = None,
        recent: Floats | None = None,
    ) -> None:
        self.spec, self.block, self.day, self.days, self.state = spec, block, day, days, state
        self.shop, self.users = catalogue(spec), population(spec, block) if users is None else users
        self.of_days = [day_of_shop(spec, self.shop, day + d) for d in range(days)]
        before = 0.0 if recent is None else recent
        self.tiring = np.column_stack([contacts_before(spec, block, day + d) + before for d in range(days)])
        every = np.arange(len(self.users))
        self.level = level_of(spec, self.users)
        self.plain = self.visits(every, np.zeros(len(every)), 0)
        self.needs = self.staples(every, self.plain)
        self.items = wanted_items(self.users)
        self.margin = self.visit_margin(self.items)
        self._baskets: tuple[Baskets, Baskets] | None = None
        self._without: OfferedProducts | None = None

    def visit_margin(self, items: Floats) -> Floats:
        """User × day: expected margin of a visit's items by taste and of what the planted bundles add to them."""
        tastes, mean = self.users.tastes.astype(np.float64), items @ NODE_WEIGHTS
        margin = np.zeros((len(tastes), self.days))
        for d, of_day in enumerate(self.of_days):
            margin[:, d] = mean * np.einsum("ut,ut->u", tastes, of_day.margin[self.level])
            for rule, attached in enumerate(of_day.attached):
                chance = np.einsum("ut,ut->u", tastes, of_day.antecedent[rule][self.level])
                margin[:, d] += attached * (1 - absent(items, chance) * self.no_staple(rule, d))
        return margin

    def no_staple(self, rule: int, d: int) -> Floats:
        """Chance that a visit of the day buys no staple of the rule's antecedent."""
        staples = self.users.staples
        of_rule = (staples >= 0) & (self.shop.rule_of[self.shop.subcategory[staples]] == rule)
        without: Floats = np.prod(np.where(of_rule, 1 - self.needs.asked[:, :, d], 1.0), axis=1)
        return without

    # visits

    def visits(self, user: Ints, pull: Floats, valid_days: int) -> Floats:
        """Row × day: chance of a visit under an offer with this pull, that holds so many days; 0: there is none."""
        users, form = self.users, self.spec.response_form
        habit, strain = self.state.habit[user], self.state.strain[user]
        visit = np.zeros((len(user), self.days))
        for d in range(self.days):
            tiring = self.tiring[user, d] + (valid_days > 0 and d > 0)  # the offer itself tires from its second day
            of_day = response.tired(pull, tiring) if d < valid_days else np.zeros(len(user))
            here = users.stays(self.day + d, strain, user)
            joined = users.joined[user] <= self.day + d
            rate = users.visit_rate[user] * self.shop.visits[users.segment[user], self.day + d] * here
            visit[:, d] = response.visit_chance(form, rate.astype(np.float64), of_day + habit)
            habit = response.habit_after(habit, of_day)
            strain = strain + np.where(joined, response.strain(users.hazard[user], of_day, tiring), 0.0)
            strain = np.where(joined & ~here, LEFT, strain)
        return visit

    # staples

    def staples(self, user: Ints, visit: Floats) -> Needs:
        """Row × staple × day: how the users' staples are bought, out of stock ones included."""
        users, shop, days = self.users, self.shop, self.day + np.arange(self.days)
        product = users.staples[user]
        row, which = np.nonzero(product >= 0)
        chosen = product[row, which]
        who = user[row]
        staples = Staples(
            due=self.state.due[who, which].astype(np.float64) - self.day,
            gap=users.staple_gaps[who, which].astype(np.float64),
            multiple=shop.demand(chosen[:, None], days[None, :], users.sensitivity[who][:, None]),
            stock=~shop.stock_out[chosen[:, None], days[None, :]],
            early=np.zeros((len(row), self.days)),
        )
        return _spread(staple_path(staples, visit[row], 1.0), (row, which), (len(user), STAPLES, self.days))

    def baskets(self, valid_days: int) -> tuple[Baskets, Baskets]:
        """Baskets of the valid days: of first visits, and of later ones. At the first, many staples are due."""
        if self._baskets is None:
            number = np.arange(BASKETS) % valid_days
            later = self.needs.later(self.plain[:, None, :])
            stretch = 1.0 + self.users.answers.stretch.astype(np.float64)
            of_days = self.spec, self.shop, self.users, self.block, self.day + number
            first, others = (
                drawn_baskets(*of_days, asked, stretch)
                for asked in (self.needs.first[:, :, number], later[:, :, number])
            )
            self._baskets = first, others
        return self._baskets

    # products of offers

    def products_without(self, offers: Offers) -> OfferedProducts:
        """What the same visits hold of the products where there is no offer."""
        if self._without is None:
            self._without = self.products(offers, self.plain[offers.user], 0, opened=False)
        return self._without

    def products(self, offers: Offers, visit: Floats, valid_days: int, opened: bool) -> OfferedProducts:
        """What the visits of a path hold of the offered products, in and out of stock."""
        users, shop, form = self.users, self.shop, self.spec.response_form
        offer, product = offers.offer, offers.product
        user, mechanic = offers.user[offer], offers.mechanic[offer]
        speaks = opened & response.ON_PRODUCTS[mechanic]
        bundle, saving = mechanic == response.BUNDLE, offers.saving[offer]
        felt = np.where(speaks, response.FELT_PRICE[mechanic] * saving, 0.0)
        said = np.where(speaks, response.curve(form, saving), 0.0)
        taste, attention = users.taste_for(shop, user, product), users.answers.attention[user].astype(np.float64)
        multiples, shape = np.zeros((2, len(offer), self.days)), (len(offer), self.days)
        early, mentioned = np.zeros(shape), np.zeros(shape)
        for d in range(self.days):
            inside = d < valid_days
            lower = log_felt_price(felt, shop.depth[product, (self.day + d) // 7]) if inside else 0.0
            multiple = shop.demand(product, self.day + d, users.sensitivity[user], lower)
            put_off = np.exp(np.minimum(attention, 0) * said) if inside else 1.0
            multiples[:, :, d] = multiple, multiple * put_off
            if inside:
                early[:, d] = users.answers.early[user] * felt
                whole = log_felt_price(saving * (bundle & speaks), shop.depth[product, (self.day + d) // 7])
                reduced = shop.demand(product, self.day + d, users.sensitivity[user], whole)
                spoken, pieces = attention * said, users.items()[user] * taste
                mentioned[:, d] = np.where(
                    bundle,
                    response.wanted_together(offer, pieces * multiple, pieces * reduced, spoken),
                    response.comes_to_mind(pieces * multiple, spoken),
                )
        bought = multiples[1] / WANTED
        return OfferedProducts(
            chance=taste[:, None] * np.minimum(bought, 1.0),
            pieces=taste[:, None] * PIECES * np.minimum(bought, MOST_UNITS),
            mentioned=mentioned,
            needs=self._offered_staples(user, product, visit[offer], multiples[0], early),
        )

    def _offered_staples(self, user: Ints, product: Ints, visit: Floats, multiple: Floats, early: Floats) -> Needs:
        row, which = np.nonzero(self.users.staples[user] == product[:, None])
        days = self.day + np.arange(self.days)
        staples = Staples(
            due=self.state.due[user[row], which].astype(np.float64) - self.day,
            gap=self.users.staple_gaps[user[row], which].astype(np.float64),
            multiple=multiple[row],
            stock=~self.shop.stock_out[product[row][:, None], days[None, :]],
            early=early[row],
        )
        return _spread(staple_path(staples, visit[row], _FINE), (row,), visit.shape)


def _spread(needs: Needs, at: tuple[Ints, ...], shape: tuple[int, ...]) -> Needs:
    """The rows' needs at their places among all; 0 elsewhere."""
    spread = []
    for values in (needs.asked, needs.first, needs.pieces):
        whole = np.zeros(shape)
        whole[at] = values
        spread.append(whole)
    return Needs(*spread)
