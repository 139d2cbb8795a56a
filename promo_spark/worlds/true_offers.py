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
from promo_spark.worlds.abuse import taken
from promo_spark.worlds.expectations import (
    NODE_WEIGHTS,
    absent,
    absent_beside,
    first_visits,
)
from promo_spark.worlds.offers import Offers, pull_of_offers
from promo_spark.worlds.population import Population
from promo_spark.worlds.shopping import State
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints
from promo_spark.worlds.usual_days import UsualDays


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


def true_offers(
    spec: WorldSpec,
    block: int,
    day: int,
    state: State,
    offers: Offers,
    valid_days: int = 7,
    days: int = 7,
    users: Population | None = None,
    recent: Floats | None = None,
) -> TrueOffer:
    """The truth of each offer made for a day of the future, over `days` days from it. `state` is as the day begins.

    `users` are the block's users, or what they might be instead. `recent`: offers simulated before, by user.
    """
    usual = UsualDays(spec, block, day, state, days, users, recent)
    pull, none = pull_of_offers(spec, usual.shop, usual.users, offers, day), np.zeros(len(offers))
    without = _Path(usual, offers, usual.plain[offers.user], 0, opened=False)
    opened = _Path(usual, offers, usual.visits(offers.user, pull, valid_days), valid_days, opened=True)
    left = _Path(usual, offers, usual.visits(offers.user, none, valid_days), valid_days, opened=False)

    def expected(figure: str) -> Floats:
        value: Floats = response.SEEN * getattr(opened, figure) + (1 - response.SEEN) * getattr(left, figure)
        return value

    given = expected("given")
    told = TrueOffer(
        visits_without=without.visits,
        visits=expected("visits"),
        units_without=without.units,
        units=expected("units"),
        uses=expected("uses"),
        given=given,
        margin=expected("margin") - given - without.margin,
    )
    return _with_rings(spec, usual, offers, told) if usual.users.only_offers.any() else told


def _with_rings(spec: WorldSpec, usual: UsualDays, offers: Offers, told: TrueOffer) -> TrueOffer:
    """The truth with the offers of rings' accounts, which leave nothing to chance: each is redeemed on its first day.

    Where it is not made for the day, or what it is for is not there, nothing comes of it.
    """
    of_rings = usual.users.only_offers[offers.user]
    rows = np.flatnonzero(of_rings & ~offers.spent & (offers.first_day == usual.day))
    done, n = taken(spec, usual.users, offers, rows, usual.day), len(offers)
    lines, offer = done.lines, done.offer[done.lines.order]
    earned = lines.listed - lines.reduced - lines.coupon - usual.shop.cost[lines.product] * lines.quantity
    given, span = np.bincount(done.uses.offer, done.uses.given, n), usual.shop.products
    offered = np.isin(offer * span + lines.product, offers.offer * span + offers.product)
    offered &= (lines.campaign < 0) | (lines.coupon < lines.listed - lines.reduced)  # no gift
    figures = {
        "visits": np.bincount(done.offer, minlength=n).astype(np.float64),
        "units": np.bincount(offer, lines.quantity * offered, n),
        "uses": np.bincount(done.uses.offer, minlength=n).astype(np.float64),
        "given": given,
        "margin": np.bincount(offer, earned, n) - np.where(response.AT_THE_TILL[offers.mechanic], 0.0, given),
    }
    nothing = {"visits_without": np.zeros(n), "units_without": np.zeros(n)}
    return TrueOffer(
        **{name: np.where(of_rings, value, getattr(told, name)) for name, value in (figures | nothing).items()}
    )


