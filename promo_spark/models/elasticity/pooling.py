"""What all categories together say of one: empirical Bayes, on a few numbers per category and product.

A category's effects, its products' elasticities and the spread of shoppers' sensitivities are drawn to what is usual,
as far as its own cells do not tell. The settings' prior counts beside the categories like one more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promo_spark.models.elasticity.regression import ELASTICITY, USUAL, Cells, Fit, Floats, Prior

_EXPECTED = (0.2, 0.2, 0.3, 0.5, 0.5)  # of all effects but the elasticity, before anything is seen
_DEVIATIONS = (0.2, 0.2, 0.3, 0.5, 0.5)
_WEAK = 3.0  # deviations of the prior of a first fit, over those of the settings' prior
_SCATTER, _SPREAD, _SPREAD_DEVIATION = 0.3, 0.2, 0.15
_HIGHEST_SPREAD = 1.0
_LEAST_DEVIATION, _LEAST_SCATTER, _LEAST_ELASTICITY = 0.02, 0.02, 0.2
_ROUNDS = 200


@dataclass(frozen=True)
class Pool:
    """What is usual: mean and deviation of categories' effects, and what products and shoppers differ by."""

    mean: Floats
    deviation: Floats
    scatter: float  # standard deviation of products' elasticities, over their category's
    spread: float

    def prior(self, elasticity: float, *, weak: bool = False) -> Prior:
        """The prior of a category whose elasticity is about so much. `weak`: of a first fit."""
        scatter = max(self.scatter * max(elasticity, _LEAST_ELASTICITY), _LEAST_SCATTER)
        return Prior(self.mean, self.deviation * (_WEAK if weak else 1.0), scatter, self.spread)


@dataclass(frozen=True)
class Evidence:
    """What a category's cells say by themselves, its prior taken out again."""

    effects: Floats
    precision: Floats  # 0: nothing
    deviations: Floats  # per product: its elasticity less the category's
    deviation_precision: Floats
    spread: float  # the most likely one, by this category
    spread_precision: float


def believed(elasticity: float, deviation: float) -> Pool:
    """What is usual before anything is seen: the settings' elasticity and how far categories are from it."""
    return Pool(np.array([elasticity, *_EXPECTED]), np.array([deviation, *_DEVIATIONS]), _SCATTER, _SPREAD)


def evidence(cells: Cells, fit: Fit) -> Evidence:
    """What the cells say of the category's effects, of its products, and of the spread."""
    at, effects = fit.equations, len(fit.effects)
    shared: Floats = np.linalg.inv(at.whole).astype(np.float64)
    variance = np.diag(shared)[:effects]
    of_prior = fit.prior.deviation**-2.0
    precision = np.maximum(1 / variance - of_prior, 0.0)
    told = np.where(precision > 1e-9, precision, 1.0)
    raw = np.where(precision > 1e-9, (fit.effects / variance - fit.prior.mean * of_prior) / told, fit.prior.mean)
    ties = np.einsum("pj,pjk->pk", at.block[:, 1], at.ties)
    deviation_variance = at.block[:, 1, 1] + np.einsum("pk,kl,pl->p", ties, shared, ties)
    of_scatter = fit.prior.scatter**-2.0
    deviation_precision = np.maximum(1 / deviation_variance - of_scatter, 0.0)
    deviation = fit.elasticities - fit.effects[ELASTICITY]
    told = np.maximum(deviation_precision, 1e-9)
    deviations = np.where(deviation_precision > 1e-9, deviation / deviation_variance / told, 0.0)
    score, information = _of_spread(cells, fit, shared)
    spread = fit.prior.spread + (score / information if information > 1e-9 else 0.0)
    return Evidence(raw, precision, deviations, deviation_precision, spread, max(information, 0.0))


def pooled(found: Sequence[Evidence], believed: Pool) -> Pool:
    """What is usual, by all categories and by what was believed before; independent of their order but for rounding.

    >>> nothing = Evidence(np.zeros(6), np.zeros(6), np.zeros(2), np.zeros(2), 0.2, 0.0)
    >>> pooled([nothing, nothing], believed_before := believed(2.0, 1.0)).mean.tolist() == believed_before.mean.tolist()
    True
    """
    if not found:
        return believed
    effects, precision = np.array([e.effects for e in found]), np.array([e.precision for e in found])
    usual = [
        _usual(effects[:, k], precision[:, k], believed.mean[k], believed.deviation[k]) for k in range(effects.shape[1])
    ]
    scale = np.concatenate([np.full(len(e.deviations), max(e.effects[ELASTICITY], _LEAST_ELASTICITY)) for e in found])
    deviations = np.concatenate([e.deviations for e in found]) / scale
    deviation_precision = np.concatenate([e.deviation_precision for e in found]) * scale**2
    by_category = np.array([e.spread_precision for e in found])
    spreads = np.array([e.spread for e in found])
    whole = by_category.sum() + _SPREAD_DEVIATION**-2.0
    spread = ((by_category * spreads).sum() + believed.spread * _SPREAD_DEVIATION**-2.0) / whole
    return Pool(
        np.array([mean for mean, _ in usual]),
        np.array([deviation for _, deviation in usual]),
        _scatter(deviations, deviation_precision, believed.scatter),
        float(np.clip(spread, 0.0, _HIGHEST_SPREAD)),
    )


def _usual(values: Floats, precision: Floats, mean: float, deviation: float) -> tuple[float, float]:
    """Mean and deviation of what the values are of, each known so precisely; EM, the belief weighs like a value."""
    values, precision = values[precision > 0], precision[precision > 0]
    if not len(values):
        return float(mean), float(deviation)
    believed, square = mean, deviation**2
    for _ in range(_ROUNDS):
        weight = precision / (1 + precision * square)
        mean = (weight @ values + believed * deviation**-2.0) / (weight.sum() + deviation**-2.0)
        drawn = mean + (values - mean) * precision * square / (1 + precision * square)
        left = square / (1 + precision * square)
        square = (((drawn - mean) ** 2 + left).sum() + deviation**2) / (len(values) + 1)
    return float(mean), float(max(np.sqrt(square), _LEAST_DEVIATION))


def _scatter(deviations: Floats, precision: Floats, believed: float) -> float:
    """By how much products differ, over their categories' elasticities; the belief weighs like one product."""
    deviations, precision = deviations[precision > 0], precision[precision > 0]
    square = believed**2
    for _ in range(_ROUNDS):
        drawn = deviations * precision * square / (1 + precision * square)
        left = square / (1 + precision * square)
        square = ((drawn**2 + left).sum() + believed**2) / (len(deviations) + 1)
    return float(np.sqrt(square))


def _of_spread(cells: Cells, fit: Fit, shared: Floats) -> tuple[float, float]:
    """Slope and curvature of the likelihood in the spread, all effects following it."""
    at, effects = fit.equations, len(fit.effects)
    elasticity = fit.elasticities[cells.product]
    curve = 0.5 * elasticity**2 * cells.reduction * (cells.reduction - USUAL)
    weighted = at.weight * curve
    of_own = np.stack([np.bincount(cells.product, weighted * fit.own[:, i], cells.products) for i in range(2)], axis=1)
    of_shared = np.zeros(len(at.whole))
    of_shared[:effects] = fit.shared.T @ weighted
    of_shared[effects:] = np.bincount(cells.week, weighted, cells.weeks)
    left = of_shared - np.einsum("pik,pij,pj->k", at.ties, at.block, of_own)
    followed = np.einsum("pi,pij,pj->", of_own, at.block, of_own) + left @ shared @ left
    return float(at.residual @ curve), float(weighted @ curve - followed)
