"""Why a prediction is what it is: the features that move it most, as short codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from promo_spark.learners.tables import Floats

MOST = 3
_DECIMALS = 9  # what differs less is a tie, which the earlier feature wins
_LEAST = 0.01  # on the logit, or the log of an amount: about a percent


def reasons(names: Sequence[str], contributions: Floats, most: int = MOST) -> list[list[str]]:
    """Per row up to three features, by how much they move the prediction from the usual, with + for up and - for down.

    The last column of `contributions` is the base, which is the same for all and no reason.

    >>> reasons(["recency_days", "order_days", "spend_28"], np.array([[-0.4, 1.2, 0.001, 0.3]]))
    [['order_days+', 'recency_days-']]
    """
    moved = np.round(contributions[:, :-1], _DECIMALS)
    codes = [[f"{name}-", f"{name}+"] for name in names]
    order = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :most]
    sizes = np.take_along_axis(moved, order, axis=1)
    return [
        [codes[place][int(size > 0)] for place, size in zip(places, of_row, strict=True) if abs(size) >= _LEAST]
        for places, of_row in zip(order.tolist(), sizes.tolist(), strict=True)
    ]
