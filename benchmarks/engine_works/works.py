"""All works, by name."""

from __future__ import annotations

from engine_works.als_fit import AlsFit
from engine_works.baskets import BASKETS
from engine_works.forecasts import FORECASTS
from engine_works.item_neighbours import ItemNeighbours
from engine_works.kmeans import KMeans
from engine_works.ranking_metrics import RankingMetrics
from engine_works.top_n import TopN
from engine_works.user_profiles import UserProfiles
from engine_works.work import Work

_ALL: tuple[Work, ...] = (
    KMeans(),
    TopN(),
    AlsFit(),
    ItemNeighbours(),
    *BASKETS,
    *FORECASTS,
    RankingMetrics(),
    UserProfiles(),
)
WORKS = {work.name: work for work in _ALL}
