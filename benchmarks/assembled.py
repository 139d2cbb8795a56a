"""Our own policy of the benchmark: the value of an offer put together from parts that are each learnt where they show.

value = extra visits × margin of an order + extra pieces of the product × what is left of its price − what is given.
The job promote is to do the same on Spark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from learned import Learned, Offered
from sklearn.linear_model import PoissonRegressor

from promo_spark.learners.boosting import BoostedTrees, BoostingEffort, fitted_trees
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.uplift.effects import SAVINGS
from promo_spark.models.uplift.response_model import FEATURES
from promo_spark.worlds import response
from promo_spark.worlds.streams import Floats, Ints

_PAIR = ("lines", "lines_28", "recency", "gap", "visits", "popular", "price", "visit_rate")
_LIKE_ALL = 3.0  # orders of a usual basket that a user's own baskets are drawn to
_TOGETHER = 0.25  # of what is bought of the rarer product of a bundle that is bought with the other; else by chance
_PAIRS_OF_USER = 3  # that the usual pieces are learnt from
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
        self.pieces_model = self._usual_pieces()
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
        weekly = of.weekly_visits(features)[user]
        pull, readiness = (features[user, FEATURES.index(name)] for name in ("pull", "readiness"))
        factor = np.exp(of.effects.log_effect(offer.mechanic, offer.saving, offer.share, pull))
        on_products = response.ON_PRODUCTS[offer.mechanic]
        visits, usual, sold = weekly * factor, [], []
        for product in (offer.product, offer.second):
            usual.append(self.pieces(features, user, product, day) * factor)
            sold.append(self._sold(features, offer, product, usual[-1]))
        is_bundle = offer.mechanic == response.BUNDLE
        more = np.where(is_bundle, np.minimum(sold[0] - usual[0], sold[1] - usual[1]), sold[0] - usual[0])
        earned = more * (self._left(offer.product, day) + self._left(offer.second, day))
        apart = sold[0] * np.minimum(sold[1] / visits, 1.0)
        both = _TOGETHER * np.minimum(sold[0], sold[1]) + (1 - _TOGETHER) * apart
        pieces = np.where(is_bundle, both, sold[0])
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
        share = self.seen.kept.sum() / self.seen.paid.sum()
        margins: Floats = share * (baskets * visits + _LIKE_ALL * usual) / (visits + _LIKE_ALL)
        return margins

    # pieces of a product

    def pieces(self, features: Floats, user: Ints, product: Ints, day: int) -> Floats:
        """Pieces of the product in a week without an offer."""
        usual = self.pieces_model.predicted(self._pairs(features, user, product, day))
        return np.where(product >= 0, usual, 0.0)

    def _pairs(self, features: Floats, user: Ints, product: Ints, day: int) -> FeatureTable:
        seen, bought = self.seen, self.of.world.delivered.purchases
        before, number = bought.day < day, np.maximum(product, 0)
        one = np.ones(len(bought.user))
        lines = seen.counted(user, number, before, one)
        lately = seen.counted(user, number, before & (bought.day >= day - 28), one)
        key = bought.user[before] * self.shop.products + bought.product[before]
        last = np.full(self.of.users * self.shop.products, -1)
        np.maximum.at(last, key, bought.day[before])
        first = np.full(self.of.users * self.shop.products, day)
        np.minimum.at(first, key, bought.day[before])
        place = user * self.shop.products + number
        popular = np.bincount(bought.product[before], minlength=self.shop.products) / max(seen.ordered.sum(), 1)
        columns = [
            lines,
            lately,
            np.where(lines > 0, day - last[place], 999),
            np.where(lines > 1, (last - first)[place] / np.maximum(lines - 1, 1), 999),
            self.of.weekly_visits(features)[user],
            popular[number],
            self._price(number, day),
            features[user, FEATURES.index("visit_rate")],
        ]
        return FeatureTable(_PAIR, np.column_stack(columns).astype(np.float64))

    def _usual_pieces(self) -> BoostedTrees:
        """Learnt on the last week of the history: some of the products that are candidates now."""
        of, day = self.of, self.of.world.spec.days - 7
        table = of.candidates.product.reshape(of.users, -1)
        columns = np.flatnonzero((table >= 0).all(axis=0))[:_PAIRS_OF_USER]
        user, product = np.repeat(np.arange(of.users), len(columns)), table[:, columns].ravel()
        bought = of.world.delivered.purchases
        week = (bought.day >= day) & (bought.day < day + 7)
        pieces = self.seen.counted(user, product, week, bought.units.astype(np.float64))
        pairs = self._pairs(of.features(of.histories.before(day)), user, product, day)
        return fitted_trees(pairs, pieces, "poisson", BoostingEffort(trees=150, leaves=15, rows_of_leaf=200))

    def _lift(self) -> PoissonRegressor:
        """How many more pieces an offer on a product sells than its visits hold, by the week of random offers."""
        on = (self.week.mechanic >= 0) & response.ON_PRODUCTS[self.week.mechanic]
        offer, of = self.week.rows(on), self.of
        start = of.world.spec.days
        whole = np.zeros((of.users, len(FEATURES)))
        whole[self.week.user] = self.week_features
        usual = self.pieces(whole, offer.user, offer.product, start)
        pull = whole[offer.user, FEATURES.index("pull")]
        factor = np.exp(of.effects.log_effect(offer.mechanic, offer.saving, offer.share, pull))
        bought = of.world.delivered.purchases
        pieces = self.seen.counted(offer.user, offer.product, bought.day >= start, bought.units.astype(np.float64))
        exposure = np.maximum(usual * factor, 1e-3)
        return PoissonRegressor(alpha=3.0 / len(exposure), max_iter=500).fit(
            self._lift_features(whole, offer, exposure), pieces / exposure, sample_weight=exposure
        )

    def _lift_features(self, features: Floats, offer: Offered, usual: Floats) -> Floats:
        mechanic = offer.mechanic[:, None] == np.flatnonzero(response.ON_PRODUCTS)
        own = features[offer.user][:, [FEATURES.index("pull"), FEATURES.index("mention")]] / np.array([4.0, 3.0])
        log = np.log(np.maximum(usual, 1e-3))[:, None]
        rise = np.interp(offer.saving, SAVINGS, self.of.effects.savings)[:, None]
        return np.column_stack([np.column_stack([mechanic, own, log]) * rise, log])

    def _sold(self, features: Floats, offer: Offered, product: Ints, usual: Floats) -> Floats:
        """Pieces of the product that the week sells under the offer; `usual`: that its visits hold without it."""
        told = usual * self.lift.predict(self._lift_features(features, offer, usual))
        return np.where((product >= 0) & (offer.mechanic >= 0), told, usual)

    def _calibration(self, given: Floats) -> PoissonRegressor:
        """What was given by what was expected: large expectations are often too large, small ones too small."""
        whole = np.zeros((self.of.users, len(FEATURES)))
        whole[self.week.user] = self.week_features
        expected = self.parts(whole, self.week, self.of.world.spec.days).given
        rows = (self.week.mechanic >= 0) & (expected > 0)
        x = _levels(expected[rows], self.week.mechanic[rows])
        return PoissonRegressor(alpha=30.0 / rows.sum(), max_iter=500).fit(
            x, given[rows] / expected[rows], sample_weight=expected[rows]
        )

    def _as_given(self, expected: Floats, mechanic: Ints) -> Floats:
        if self.recalibrated is None:
            return expected
        has = (mechanic >= 0) & (expected > 0)
        told = np.zeros(len(expected))
        told[has] = expected[has] * self.recalibrated.predict(_levels(expected[has], mechanic[has]))
        return told


def _levels(expected: Floats, mechanic: Ints) -> Floats:
    of_mechanic = (mechanic[:, None] == np.arange(len(response.NAMES))).astype(np.float64)
    log = np.log(np.maximum(expected, 1e-4))[:, None]
    return np.column_stack([of_mechanic, log, 0.3 * of_mechanic * log])
