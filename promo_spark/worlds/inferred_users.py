"""What purchases tell of a block's users: how much they want, what they like; by Bayes under the world's parameters.

A user of few purchases is like those of the segment. How sensitive a user is to prices shows too little in half a year
to tell users of a segment apart. Staples, and how long they last, are taken as known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from promo_spark.worlds.catalogue import Catalogue
from promo_spark.worlds.population import (
    ITEMS_SCATTER,
    ITEMS_SIGMA,
    RATE_SHAPE,
    TASTE_STRENGTH,
    Population,
    segment_tastes,
    sensitivity_levels,
)
from promo_spark.worlds.shopping import History
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Floats

_ROUNDS = 25  # of the mixture's steps


def inferred_users(spec: WorldSpec, shop: Catalogue, seen: Sequence[History]) -> Population:
    """The users with the means of what they may like and want and how often they may come, from what they bought."""
    users = seen[0].users
    lines, visits = _lines(shop, seen)
    segment = users.segment.astype(np.int64)
    wanted = np.where(visits > 0, lines.sum(axis=1) / np.maximum(visits, 1), 0.0)
    usual = np.bincount(segment, lines.sum(axis=1)) / np.maximum(np.bincount(segment, visits), 1)
    spread = np.expm1(ITEMS_SIGMA**2) + 1 / np.maximum(usual, 0.1)  # variance of lines, over their mean squared
    prior, weight = 1 / np.expm1(ITEMS_SCATTER**2), visits / spread[segment]
    factor = (prior + weight * wanted / np.maximum(usual, 1e-9)[segment]) / (prior + weight)
    items = np.array([s.items_per_visit for s in spec.segments])[segment]
    rate = np.array([s.visits_per_week for s in spec.segments])[segment] / 7
    days = np.maximum(spec.days + len(seen) - 1 - np.maximum(users.joined, 0), 0)  # first the history, then day by day
    middle = sensitivity_levels(spec)[segment, sensitivity_levels(spec).shape[1] // 2]
    return replace(
        users,
        log_items=np.log(items * factor * np.exp(ITEMS_SCATTER**2 / 2)) - ITEMS_SIGMA**2 / 2,
        tastes=_tastes(shop, segment_tastes(spec)[segment], lines).astype(np.float32),
        visit_rate=((RATE_SHAPE + visits) / (RATE_SHAPE / rate + days)).astype(np.float32),
        sensitivity=middle.astype(np.float32),
    )


def _lines(shop: Catalogue, seen: Sequence[History]) -> tuple[Floats, Floats]:
    """User × product: lines of it, but of the user's own staples; and orders, by user."""
    users = seen[0].users
    lines, orders = np.zeros((len(users), shop.products)), np.zeros(len(users))
    for part in seen:
        of_order = part.orders.user[part.lines.order]
        bought = part.orders.kind[part.lines.order] == 0
        np.add.at(lines, (of_order[bought], part.lines.product[bought]), 1.0)
        orders += np.bincount(part.orders.user[part.orders.kind == 0], minlength=len(users))
    user, which = np.nonzero(users.staples >= 0)
    lines[user, users.staples[user, which]] = 0.0
    return lines, orders


def _tastes(shop: Catalogue, usual: Floats, lines: Floats) -> Floats:
    """User × topic: the mean of what may be liked, where each line is of one topic and of its products."""
    prior, products = TASTE_STRENGTH * usual + 1e-3, shop.topic_weights.astype(np.float64)
    taste: Floats = prior / prior.sum(axis=1, keepdims=True)
    for _ in range(_ROUNDS):
        of_topics = taste * ((lines / np.maximum(taste @ products, 1e-12)) @ products.T)
        taste = prior + of_topics
        taste /= taste.sum(axis=1, keepdims=True)
    return taste
