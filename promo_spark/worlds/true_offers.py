"""What an offer changes, told exactly: visits, pieces, uses, what is given, and margin, for any offers of a block.

Each offer is taken by itself: its user has no other, it is made for a day that can be simulated and holds some days.
The expectation is over what chance draws in `simulated_day`: whether the message is opened, visits, baskets, and
choices. What the world knows of a user (response, when the user leaves, when staples are due) is known here too, so
this is an oracle, and no estimator can be as good.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.worlds import response
from promo_spark.worlds.assignments import LEFT, SEEN, contacts_before
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.expectations import (
    NODE_WEIGHTS,
    PIECES,
    AskedStaples,
    Needs,
    Staples,
    absent,
    basket_spends,
    day_of_shop,
    first_visits,
    level_of,
    staple_path,
    wanted_items,
)
from promo_spark.worlds.offers import Offers, log_felt_price, pull_of_offers
from promo_spark.worlds.population import STAPLES, population
from promo_spark.worlds.shopping import MOST_UNITS, WANTED, State
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints

BASKETS = 56  # per user, over which the chance to reach a minimum spend is taken
_FINE = 0.25  # days: step in which due days of an offered staple are kept


@dataclass(frozen=True)
class TrueOffer:
    """One row per offer, over the days that were asked for. Money in cents."""

    visits_without: Floats
    visits: Floats
    units_without: Floats  # of the offered products
    units: Floats
    uses: Floats  # orders that the offer gave something to
    given: Floats
    margin: Floats  # incremental: with the offer, after what is given, less without it


@dataclass(frozen=True)
class _Products:
    """One row per offer and offered product, and day: what a visit holds of it."""

    chance: Floats  # per wanted item: it is bought and is the product
    pieces: Floats  # per wanted item: pieces of it
    mentioned: Floats  # the offer brings it to mind, and it is bought
    needs: Needs  # as a staple


def true_offers(
    spec: WorldSpec, block: int, day: int, state: State, offers: Offers, valid_days: int = 7, days: int = 7
) -> TrueOffer:
    """The truth of each offer made for a day of the future, over `days` days from it. `state` is as the day begins."""
    return _Truth(spec, block, day, state, days).of(offers, valid_days)


class _Truth:
    """The block's expectations without any offer, and each offer's beside them."""

    def __init__(self, spec: WorldSpec, block: int, day: int, state: State, days: int) -> None:
        self.spec, self.block, self.day, self.days, self.state = spec, block, day, days, state
        self.shop, self.users = catalogue(spec), population(spec, block)
        self.of_days = [day_of_shop(spec, self.shop, day + d) for d in range(days)]
        self.tiring = np.column_stack([contacts_before(spec, block, day + d) for d in range(days)])
        every, plain = np.arange(len(self.users)), np.ones(len(self.users))
        self.level = level_of(spec, self.users)
        self.plain = self.visits(every, np.zeros(len(every)), 0, 0)
        self.needs = self.staples(every, self.plain)
        self.stretch = plain + self.users.answers.stretch
        self.items = wanted_items(self.users, plain)
        self.margin = self.visit_margin(self.items)
        self.stretched_margin = self.visit_margin(wanted_items(self.users, self.stretch))
        self._spends: tuple[Floats, Floats] | None = None
        self._without: _Products | None = None

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

    def visits(self, user: Ints, pull: Floats, valid_days: int, made: int) -> Floats:
        """Row × day: chance of a visit under an offer with this pull; `made`: how many offers that is."""
        users, form = self.users, self.spec.response_form
        habit, strain = self.state.habit[user], self.state.strain[user]
        visit = np.zeros((len(user), self.days))
        for d in range(self.days):
            tiring = self.tiring[user, d] + (made if d else 0)
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

    def spends(self, valid_days: int) -> tuple[Floats, Floats]:
        """User × basket, of the valid days: what plain and stretched baskets come to, sizes drawn."""
        if self._spends is None:
            number = np.arange(BASKETS) % valid_days
            asked = AskedStaples(
                first=self.needs.first,
                later=self.needs.later(self.plain[:, None, :]),
                is_first=first_visits(self.plain) / np.maximum(self.plain, 1e-12),
            )
            of_shop = self.spec, self.shop, self.users, self.block
            self._spends = basket_spends(*of_shop, self.day + number, asked, self.stretch)
        return self._spends

    # products of offers

    def products_without(self, offers: Offers) -> _Products:
        """What the same visits hold of the products where there is no offer."""
        if self._without is None:
            visit = self.visits(offers.user, np.zeros(len(offers)), 0, 0)
            self._without = self.products(offers, visit, 0, opened=False)
        return self._without

    def products(self, offers: Offers, visit: Floats, valid_days: int, opened: bool) -> _Products:
        """What the visits of a path hold of the offered products, in and out of stock."""
        users, shop, form = self.users, self.shop, self.spec.response_form
        offer, product = offers.offer, offers.product
        user, mechanic = offers.user[offer], offers.mechanic[offer]
        speaks = opened & response.ON_PRODUCTS[mechanic]
        felt = np.where(speaks, response.FELT_PRICE[mechanic] * offers.saving[offer], 0.0)
        said = np.where(speaks, response.curve(form, offers.saving[offer]), 0.0)
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
                mentioned[:, d] = users.items()[user] * taste * multiple * np.maximum(np.expm1(attention * said), 0)
        bundle = mechanic == response.BUNDLE
        together = np.full((len(offers), self.days), np.inf)
        np.minimum.at(together, offer, mentioned)
        mentioned = -np.expm1(-np.where(bundle[:, None], together[offer], mentioned))
        bought = multiples[1] / WANTED
        return _Products(
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

    # paths

    def of(self, offers: Offers, valid_days: int) -> TrueOffer:
        """The truth of each offer: opened or not, less the same days without it."""
        pull, none = pull_of_offers(self.spec, self.shop, self.users, offers, self.day), np.zeros(len(offers))
        without = _Path(self, offers, self.visits(offers.user, none, 0, 0), 0, opened=False)
        opened = _Path(self, offers, self.visits(offers.user, pull, valid_days, 1), valid_days, opened=True)
        left = _Path(self, offers, self.visits(offers.user, none, valid_days, 1), valid_days, opened=False)

        def expected(figure: str) -> Floats:
            value: Floats = SEEN * getattr(opened, figure) + (1 - SEEN) * getattr(left, figure)
            return value

        given = expected("given")
        return TrueOffer(
            visits_without=without.visits,
            visits=expected("visits"),
            units_without=without.units,
            units=expected("units"),
            uses=expected("uses"),
            given=given,
            margin=expected("margin") - given - without.margin,
        )


class _Path:
    """What each offer's user does where the message is opened, or is not, or there is no offer (`valid_days` = 0)."""

    def __init__(self, truth: _Truth, offers: Offers, visit: Floats, valid_days: int, opened: bool) -> None:
        self._truth, self._offers, self._visit, self._opened = truth, offers, visit, opened
        self._valid = np.arange(truth.days) < valid_days
        self._offered = truth.products(offers, visit, valid_days, opened)
        self.visits: Floats = visit.sum(axis=1)
        self.uses, self.given = np.zeros((2, len(offers)))
        self.units: Floats = np.zeros(len(offers))
        unspent = self._take_off_baskets()
        stretched = np.where(unspent > 0, unspent, 0.0)
        plain, longer = truth.margin[offers.user], truth.stretched_margin[offers.user]
        self.margin: Floats = (visit * (stretched * longer + (1 - stretched) * plain)).sum(axis=1)
        self.margin += self._staples_margin() + self._products_margin()
        self._give_on_products()

    def _take_off_baskets(self) -> Floats:
        """Offer × day: chance that its list is stretched to reach a minimum spend. Counts the uses of such offers."""
        truth, offers, visit = self._truth, self._offers, self._visit
        once = response.ONCE[offers.mechanic]
        rows = np.flatnonzero(~response.ON_PRODUCTS[offers.mechanic])
        stretched = np.zeros_like(visit)
        if not len(rows) or not self._valid.any():
            return stretched
        user, mechanic = offers.user[rows], offers.mechanic[rows]
        spends = truth.spends(int(self._valid.sum()))[1 if self._opened else 0]
        least = np.maximum(offers.min_spend[rows], np.where(mechanic == response.GIFT, 0, offers.amount[rows]))
        reached = (spends[user] >= least[:, None]).mean(axis=1)
        chosen = response.redeem_chance(truth.users.answers.redeem[user].astype(np.float64), offers.saving[rows])
        chance = reached * np.where(response.CHOSEN[mechanic], chosen * self._opened, 1.0)
        gives, there = offers.amount[rows].astype(np.float64), np.ones((len(rows), truth.days))
        gift = np.zeros(len(offers), np.int64)
        gift[offers.offer] = offers.product
        is_gift = mechanic == response.GIFT
        gives[is_gift] = truth.shop.cost[gift[rows[is_gift]]]
        unspent = np.ones(len(rows))
        for d in np.flatnonzero(self._valid):
            day = truth.day + int(d)
            product = gift[rows]
            there = np.where(is_gift, truth.shop.on_sale(product, day) & ~truth.shop.stock_out[product, day], True)
            used = visit[rows, d] * chance * unspent * there
            self.uses[rows] += used
            self.given[rows] += used * gives
            stretched[rows, d] = unspent * (self._opened & (offers.min_spend[rows] > 0))
            unspent = np.where(once[rows], unspent - used, unspent)
        return stretched

    def _staples_margin(self) -> Floats:
        """Of staples; those of offered products apart."""
        truth, offers = self._truth, self._offers
        needs = truth.staples(offers.user, self._visit) if self._opened else None
        pieces = needs.pieces if needs else truth.needs.pieces[offers.user]
        staples = truth.users.staples[offers.user]
        offered = np.zeros(staples.shape, bool)
        row, which = np.nonzero(staples[offers.offer] == offers.product[:, None])
        offered[offers.offer[row], which] = True
        margin = np.zeros(len(offers))
        for d, of_day in enumerate(truth.of_days):
            earned = (of_day.price - truth.shop.cost) * of_day.stock
            margin += np.where((staples >= 0) & ~offered, pieces[:, :, d] * earned[staples], 0.0).sum(axis=1)
        return margin

    def _products_margin(self) -> Floats:
        """Of the offered products: as staples, and what they bring by taste beyond what every visit brings."""
        truth, offers, offered = self._truth, self._offers, self._offered
        usual = truth.products_without(offers)
        user, product = offers.user[offers.offer], offers.product
        items, visit = truth.items[user], self._visit[offers.offer]
        mean = items @ NODE_WEIGHTS
        rule = truth.shop.rule_of[truth.shop.subcategory[product]]
        led = np.flatnonzero(rule >= 0)
        margin = np.zeros(len(product))
        for d, of_day in enumerate(truth.of_days):
            stock = of_day.stock[product]
            earned = (of_day.price[product] - truth.shop.cost[product]) * stock
            more = mean * (offered.pieces[:, d] - usual.pieces[:, d]) + offered.mentioned[:, d]
            pieces = visit[:, d] * more * stock
            margin += visit[:, d] * more * earned + offered.needs.pieces[:, d] * earned
            self.units += np.bincount(
                offers.offer,
                pieces + visit[:, d] * mean * usual.pieces[:, d] * stock + offered.needs.pieces[:, d] * stock,
                len(offers),
            )
            if len(led) and self._opened:
                margin[led] += visit[led, d] * self._more_attached(led, rule[led].astype(np.int64), items[led], d)
        return np.bincount(offers.offer, margin, len(offers)).astype(np.float64)

    def _more_attached(self, led: Ints, rule: Ints, items: Floats, d: int) -> Floats:
        """Margin per visit that planted bundles add because an offered product leads them into more baskets."""
        truth, offers, offered = self._truth, self._offers, self._offered
        usual, of_day = truth.products_without(offers), truth.of_days[d]
        user = offers.user[offers.offer[led]]
        chance = np.einsum(
            "ut,ut->u", truth.users.tastes[user].astype(np.float64), of_day.antecedent[rule, truth.level[user]]
        )
        without = np.array([truth.no_staple(r, d) for r in range(len(of_day.attached))])[rule, user]
        more = np.clip(chance + offered.chance[led, d] - usual.chance[led, d], 0, 1)
        before = absent(items, chance) * without
        after = absent(items, more) * without * (1 - offered.mentioned[led, d])
        attached: Floats = of_day.attached[rule] * (before - after)
        return attached

    def _give_on_products(self) -> None:
        """Counts what offers on products give: at the till below the shelf's price, or afterwards."""
        truth, offers, offered = self._truth, self._offers, self._offered
        on_products = response.ON_PRODUCTS[offers.mechanic]
        mechanic, offer, product = offers.mechanic[offers.offer], offers.offer, offers.product
        user, saving = offers.user[offer], offers.saving[offer]
        items, visit = truth.items[user], self._visit[offer]
        mean, bundle = items @ NODE_WEIGHTS, mechanic == response.BUNDLE
        redeem = response.redeem_chance(truth.users.answers.redeem[user].astype(np.float64), saving)
        used = np.where(response.CHOSEN[mechanic], redeem * self._opened, 1.0)
        back = np.where(mechanic == response.POINTS, response.POINTS_SPENT, 1.0)
        for d in np.flatnonzero(self._valid):
            of_day, day = truth.of_days[d], truth.day + int(d)
            stock = of_day.stock[product].astype(np.float64)
            price = of_day.price[product]
            listed = truth.shop.list_price[product, day // 7].astype(np.float64)
            at_till = np.maximum(price - (listed - np.rint(listed * saving)), 0.0)
            gives = np.where(response.AT_THE_TILL[mechanic], at_till, price * saving * back)
            chance, asked, mentioned = offered.chance[:, d], offered.needs.asked[:, d], offered.mentioned[:, d]
            missing = absent(items, chance) * (1 - asked) * (1 - mentioned)
            missing = 1 - (1 - missing) * stock
            pieces = (
                visit[:, d] * (mean * offered.pieces[:, d] + mentioned) * stock + offered.needs.pieces[:, d] * stock
            )
            buys = visit[:, d] * (1 - missing)
            if bundle.any():
                pieces, buys = self._of_whole_bundles(int(d), bundle, pieces, buys, stock)
            given = np.bincount(offer, pieces * gives * used, len(offers))
            uses = np.maximum.reduceat(buys * used, *_starts(offer)) if len(offer) else np.zeros(0)
            self.given += np.where(on_products, given, 0.0)
            most = np.zeros(len(offers))
            most[np.unique(offer)] = uses
            self.uses += np.where(on_products, most, 0.0)

    def _of_whole_bundles(
        self, d: int, bundle: Bools, pieces: Floats, buys: Floats, stock: Floats
    ) -> tuple[Floats, Floats]:
        """Pieces bought, and visits, where the bundle's other product is in the basket too. Bundles have two.

        At the first visit after some time both are often due as staples, so such visits are told apart.
        """
        truth, offers, offered = self._truth, self._offers, self._offered
        rows = np.flatnonzero(bundle)
        other = rows.reshape(-1, 2)[:, ::-1].ravel()
        offer, pieces, buys = offers.offer[rows], pieces.copy(), buys.copy()
        items, visits = truth.items[offers.user[offer]], self._visit[offer]
        mean, there = items @ NODE_WEIGHTS, stock[rows] * stock[other]
        own, others = offered.chance[rows, d], offered.chance[other, d]
        without = [absent(items, chance) for chance in (own, others, np.clip(own + others, 0, 1))]
        alone, said = absent(np.maximum(items - 1, 0), others), offered.mentioned[rows, d]
        first, every = first_visits(visits)[:, d], self._visit[offers.offer]
        later = offered.needs.later(every)[:, d]
        per_need = offered.needs.pieces[:, d] / np.maximum(offered.needs.asked[:, d] * every[:, d], 1e-12)
        pieces[rows], buys[rows] = 0.0, 0.0
        for weight, asked in ((first, offered.needs.first[:, d]), (visits[:, d] - first, later)):
            no_own, no_other = 1 - asked[rows], 1 - asked[other]
            both = 1 - (without[0] * no_own + without[1] * no_other - without[2] * no_own * no_other) * (1 - said)
            by_taste = mean * offered.pieces[rows, d] * (1 - alone * no_other * (1 - said))
            needed = asked[rows] * per_need[rows] * (1 - without[1] * no_other * (1 - said))
            buys[rows] += weight * both * there
            pieces[rows] += weight * (by_taste + said + needed) * there
        return pieces, buys


def _spread(needs: Needs, at: tuple[Ints, ...], shape: tuple[int, ...]) -> Needs:
    """The rows' needs at their places among all; 0 elsewhere."""
    spread = []
    for values in (needs.asked, needs.first, needs.pieces):
        whole = np.zeros(shape)
        whole[at] = values
        spread.append(whole)
    return Needs(*spread)


def _starts(groups: Ints) -> tuple[Ints]:
    """Where each group begins; groups lie one after the other."""
    return (np.flatnonzero(np.diff(groups, prepend=-1)),)
