"""Our own policy of the benchmark: the value of an offer put together from parts that are each learnt where they show.

value = extra visits × margin of an order + extra pieces of the product × what is left of its price − what is given.
The job promote is to do the same on Spark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from learned import Learned, Offered
from lifts import Lifts, Usual, baskets_together, fitted_lifts, shelf_elasticities
from pieces import Pieces
from sklearn.linear_model import PoissonRegressor

from promo_spark.models.uplift.effects import SAVINGS
from promo_spark.models.uplift.response_model import FEATURES
from promo_spark.worlds import response
from promo_spark.worlds.streams import Bools, Floats, Ints

_LIKE_ALL = 3.0  # orders of a usual basket that a user's own baskets are drawn to
_LATELY = 28  # days that tell the level of margins
_SPREAD_OF_KIND, _SPREAD_OF_MECHANIC = 0.4, 0.15  # of the logs of the levels of what is given
_SPREAD_OF_SLOPE = 0.5
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
        self.of_week = np.zeros((of.users, len(FEATURES)))  # the same, one row per user
        self.of_week[self.week.user] = self.week_features
        self.opened = float(of.world.delivered.explored.opened[of.world.delivered.explored.mechanic >= 0].mean())
        self.usual = Pieces(of)
        self.visits_level = self._visits_level()
        self.margin_level = 1.0
        self.margin_level = self._margin_level()
        self.lifts = self._lifts()
        self.recalibrated: PoissonRegressor | None = None
        self.recalibrated = self._calibration(of.trials.given[explored])
        self.believable = self._believable(of.trials.given[explored])

    def estimates(self) -> tuple[Floats, Floats]:
        """User × candidate: the value, and the amount expected to be given."""
        of, offer = self.of, self.of.candidates
        parts = self.parts(of.now, offer, self.day)
        net = (parts.earned - parts.given) * self.believable[offer.mechanic]
        value = self.margins(of.now)[offer.user] * parts.visits + net
        has = offer.mechanic >= 0
        return of.shaped(np.where(has, value, 0.0)), of.shaped(np.where(has, parts.given, 0.0))

    def parts(self, features: Floats, offer: Offered, day: int) -> Parts:
        """`features`: one row per user; the offers are made for the day."""
        user, mechanic = offer.user, offer.mechanic
        usual = self._usual(features, offer, day)
        sold, on_products = self.lifts.sold(offer, usual), response.ON_PRODUCTS[mechanic]
        earned = (sold.first - usual.first) * self._left(offer.product, day)
        earned += (sold.second - usual.second) * self._left(offer.second, day)
        pieces = np.where(mechanic == response.BUNDLE, sold.together, sold.first)
        given = np.where(on_products, self._on_products(offer, pieces, day), 0.0)
        given += np.where(~on_products, self._on_baskets(offer, usual.visits), 0.0)
        chance = features[user, FEATURES.index("readiness")] * self.of.model.known.use_level(offer.saving)
        given *= np.where(response.CHOSEN[mechanic], self.opened * chance, 1.0)
        given = self._as_given(given, mechanic)
        return Parts(usual.visits - self.weekly_visits(features)[user], np.where(on_products, earned, 0.0), given)

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

    def _lifts(self) -> Lifts:
        """By the week of random offers."""
        on = (self.week.mechanic >= 0) & response.ON_PRODUCTS[self.week.mechanic]
        offer = self.week.rows(on)
        sold, usual = self._sold(offer), self._usual(self.of_week, offer, self.of.world.spec.days)
        together = baskets_together(self.seen, offer.rows(offer.mechanic == response.BUNDLE))
        return fitted_lifts(shelf_elasticities(self.seen), together, offer, usual, sold)

    def _sold(self, offer: Offered) -> tuple[Floats, Floats]:
        """Pieces of the offers' products in the week of random offers."""
        bought = self.of.world.delivered.purchases
        held, units = bought.day >= self.of.world.spec.days, bought.units.astype(np.float64)
        first, second = (self.seen.counted(offer.user, one, held, units) for one in (offer.product, offer.second))
        return first, second

    def _usual(self, features: Floats, offer: Offered, day: int) -> Usual:
        """What the visits under the offers hold without them."""
        user, of = offer.user, self.of
        pull, mention = (features[user, FEATURES.index(name)] for name in ("pull", "mention"))
        factor = np.exp(of.effects.log_effect(offer.mechanic, offer.saving, offer.share, pull))
        first, second = (self.pieces(features, user, p, day) * factor for p in (offer.product, offer.second))
        rise = np.interp(offer.saving, SAVINGS, of.effects.savings)
        return Usual(first, second, mention, rise, self.weekly_visits(features)[user] * factor)

    def _calibration(self, given: Floats) -> PoissonRegressor:
        """What offers on baskets gave over what was expected: of all, and of each mechanic.

        What offers on products give goes with the pieces that they sell, of which the lifts have the level.
        """
        expected = self.parts(self.of_week, self.week, self.of.world.spec.days).given
        rows = _on_baskets(self.week.mechanic) & (expected > 0)
        mechanic, ratio, weight = self.week.mechanic[rows], given[rows] / expected[rows], expected[rows]
        for one in np.unique(mechanic):  # where a few give much, less is told
            scatter = weight[mechanic == one] @ (ratio[mechanic == one] - 1) ** 2 / (mechanic == one).sum()
            weight[mechanic == one] /= max(float(scatter), 1e-9)
        prior = 1 / _SPREAD_OF_KIND**2 / weight.sum()
        fit = PoissonRegressor(alpha=prior, fit_intercept=False, max_iter=500)
        return fit.fit(_kinds(mechanic), ratio, sample_weight=weight)

    def _believable(self, given: Floats) -> Floats:
        """By mechanic: what the pieces sold less what was given come to in the random week, over what was told.

        What sells in large numbers is told with large errors, and is chosen for them. 1 where there are no products.
        """
        day, offer = self.of.world.spec.days, self.week
        told, usual = self.parts(self.of_week, offer, day), self._usual(self.of_week, offer, day)
        first, second = self._sold(offer)
        seen = (first - usual.first) * self._left(offer.product, day) - given
        seen += (second - usual.second) * self._left(offer.second, day)
        net, weight = told.earned - told.given, 1 / (1 + np.abs(told.earned) + told.given)
        slopes = np.ones(len(response.NAMES) + 1)  # the last: no offer
        for one in np.flatnonzero(response.ON_PRODUCTS):
            rows = offer.mechanic == one
            x, y, w = net[rows], seen[rows], weight[rows]
            prior = float((w * (y - x) ** 2).mean()) / _SPREAD_OF_SLOPE**2
            slopes[one] = (w @ (x * y) + prior) / (w @ (x * x) + prior)
        return slopes

    def _as_given(self, expected: Floats, mechanic: Ints) -> Floats:
        has, told = _on_baskets(mechanic) & (expected > 0), expected.copy()
        if self.recalibrated is None or not has.any():
            return expected
        told[has] = expected[has] * self.recalibrated.predict(_kinds(mechanic[has]))
        return told


def _on_baskets(mechanic: Ints) -> Bools:
    on_baskets: Bools = (mechanic >= 0) & ~response.ON_PRODUCTS[mechanic]
    return on_baskets


def _kinds(mechanic: Ints) -> Floats:
    """All that differs in level: offers on baskets from what was expected, and less each mechanic from the others."""
    of_mechanic = (mechanic[:, None] == np.arange(len(response.NAMES))).astype(np.float64)
    return np.column_stack([np.ones(len(mechanic)), _SPREAD_OF_MECHANIC / _SPREAD_OF_KIND * of_mechanic])
