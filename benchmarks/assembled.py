"""Our own policy of the benchmark: the value of an offer put together from parts that are each learnt where they show.

value = extra visits × margin of an order + extra pieces of the product × what is left of its price − what is given.
The job promote is to do the same on Spark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from learned import Learned, Offered
from pieces import Pieces
from sklearn.linear_model import PoissonRegressor

from promo_spark.models.uplift.effects import SAVINGS
from promo_spark.models.uplift.response_model import FEATURES
from promo_spark.worlds import response
from promo_spark.worlds.streams import Floats, Ints

_LIKE_ALL = 3.0  # orders of a usual basket that a user's own baskets are drawn to
_LATELY = 28  # days that tell the level of margins
_RARE = 1e-3  # pieces a week: fewer are not told apart
_AFTER = np.array([response.POINTS_SPENT if name == "points" else 1.0 for name in response.NAMES])


@dataclass(frozen=True)
class Parts:
    """One row per offer: what is expected of a week under it."""

    visits: Floats  # extra
    earned: Floats  # by extra pieces of the products, beyond those that the extra visits hold, before what is given
    given: Floats


class Assembled:
    """What is learnt of orders, products and what is given, on top of the effects on visits."""

    def __init__(self, of: Learned) -> None:
        self.of, self.seen = of, of.seen
        self.shop, self.day = of.seen.shop, of.world.day
        explored = of.trials.began == of.world.spec.days
        self.week = of.trials.offer.rows(explored)
        self.week_features = of.trials.features[explored]
        self.opened = float(of.world.delivered.explored.opened[of.world.delivered.explored.mechanic >= 0].mean())
        self.usual = Pieces(of, *_pairs(of.candidates))
        self.visits_level = self._visits_level()
        self.margin_level = 1.0
        self.margin_level = self._margin_level()
        self.lift = self._lift()
        self.recalibrated: PoissonRegressor | None = None
        self.recalibrated = self._calibration(of.trials.given[explored])

    def estimates(self) -> tuple[Floats, Floats]:
        """User × candidate: the value, and the amount expected to be given."""
        of, offer = self.of, self.of.candidates
        parts = self.parts(of.now, offer, self.day)
        value = self.margins(of.now)[offer.user] * parts.visits + parts.earned - parts.given
        has = offer.mechanic >= 0
        return of.shaped(np.where(has, value, 0.0)), of.shaped(np.where(has, parts.given, 0.0))

    def parts(self, features: Floats, offer: Offered, day: int) -> Parts:
        """`features`: one row per user; the offers are made for the day."""
        of, user = self.of, offer.user
        weekly = self.weekly_visits(features)[user]
        pull, readiness = (features[user, FEATURES.index(name)] for name in ("pull", "readiness"))
        factor = np.exp(of.effects.log_effect(offer.mechanic, offer.saving, offer.share, pull))
        on_products = response.ON_PRODUCTS[offer.mechanic]
        visits = weekly * factor
        first, second = (
            self.pieces(features, user, product, day) * factor for product in (offer.product, offer.second)
        )
        sold, sold_second = self._sold(features, offer, first, second), self._sold(features, offer, second, first)
        more, more_second = sold - first, sold_second - second
        earned = more * self._left(offer.product, day) + more_second * self._left(offer.second, day)
        pieces = np.where(offer.mechanic == response.BUNDLE, _together(visits, first, second, more, more_second), sold)
        given = np.where(on_products, self._on_products(offer, pieces, day), 0.0)
        given += np.where(~on_products, self._on_baskets(offer, visits), 0.0)
        chance = readiness * of.model.known.use_level(offer.saving)
        given *= np.where(response.CHOSEN[offer.mechanic], self.opened * chance, 1.0)
        given = self._as_given(given, offer.mechanic)
        return Parts(weekly * (factor - 1), np.where(on_products, earned, 0.0), given)

    def _left(self, product: Ints, day: int) -> Floats:
        """What is left of a piece's price at the shelf; 0 where there is no product."""
        left = self._price(product, day) - self.shop.cost[np.maximum(product, 0)] / 100
        return np.where(product >= 0, left, 0.0)

    def _on_products(self, offer: Offered, pieces: Floats, day: int) -> Floats:
        """What is given on the product: at the till below the shelf's price, or afterwards."""
        listed = self.shop.list_price[np.maximum(offer.product, 0), day // 7] / 100
        price = self._price(offer.product, day)
        at_till = np.maximum(price - listed * (1 - offer.saving), 0.0)
        after = price * offer.saving * _AFTER[np.maximum(offer.mechanic, 0)]
        each = np.where(response.AT_THE_TILL[offer.mechanic], at_till, after)
        second = self._price(offer.second, day) / np.maximum(price, 0.01)
        each = each * np.where(offer.mechanic == response.BUNDLE, 1 + second, 1.0)
        given: Floats = pieces * each
        return given

    def _on_baskets(self, offer: Offered, visits: Floats) -> Floats:
        """What is given where enough is spent: once, or at every order."""
        least = np.maximum(offer.min_spend, np.where(offer.mechanic == response.GIFT, 0.0, offer.amount))
        reaching = visits * self.seen.reach(offer.user, least)
        uses = np.where(response.ONCE[offer.mechanic], -np.expm1(-reaching), reaching)
        gift = self.shop.cost[np.maximum(offer.product, 0)] / 100
        return uses * np.where(offer.mechanic == response.GIFT, gift, offer.amount)

    def _price(self, product: Ints, day: int) -> Floats:
        number = np.maximum(product, 0)
        price = self.shop.list_price[number, day // 7] / 100 * (1 - self.shop.depth[number, day // 7])
        return np.asarray(np.where(product >= 0, price, 0.0), np.float64)

    def margins(self, features: Floats) -> Floats:
        """What an order leaves before offers, by user."""
        rate, tenure, basket = (features[:, FEATURES.index(n)] for n in ("visit_rate", "tenure", "basket_value"))
        visits = np.maximum(np.exp(rate) * (np.expm1(tenure) + 7.0) - 0.3, 0.0)
        baskets = np.expm1(basket)
        usual = (baskets * visits).sum() / max(visits.sum(), 1.0)
        share = self.seen.kept.sum() / self.seen.paid.sum() * self.margin_level
        margins: Floats = share * (baskets * visits + _LIKE_ALL * usual) / (visits + _LIKE_ALL)
        return margins

    def _margin_level(self) -> float:
        """What orders left of late, before coupons, over what all would say: prices and seasons change."""
        bought, days = self.of.world.delivered.purchases, self.of.world.spec.days
        offered = self.of.world.delivered.explored.mechanic >= 0
        lately = np.arange(self.of.world.day) >= days - _LATELY
        plain = self.seen.by_day(self.seen.kept + bought.coupon)
        rows = lately & ((np.arange(self.of.world.day) < days) | ~offered[:, None])
        expected = self.margins(self.of.now)[:, None] * (self.seen.ordered & rows)
        return float((plain * rows).sum() / max(expected.sum(), 1e-9))

    def weekly_visits(self, features: Floats) -> Floats:
        """What is expected of a week without an offer, at the level of those who had none in the week of offers."""
        return self.visits_level * self.of.weekly_visits(features)

    def _visits_level(self) -> float:
        without = self.week.mechanic < 0
        expected = self.of.weekly_visits(self.week_features[without]).sum()
        visits = self.of.trials.visits[self.of.trials.began == self.of.world.spec.days][without].sum()
        return float(visits / max(expected, 1e-9))

    # pieces of a product

    def pieces(self, features: Floats, user: Ints, product: Ints, day: int) -> Floats:
        """Pieces of the product in a week without an offer."""
        return self.usual.expected(self.of.weekly_visits(features), user, product, day)

    def _lift(self) -> PoissonRegressor:
        """How many more pieces an offer on a product sells than its visits hold, by the week of random offers."""
        on = (self.week.mechanic >= 0) & response.ON_PRODUCTS[self.week.mechanic]
        offer, of = self.week.rows(on), self.of
        start, bought = of.world.spec.days, of.world.delivered.purchases
        whole = np.zeros((of.users, len(FEATURES)))
        whole[self.week.user] = self.week_features
        pull = whole[offer.user, FEATURES.index("pull")]
        factor = np.exp(of.effects.log_effect(offer.mechanic, offer.saving, offer.share, pull))
        first, second = (self.pieces(whole, offer.user, p, start) * factor for p in (offer.product, offer.second))
        rows, pieces, exposures = [], [], []
        for product, usual, other in ((offer.product, first, second), (offer.second, second, first)):
            has = product >= 0
            rows.append(self._lift_features(whole, offer, usual, other)[has])
            sold = self.seen.counted(offer.user, product, bought.day >= start, bought.units.astype(np.float64))
            pieces.append(sold[has])
            exposures.append(np.maximum(usual[has], _RARE))
        exposure = np.concatenate(exposures)
        return PoissonRegressor(alpha=3.0 / len(exposure), max_iter=500).fit(
            np.concatenate(rows), np.concatenate(pieces) / exposure, sample_weight=exposure / (1 + exposure)
        )

    def _lift_features(self, features: Floats, offer: Offered, usual: Floats, other: Floats) -> Floats:
        """`usual`: pieces of the product that the visits hold without the offer; `other`: of the bundle's other one."""
        mechanic = offer.mechanic[:, None] == np.flatnonzero(response.ON_PRODUCTS)
        own = features[offer.user][:, [FEATURES.index("pull"), FEATURES.index("mention")]] / np.array([4.0, 3.0])
        log = np.log(np.maximum(usual, _RARE))[:, None]
        rarer = np.minimum(np.log(np.maximum(other, _RARE))[:, None] - log, 0.0)
        rarer = np.where(offer.mechanic[:, None] == response.BUNDLE, rarer, 0.0)
        rise = np.interp(offer.saving, SAVINGS, self.of.effects.savings)[:, None]
        return np.column_stack([np.column_stack([mechanic, own, log, rarer]) * rise, log, rarer])

    def _sold(self, features: Floats, offer: Offered, usual: Floats, other: Floats) -> Floats:
        """Pieces of the product that the week sells under the offer."""
        told = usual * self.lift.predict(self._lift_features(features, offer, usual, other))
        return np.where((usual > 0) & (offer.mechanic >= 0), told, usual)

    def _calibration(self, given: Floats) -> PoissonRegressor:
        """What was given by what was expected: large expectations are often too large, small ones too small."""
        whole = np.zeros((self.of.users, len(FEATURES)))
        whole[self.week.user] = self.week_features
        expected = self.parts(whole, self.week, self.of.world.spec.days).given
        rows = (self.week.mechanic >= 0) & (expected > 0)
        x = _levels(expected[rows], self.week.mechanic[rows])
        return PoissonRegressor(alpha=30.0 / rows.sum(), max_iter=500).fit(
            x, given[rows] / expected[rows], sample_weight=expected[rows] / (1 + expected[rows])
        )

    def _as_given(self, expected: Floats, mechanic: Ints) -> Floats:
        if self.recalibrated is None:
            return expected
        has = (mechanic >= 0) & (expected > 0)
        told = np.zeros(len(expected))
        told[has] = expected[has] * self.recalibrated.predict(_levels(expected[has], mechanic[has]))
        return told


def _together(visits: Floats, first: Floats, second: Floats, more: Floats, more_second: Floats) -> Floats:
    """Pieces bought with the bundle's other product: what comes to mind does so as a whole, the rest by chance."""
    both = np.maximum(np.minimum(more, more_second), 0.0)
    by_chance = (first + more - both) * np.minimum((second + more_second - both) / visits, 1.0)
    return both + by_chance


def _pairs(of: Offered) -> tuple[Ints, Ints]:
    """Users and products that offers are on."""
    on = (of.mechanic >= 0) & response.ON_PRODUCTS[of.mechanic]
    two = on & (of.second >= 0)
    return np.concatenate([of.user[on], of.user[two]]), np.concatenate([of.product[on], of.second[two]])


def _levels(expected: Floats, mechanic: Ints) -> Floats:
    of_mechanic = (mechanic[:, None] == np.arange(len(response.NAMES))).astype(np.float64)
    log = np.log(np.maximum(expected, 1e-4))[:, None]
    return np.column_stack([of_mechanic, log, 0.3 * of_mechanic * log])
