"""Elasticities of segments: a category's elasticity × a segment's factor, as far as the cells do not say otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.models.elasticity.regression import Floats

_ROUNDS = 200
_SCATTER = 0.15  # of ratios around a segment's factor, before anything is seen
_FACTOR_DEVIATION = 0.5  # of a segment's factor around 1


@dataclass(frozen=True)
class RankOne:
    """Category × segment."""

    elasticity: Floats
    error: Floats
    own_share: Floats  # how much comes from the pair's own cells
    factors: Floats  # per segment
    scatter: float  # of ratios around the factors


def rank_one(found: Floats, errors: Floats, of_category: Floats, of_category_errors: Floats) -> RankOne:
    """Elasticities of category × segment, each known so well by itself; NaN: no cells. → the same, drawn to rank one.

    >>> found, errors = np.array([[1.0, 3.0], [2.0, np.nan]]), np.array([[0.01, 0.01], [0.01, np.nan]])
    >>> rank_one(found, errors, np.array([2.0, 4.0]), np.array([0.1, 0.1])).elasticity.round(1).tolist()
    [[1.0, 3.0], [2.0, 6.0]]
    """
    known = np.isfinite(found) & np.isfinite(errors)
    scale = np.maximum(of_category, 0.1)[:, None]
    ratio = np.where(known, found, 0.0) / scale
    precision = np.where(known, scale / np.where(known, np.maximum(errors, 1e-9), 1.0), 0.0) ** 2
    square, factors = _SCATTER**2, np.ones(found.shape[1])
    for _ in range(_ROUNDS):
        weight = precision / (1 + precision * square)
        believed = _FACTOR_DEVIATION**-2.0
        factors = ((weight * ratio).sum(axis=0) + believed) / (weight.sum(axis=0) + believed)
        away = (ratio - factors) * precision * square / (1 + precision * square)
        left = square / (1 + precision * square)
        square = (float(((away**2 + left) * known).sum()) + _SCATTER**2) / (known.sum() + 1)
    own = precision * square / (1 + precision * square)
    drawn = factors + (ratio - factors) * own
    weight = precision / (1 + precision * square)
    of_factor = 1 / (weight.sum(axis=0) + _FACTOR_DEVIATION**-2.0)
    variance = square / (1 + precision * square) + (1 - own) ** 2 * of_factor
    relative = (of_category_errors / scale[:, 0])[:, None] * (1 - own) * drawn
    error = scale * np.sqrt(variance + relative**2)
    return RankOne(scale * drawn, error, own, factors, float(np.sqrt(square)))
