"""Pieces of a product that a user buys in a week without an offer: the suite's features of pairs, and the shop's shelf.

Prices and shelf promotions of the week to come are the shop's own plan; what will be out of stock is not known.
"""

from __future__ import annotations

import numpy as np
from learned import Learned
from policy_worlds import OWN, POPULAR, POPULAR_PRODUCTS

from promo_spark.features.labels.histories import Histories, OrderDays, Purchases, histories
from promo_spark.features.labels.pairs import PAIR_FEATURES, Pairs, pair_features, product_figures, units_within
from promo_spark.learners.boosting import BoostingEffort, fitted_trees
from promo_spark.learners.tables import FeatureTable
from promo_spark.worlds.streams import Bools, Floats, Ints, stream

_WEEK = 7
_WEEKS, _ROWS = 8, 300_000  # before the decision, that are learnt from
_LOOKBACK = 365
_FIRST = 2000  # the day since 1970 that the world's first stands for; accounts may be older
_OF_WEEK = ("weekly_visits", "price", "log_price", "shelf_depth", "trend_7", "trend_3")
_MONTH, _SOME = 28, 3.0  # days that trends are told from, pieces that they are drawn to it by


class Pieces:
    """Learnt from the weeks before the decision."""

    def __init__(self, of: Learned) -> None:
        self.of, self.seen, self.shop = of, of.seen, of.seen.shop
        self.category = self.shop.subcategory.astype(np.int64)
        self.usual_price = np.median(self.shop.list_price[:, : of.world.day // _WEEK + 1], axis=1)
        self.histories = self._histories()
        bought = of.world.delivered.purchases
        sold = np.zeros((self.shop.products, of.world.day + 1))
        np.add.at(sold, (bought.product, bought.day + 1), bought.units)
        self.sold_before = sold.cumsum(axis=1)
        self.trees = fitted_trees(*self._examples(), "poisson", BoostingEffort(200, 15, rows_of_leaf=200))

    def expected(self, visits: Floats, user: Ints, product: Ints, day: int) -> Floats:
        """Per row, 0 where the product is −1. `visits`: expected of a week, by user."""
        has = product >= 0
        pieces = np.zeros(len(user))
        pieces[has] = self.trees.predicted(self._table(visits, user[has], product[has], day))
        return pieces

    def _examples(self) -> tuple[FeatureTable, Floats]:
        of, spec = self.of, self.of.world.spec
        tables, pieces = [], []
        for day in of.world.day - _WEEK * np.arange(1, _WEEKS + 1):
            user, product = self._offerable(int(day))
            known = (of.world.delivered.registered[user] < day) & self._on_shelf(product, int(day))
            if day == spec.days:
                known &= ~self._offered(user, product)
            user, product = user[known], product[known]
            visits = of.weekly_visits(of.features(of.histories.before(int(day))))
            tables.append(self._table(visits, user, product, int(day)).values)
            pieces.append(units_within(self.histories, self._pairs(user, product, int(day)), _WEEK))
        return FeatureTable((*PAIR_FEATURES, *_OF_WEEK), np.concatenate(tables)), np.concatenate(pieces)

    def _offerable(self, day: int) -> tuple[Ints, Ints]:
        """Pairs as offers were made of them had the day been that of the decision: own products, and popular ones.

        What was bought later must not choose them: who bought something new would seem to buy all that is new.
        """
        bought, draw = self.of.world.delivered.purchases, stream(self.of.world.spec.seed, "pieces", day)
        before = bought.day < day
        key = bought.user[before] * self.shop.products + bought.product[before]
        times = np.bincount(key, minlength=self.of.users * self.shop.products).reshape(self.of.users, -1)
        popular = np.argsort(-times.sum(axis=0), kind="stable")[:POPULAR_PRODUCTS]
        own = np.argsort(-times, axis=1, kind="stable")[:, :OWN]
        others = popular[draw.integers(0, len(popular), (self.of.users, round(OWN * POPULAR / (1 - POPULAR))))]
        product = np.column_stack([own, others])
        user = np.repeat(np.arange(self.of.users), product.shape[1])
        drawn = draw.random(len(user)) < _ROWS / _WEEKS / len(user)
        return user[drawn], product.ravel()[drawn]

    def _on_shelf(self, product: Ints, day: int) -> Bools:
        """Was there on every day of the week."""
        days = day + np.arange(_WEEK)
        sold_out = self.shop.stock_out[product[:, None], days].any(axis=1)
        there: Bools = ~sold_out & self.shop.on_sale(product, day)
        return there

    def _offered(self, user: Ints, product: Ints) -> Bools:
        """In the week of random offers."""
        week = self.of.world.delivered.explored
        offered: Bools = (week.product[user] == product) | (week.second[user] == product)
        return offered

    def _pairs(self, user: Ints, product: Ints, day: int) -> Pairs:
        return Pairs(user, product, np.full(len(user), day + _FIRST), _LOOKBACK)

    def _table(self, visits: Floats, user: Ints, product: Ints, day: int) -> FeatureTable:
        figures = product_figures(self.histories, self.category, day + _FIRST, _LOOKBACK)
        weeks = (day + np.arange(_WEEK)) // _WEEK
        depth = self.shop.depth[:, weeks]
        price = (self.shop.list_price[:, weeks] * (1 - depth)).mean(axis=1)
        month = self._sold(day, _MONTH) / _MONTH
        trends = [np.log((self._sold(day, d) + _SOME * month) / (d * month + _SOME * month)) for d in (_WEEK, 3)]
        of_product = [price / 100, np.log(price / self.usual_price), depth.mean(axis=1), *trends]
        columns = [visits[user], *(values[product] for values in of_product)]
        of_pair = pair_features(self.histories, self._pairs(user, product, day), figures)
        return FeatureTable((*PAIR_FEATURES, *_OF_WEEK), np.column_stack([of_pair, *columns]))

    def _sold(self, day: int, days: int) -> Floats:
        """Pieces of each product on the days before the day; never 0, as its log is asked for."""
        sold: Floats = self.sold_before[:, day] - self.sold_before[:, max(day - days, 0)]
        return sold + 0.1

    def _histories(self) -> Histories:
        bought, registered = self.of.world.delivered.purchases, self.of.world.delivered.registered
        day, one = bought.day + _FIRST, np.ones(len(bought.user), np.int64)
        paid = np.rint((bought.listed - bought.reduced - bought.coupon) * 100).astype(np.int64)
        reduced = (bought.reduced + bought.coupon > 0).astype(np.int64)
        nobody = np.zeros(0, np.int64), np.zeros(0, np.int64)
        return histories(
            np.where(registered < 0, -1, registered + _FIRST),
            OrderDays(bought.user, day, paid, one, reduced),
            Purchases(bought.user, day, bought.product, bought.units * 1000),
            nobody,
            nobody,
            self.category,
        )
