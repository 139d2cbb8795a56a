"""Users' candidate products as of a day, with what is known of each: the same for training dates and for the date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from promo_spark.contracts.model_features import RankingFeatures
from promo_spark.contracts.sensitive import declared_features
from promo_spark.features.labels.batches import Batch, Catalogue
from promo_spark.features.labels.histories import Floats, Ints
from promo_spark.features.labels.pairs import PAIR_FEATURES, Pairs, ProductFigures, pair_features, product_figures
from promo_spark.features.labels.strengths import purchase_matrix, ties
from promo_spark.features.products.planned import Planned
from promo_spark.flows.propensity.examples import Sample
from promo_spark.models.recommenders.candidates import Breadth, Own, Scored, Shoppers, candidates, scored_users
from promo_spark.models.recommenders.first_stage.interface import UserItems
from promo_spark.models.recommenders.neighbours import Neighbours
from promo_spark.settings.recommend import RecommendSettings

RANKING = declared_features(*PAIR_FEATURES, *RankingFeatures.columns())
# With these, all else the same, a purchase can only become likelier.
RISING = (
    "order_days_28",
    "order_days_91",
    "pair_days",
    "pair_days_28",
    "pair_days_91",
    "pair_share",
    "category_days",
    RankingFeatures.pair_strength,
    RankingFeatures.goes_together,
    RankingFeatures.bought_by_similar,
    RankingFeatures.product_buyers_28,
    RankingFeatures.planned_display,
    RankingFeatures.planned_mailer,
)
_MONTH, _WEEK = 28, 7


@dataclass(frozen=True)
class Shelf:
    """The products by number: which may be recommended, and how widely they are displayed and mailed, and when."""

    catalogue: Catalogue
    allowed: NDArray[np.bool_]
    planned: Planned


@dataclass(frozen=True)
class AsOf:
    """What candidates are found and told by as of a day. All of it comes of the sampled users and of the shelf."""

    day: int
    shelf: Shelf
    sampled: pa.Array  # ids of users
    neighbours: Neighbours
    figures: ProductFigures
    popular: Ints
    of_products: Floats  # buyers of late, displays, mailers
    settings: RecommendSettings

    @staticmethod
    def of(sample: Sample, shelf: Shelf, day: int, settings: RecommendSettings) -> AsOf:
        """Nothing of the sample on the day or after it, and of the plan what is planned on the day for later."""
        of, ranking = sample.batch.of, settings.ranking
        bought, recent, month = (
            purchase_matrix(of, day, days=days, allowed=shelf.allowed)
            for days in (settings.history_days, ranking.neighbour_days, _MONTH)
        )
        neighbours = Neighbours.of(
            bought,
            recent,
            ridge=ranking.neighbour_ridge,
            nearest=ranking.neighbours,
            least_buyers=settings.min_buyers,
        )
        buyers = np.asarray(month.sum(axis=0), np.float64).ravel()
        most = np.argsort(-buyers, kind="stable")[: ranking.popular_products]
        planned = shelf.planned
        spans = ((day, day + _MONTH), (day - _MONTH, day), (day, day + _WEEK))
        return AsOf(
            day,
            shelf,
            sample.batch.user_ids,
            neighbours,
            product_figures(of, shelf.catalogue.category, day, ranking.lookback_days),
            most[buyers[most] > 0],
            np.column_stack([buyers / max(of.users, 1), *(planned.shares(*span) for span in spans)]),
            settings,
        )

    def judged(self, batch: Batch) -> Iterator[tuple[Pairs, Floats]]:
        """The candidates of the users, a part of them at a time, and their features: the columns of RANKING."""
        ranking, own = self.settings.ranking, self._own(batch)
        strengths = Strengths.of(own, len(self.shelf.allowed))
        breadth = Breadth(ranking.own_products, ranking.similar_products, ranking.popular_products)
        for scored, user, product in candidates(self.neighbours, self._shoppers(batch), own, self.popular, breadth):
            pairs = Pairs(user, product, np.full(len(user), self.day), ranking.lookback_days)
            yield pairs, self._features(batch, pairs, scored, strengths)

    def told(self, batch: Batch, user: Ints, product: Ints) -> Iterator[tuple[NDArray[np.intp], Floats]]:
        """Of pairs, a part of their users at a time, which rows it has and their features: the columns of RANKING."""
        strengths = Strengths.of(self._own(batch), len(self.shelf.allowed))
        order = np.argsort(user, kind="stable")
        for scored in scored_users(self.neighbours, self._shoppers(batch)):
            first, end = np.searchsorted(user[order], (scored.first, scored.end))
            rows = order[first:end]
            days = np.full(len(rows), self.day)
            pairs = Pairs(user[rows], product[rows], days, self.settings.ranking.lookback_days)
            yield rows, self._features(batch, pairs, scored, strengths)

    def user_items(self, batch: Batch, group: Ints) -> UserItems:
        """What the users are tied to, for recommenders of the first stage; `group`: the number of each one's group."""
        own, shape = self._own(batch), (len(batch), len(self.shelf.allowed))
        strength = sparse.csr_array((own.strength, (own.user, own.product)), shape=shape)
        days = self.settings.ranking.neighbour_days
        recent = purchase_matrix(batch.of, self.day, days=days, allowed=self.shelf.allowed)
        return UserItems.of(strength, recent, places_among(batch.user_ids, self.sampled), group)

    def _own(self, batch: Batch) -> Own:
        """What the users bought and may be recommended."""
        tied = ties(batch.of, self.day, days=self.settings.history_days, half_life=self.settings.half_life_days)
        may = self.shelf.allowed[tied.product]
        return Own(tied.user[may], tied.product[may], tied.strength[may])

    def _shoppers(self, batch: Batch) -> Shoppers:
        bought = purchase_matrix(batch.of, self.day, days=self.settings.history_days, allowed=self.shelf.allowed)
        return Shoppers(bought, places_among(batch.user_ids, self.sampled))

    def _features(self, batch: Batch, pairs: Pairs, scored: Scored, strengths: Strengths) -> Floats:
        of_pair = (strengths.looked_up(pairs.user, pairs.product), *scored.of(pairs.user, pairs.product))
        beside = np.column_stack([*of_pair, self.of_products[pairs.product]]).astype(np.float64)
        return np.column_stack([pair_features(batch.of, pairs, self.figures), beside])


@dataclass(frozen=True)
class Strengths:
    """The strengths of users' own products, to be looked up; keys rise."""

    key: Ints
    value: Floats
    products: int

    @staticmethod
    def of(own: Own, products: int) -> Strengths:
        """Of rows by user and product."""
        return Strengths(own.user * products + own.product, own.strength, products)

    def looked_up(self, user: Ints, product: Ints) -> Floats:
        """The strength of each pair; 0 where the user did not buy it."""
        wanted = user * self.products + product
        if not len(self.key):
            return np.zeros(len(wanted))
        place = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
        return np.where(self.key[place] == wanted, self.value[place], 0.0)


def places_among(values: pa.Array, known: pa.Array) -> Ints:
    """Where values, such as ids of users, stand among known ones; −1 where not."""
    found = pc.index_in(values, value_set=known.cast(values.type))
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)
