"""Recommenders of the first stage as of a day: fitted on the sampled users, asked about everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from promo_spark.features.labels.strengths import purchase_matrix, visit_matrix
from promo_spark.flows.recommend.pairs import places_among
from promo_spark.flows.recommend.ranking import Learning
from promo_spark.models.recommenders.first_stage.content import Content, ItemFeatures
from promo_spark.models.recommenders.first_stage.fitting import OWN_STRENGTH, Parameters, fitted_models
from promo_spark.models.recommenders.first_stage.hybrid import Hybrid, learnt_weights, window_worth
from promo_spark.models.recommenders.first_stage.interface import FirstStage
from promo_spark.models.recommenders.first_stage.popularity import OwnStrength, Popular
from promo_spark.models.recommenders.first_stage.rules import Rules
from promo_spark.models.recommenders.first_stage.vectors import Together
from promo_spark.models.recommenders.similarities import tied_at_all
from promo_spark.models.recommenders.top_n import Integers

_DEPTH = 10


@dataclass(frozen=True)
class Known:
    """What recommenders know beside purchases: items by content, rules of baskets, and stores by number."""

    features: ItemFeatures
    rules: Rules
    stores: pa.Array
    of_sample: pa.Array  # main store of each sampled user

    def numbers(self, stores: pa.Array) -> Integers:
        """The number of each store; −1 where it is not known."""
        return places_among(stores, self.stores)


def first_stage_models(learning: Learning, known: Known, day: int, names: Sequence[str]) -> dict[str, FirstStage]:
    """The recommenders as of a day, by name.

    The weights of the hybrid are learnt on the days of a holdout before it, by what the others said as of their first;
    where there is no history before these, it is left out.
    """
    singles = [name for name in names if name != "hybrid"]
    found = _singles(learning, known, day, singles)
    begin = day - learning.settings.holdout_days
    if "hybrid" in names and begin >= learning.sample.first_day + learning.settings.ranking.least_history_days:
        weights = _weights(learning, known, begin, day, singles)
        found["hybrid"] = Hybrid.of({**found, OWN_STRENGTH: OwnStrength()}, weights)
    return found


def _singles(learning: Learning, known: Known, day: int, names: Sequence[str]) -> dict[str, FirstStage]:
    settings, as_of = learning.settings, learning.as_of(day)
    ready: dict[str, FirstStage] = {
        "together": Together(as_of.neighbours),
        "content": Content(known.features),
        "rules": known.rules,
        OWN_STRENGTH: OwnStrength(),
    }
    of_sample = known.numbers(known.of_sample)
    users = as_of.user_items(learning.sample.batch, of_sample)
    if "popular_in_store" in names:
        allowed = learning.shelf.allowed
        lately = purchase_matrix(learning.sample.batch.of, day, days=settings.popular_days, allowed=allowed)
        ready["popular_in_store"] = Popular.of(lately, of_sample)
    parameters = Parameters(
        measure=settings.first_stage.measure,
        nearest_items=settings.first_stage.nearest_items,
        nearest_users=settings.ranking.neighbours,
        rank=settings.rank,
        ridge=settings.ranking.neighbour_ridge,
        least_users=settings.min_buyers,
    )
    visits = None
    if "item2vec" in names:
        allowed = learning.shelf.allowed
        visits = visit_matrix(learning.sample.batch.of, day, days=settings.history_days, allowed=allowed)
    return fitted_models(names, tied_at_all(users.strength), users, parameters, ready, visits)


def _weights(learning: Learning, known: Known, begin: int, end: int, names: Sequence[str]) -> Mapping[str, float]:
    models = _singles(learning, known, begin, [*names, OWN_STRENGTH])
    sample, allowed = learning.sample, learning.shelf.allowed
    few = np.sort(np.argsort(sample.drawn, kind="stable")[: learning.settings.ranking.judged_users])
    users = learning.as_of(begin).user_items(sample.batch, known.numbers(known.of_sample)).chosen(few)
    bought = purchase_matrix(sample.batch.of, end, days=end - begin, allowed=allowed)[few]
    return learnt_weights(list(models), window_worth(models, users, bought, allowed=allowed, k=_DEPTH))