class _Path:
    """What each offer's user does where the message is opened, or is not, or there is no offer (`valid_days` = 0)."""

    def __init__(self, usual: UsualDays, offers: Offers, visit: Floats, valid_days: int, opened: bool) -> None:
        self._usual, self._offers, self._visit, self._opened = usual, offers, visit, opened
        self._valid = np.arange(usual.days) < valid_days
        self._offered = usual.products(offers, visit, valid_days, opened)
        self.visits: Floats = visit.sum(axis=1)
        self.uses, self.given = np.zeros((2, len(offers)))
        self.units: Floats = np.zeros(len(offers))
        self.margin: Floats = (visit * usual.margin[offers.user]).sum(axis=1)
        self._take_off_baskets()
        self.margin += self._staples_margin() + self._products_margin()
        self._give_on_products()

    def _take_off_baskets(self) -> None:
        """Counts what offers on baskets give, and the margin of what is bought more to reach a minimum spend."""
        usual, offers, visit = self._usual, self._offers, self._visit
        rows = np.flatnonzero(~response.ON_PRODUCTS[offers.mechanic])
        if not len(rows) or not self._valid.any():
            return
        user, mechanic = offers.user[rows], offers.mechanic[rows]
        is_gift, once = mechanic == response.GIFT, response.ONCE[mechanic]
        least = np.maximum(offers.min_spend[rows], np.where(is_gift, 0, offers.amount[rows]))[:, None]
        redeem = response.redeem_chance(usual.users.answers.redeem[user].astype(np.float64), offers.saving[rows])
        chosen = np.where(response.CHOSEN[mechanic], redeem * self._opened, 1.0)
        reached, filled = [], []
        for baskets in usual.baskets(int(self._valid.sum())):
            spent, most = baskets.spent[user], baskets.filled[user]
            fills = (spent < least) & (least <= most) & (offers.min_spend[rows, None] > 0) & self._opened
            reached.append(chosen * ((spent >= least) | fills).mean(axis=1))
            filled.append(chosen * (baskets.more_margin[user] * fills).mean(axis=1))
        gift = np.zeros(len(offers), np.int64)
        gift[offers.offer] = offers.product
        gives = np.where(is_gift, usual.shop.cost[gift[rows]], offers.amount[rows]).astype(np.float64)
        first, product = first_visits(visit[rows]), gift[rows]
        unspent, came = np.zeros((2, len(rows)))  # came before; and did not use it then
        for d in np.flatnonzero(self._valid):
            day = usual.day + int(d)
            there = ~is_gift | (usual.shop.on_sale(product, day) & ~usual.shop.stock_out[product, day])
            again = visit[rows, d] * np.where(once, unspent, came)
            used_first, used_later = first[:, d] * reached[0] * there, again * reached[1] * there
            self.uses[rows] += used_first + used_later
            self.given[rows] += (used_first + used_later) * gives
            self.margin[rows] += first[:, d] * filled[0] + again * filled[1]
            unspent += first[:, d] - used_first - used_later
            came += first[:, d]

    def _staples_margin(self) -> Floats:
        """Of staples; those of offered products apart."""
        usual, offers = self._usual, self._offers
        needs = usual.staples(offers.user, self._visit) if self._opened else None
        pieces = needs.pieces if needs else usual.needs.pieces[offers.user]
        staples = usual.users.staples[offers.user]
        offered = np.zeros(staples.shape, bool)
        row, which = np.nonzero(staples[offers.offer] == offers.product[:, None])
        offered[offers.offer[row], which] = True
        margin = np.zeros(len(offers))
        for d, of_day in enumerate(usual.of_days):
            earned = (of_day.price - usual.shop.cost) * of_day.stock
            margin += np.where((staples >= 0) & ~offered, pieces[:, :, d] * earned[staples], 0.0).sum(axis=1)
        return margin

    def _products_margin(self) -> Floats:
        """Of the offered products: as staples, and what they bring by taste beyond what every visit brings."""
        usual, offers, offered = self._usual, self._offers, self._offered
        plain = usual.products_without(offers)
        user, product = offers.user[offers.offer], offers.product
        items, visit = usual.items[user], self._visit[offers.offer]
        mean = items @ NODE_WEIGHTS
        rule = usual.shop.rule_of[usual.shop.subcategory[product]]
        led = np.flatnonzero(rule >= 0)
        margin = np.zeros(len(product))
        for d, of_day in enumerate(usual.of_days):
            stock = of_day.stock[product]
            earned = (of_day.price[product] - usual.shop.cost[product]) * stock
            more = mean * (offered.pieces[:, d] - plain.pieces[:, d]) + offered.mentioned[:, d]
            pieces = visit[:, d] * more * stock
            margin += visit[:, d] * more * earned + offered.needs.pieces[:, d] * earned
            self.units += np.bincount(
                offers.offer,
                pieces + visit[:, d] * mean * plain.pieces[:, d] * stock + offered.needs.pieces[:, d] * stock,
                len(offers),
            )
            if len(led) and self._opened:
                margin[led] += visit[led, d] * self._more_attached(led, rule[led].astype(np.int64), items[led], d)
        return np.bincount(offers.offer, margin, len(offers)).astype(np.float64)

    def _more_attached(self, led: Ints, rule: Ints, items: Floats, d: int) -> Floats:
        """Margin per visit that planted bundles add because an offered product leads them into more baskets."""
        usual, offers, offered = self._usual, self._offers, self._offered
        plain, of_day = usual.products_without(offers), usual.of_days[d]
        user = offers.user[offers.offer[led]]
        chance = np.einsum(
            "ut,ut->u", usual.users.tastes[user].astype(np.float64), of_day.antecedent[rule, usual.level[user]]
        )
        without = np.array([usual.no_staple(r, d) for r in range(len(of_day.attached))])[rule, user]
        more = np.clip(chance + offered.chance[led, d] - plain.chance[led, d], 0, 1)
        before = absent(items, chance) * without
        after = absent(items, more) * without * (1 - offered.mentioned[led, d])
        attached: Floats = of_day.attached[rule] * (before - after)
        return attached

    def _give_on_products(self) -> None:
        """Counts what offers on products give: at the till below the shelf's price, or afterwards."""
        usual, offers, offered = self._usual, self._offers, self._offered
        on_products = response.ON_PRODUCTS[offers.mechanic]
        mechanic, offer, product = offers.mechanic[offers.offer], offers.offer, offers.product
        user, saving = offers.user[offer], offers.saving[offer]
        items, visit = usual.items[user], self._visit[offer]
        mean, bundle = items @ NODE_WEIGHTS, mechanic == response.BUNDLE
        redeem = response.redeem_chance(usual.users.answers.redeem[user].astype(np.float64), saving)
        used = np.where(response.CHOSEN[mechanic], redeem * self._opened, 1.0)
        back = np.where(mechanic == response.POINTS, response.POINTS_SPENT, 1.0)
        for d in np.flatnonzero(self._valid):
            of_day, day = usual.of_days[d], usual.day + int(d)
            stock = of_day.stock[product].astype(np.float64)
            price = of_day.price[product]
            listed = usual.shop.list_price[product, day // 7].astype(np.float64)
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
        usual, offers, offered = self._usual, self._offers, self._offered
        rows = np.flatnonzero(bundle)
        other = rows.reshape(-1, 2)[:, ::-1].ravel()
        offer, pieces, buys = offers.offer[rows], pieces.copy(), buys.copy()
        items, visits = usual.items[offers.user[offer]], self._visit[offer]
        mean, there = items @ NODE_WEIGHTS, stock[rows] * stock[other]
        own, others = offered.chance[rows, d], offered.chance[other, d]
        without = [absent(items, chance) for chance in (own, others, np.clip(own + others, 0, 1))]
        alone, said = absent_beside(items, others), offered.mentioned[rows, d]
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


def _starts(groups: Ints) -> tuple[Ints]:
    """Where each group begins; groups lie one after the other."""
    return (np.flatnonzero(np.diff(groups, prepend=-1)),)
