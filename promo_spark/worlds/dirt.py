"""Dirt on order lines, and the truth of which lines are dirty and how."""

from __future__ import annotations

import numpy as np

from promo_spark.worlds.orders import Lines, Orders
from promo_spark.worlds.spec import DIRT, WorldSpec
from promo_spark.worlds.streams import Ints, keyed_uniforms, stream

CLEAN = -1
REASONS = {  # the check that has to reject the row; None: it is to be accepted
    "duplicate_row": "duplicate_row",
    "broken_date": "unparsable_ts",
    "unknown_product": "unknown_product",
    "zero_quantity": "quantity_zero",
    "negative_amount": "amount_negative",
    "missing_product": "missing_product_id",
    "missing_user": None,
    "late_row": None,
}


def dirt_of_lines(spec: WorldSpec, orders: Orders, lines: Lines, block: int, day: int | None = None) -> Ints:
    """Per line of the history or of a simulated day its kind of dirt, a number into DIRT, or CLEAN.

    Only paid purchases are made dirty. On a day it depends on the user and the place in the receipt alone, so that
    what others buy changes no one's dirt.
    """
    if not spec.dirt:
        return np.full(len(lines), CLEAN)
    rates = dict(spec.dirt)
    edges = np.cumsum([rates.get(kind, 0.0) for kind in DIRT])
    if day is None:
        drawn = stream(spec.seed, "dirt", block).random(len(lines))
    else:
        place = np.arange(len(lines)) - np.searchsorted(lines.order, lines.order)
        user = orders.user[lines.order]
        drawn = keyed_uniforms(spec.seed, "dirt", np.array(day), np.array(block), user, place)
    kind = np.searchsorted(edges, drawn, side="right")
    paid = lines.listed - lines.reduced - lines.coupon > 0
    kind = np.where((kind < len(DIRT)) & paid & (lines.quantity > 0), kind, CLEAN)
    if day is not None:  # a day that is delivered by itself has nothing that came late
        kind = np.where(kind == DIRT.index("late_row"), CLEAN, kind)
    return kind
