"""Recommenders of the first stage by name, fitted on one sample of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy import sparse

from promo_spark.models.recommenders.first_stage.interface import FirstStage, UserItems
from promo_spark.models.recommenders.first_stage.item2vec import ItemToVec
from promo_spark.models.recommenders.first_stage.neighbours import ItemNeighbours, UserNeighbours
from promo_spark.models.recommenders.first_stage.popularity import OwnStrength, Popular
from promo_spark.models.recommenders.first_stage.vectors import Svd, Together
from promo_spark.models.recommenders.neighbours import Neighbours
from promo_spark.models.recommenders.similarities import Measure, tied_at_all

OWN_STRENGTH, POPULAR = "own_strength", "popular"


@dataclass(frozen=True)
class Parameters:
    """How recommenders are fitted. An item of fewer than `least_users` is nobody's neighbour."""

    measure: Measure
    nearest_items: int
    nearest_users: int
    rank: int
    ridge: float
    least_users: int


def fitted_models(
    names: Sequence[str],
    tied: sparse.csr_array,
    sample: UserItems,
    of: Parameters,
    ready: Mapping[str, FirstStage],
    visits: sparse.csr_array | None = None,
) -> dict[str, FirstStage]:
    """The recommenders of the names, in that order; those that are `ready` as they are.

    `tied`: what similarities are of, the sample's strengths, or 1 where there is any. `visits`: what was met together,
    visits × items; None: all that a user is tied to.
    """
    found: dict[str, FirstStage] = {}
    for name in names:
        if name in ready:
            found[name] = ready[name]
        elif name == "item_neighbours":
            found[name] = ItemNeighbours.of(tied, measure=of.measure, most=of.nearest_items, least_users=of.least_users)
        elif name == "user_neighbours":
            found[name] = UserNeighbours(tied, sample.recent, of.measure, of.nearest_users)
        elif name == "together":
            has = tied_at_all(sample.strength)
            found[name] = Together(
                Neighbours.of(has, has, ridge=of.ridge, nearest=of.nearest_users, least_buyers=of.least_users)
            )
        elif name == "svd":
            found[name] = Svd.of(tied, of.rank)
        elif name == "item2vec":
            found[name] = ItemToVec.of(tied if visits is None else visits, of.rank, of.least_users)
        elif name == POPULAR:
            found[name] = Popular.of(sample.recent, sample.group)
        elif name == OWN_STRENGTH:
            found[name] = OwnStrength()
    return found
