"""How many pieces of each product lie on the shelf: some weeks of what is usually sold, far more of an overstocked one.

Each product has its own rhythm: an order fills the shelf up, and sales empty it until the next one. Products that keep
for a short time are stocked for no longer. Of days without stock see `catalogue.stock_out`.
"""

from __future__ import annotations

import functools

import numpy as np

from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.population import SECOND_PIECE, STAPLE_SHARE, STAPLES, segment_tastes
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Floats, Ints, keyed_uniforms

OVERSTOCKED_SHARE = 0.1  # of products
_ORDER_DAYS = (5, 15)  # between two orders of a product
_SPARE_DAYS = (7.0, 21.0)  # of sales that still lie there when the next order comes
_EXCESS_DAYS = (60.0, 240.0)  # of sales too much, where a product is overstocked


@functools.lru_cache(maxsize=4)
def usual_sales(spec: WorldSpec) -> Floats:
    """Pieces of each product that are sold on a usual day: by taste, and as staples."""
    shop, tastes = catalogue(spec), segment_tastes(spec)
    users = np.array([s.share for s in spec.segments]) * spec.users
    items = np.array([s.visits_per_week * s.items_per_visit / 7 for s in spec.segments])
    cadence = shop.cadence[shop.subcategory]
    needed = np.where(cadence > 0, STAPLES * STAPLE_SHARE / np.maximum(cadence, 1.0), 0.0)
    by_taste, as_staples = (weight @ tastes @ shop.topic_weights for weight in (users * items, users))
    sales: Floats = (1 + SECOND_PIECE) * (by_taste + as_staples * needed)
    return sales


def on_hand(spec: WorldSpec, product: Ints, day: Ints) -> Ints:
    """Pieces of products at the end of days on which they are in stock: one at least."""
    shop = catalogue(spec)

    def between(what: str, bounds: tuple[float, float]) -> Floats:
        drawn: Floats = bounds[0] + (bounds[1] - bounds[0]) * keyed_uniforms(spec.seed, what, product)
        return drawn

    every = np.floor(between("order days", _ORDER_DAYS)).astype(np.int64)
    since = (day + np.floor(between("order day", (0, 7 * 24))).astype(np.int64)) % every
    lasts = between("spare days", _SPARE_DAYS) + every - 1 - since
    keeps = shop.shelf_life[product]
    lasts = np.where(keeps > 0, np.minimum(lasts, keeps), lasts)
    overstocked = keyed_uniforms(spec.seed, "overstocked", product) < OVERSTOCKED_SHARE
    lasts = lasts + np.where(overstocked, between("excess days", _EXCESS_DAYS), 0.0)
    pieces: Ints = np.maximum(np.rint(usual_sales(spec)[product] * lasts), 1).astype(np.int64)
    return pieces
