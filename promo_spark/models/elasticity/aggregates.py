"""A category's elasticity from its products': what the category's units do if all its prices fall as usual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.models.elasticity.pooling import Pool, evidence
from promo_spark.models.elasticity.regression import ELASTICITY, USUAL, Cells, Fit, Floats, fitted
from promo_spark.models.elasticity.standard_errors import variances


@dataclass(frozen=True)
class Estimate:
    """A category's elasticity, with its error and its effects; products' by number."""

    elasticity: float
    error: float  # standard error
    effects: Floats
    errors: Floats
    own_share: float  # how much of the elasticity comes from its own cells, and not from what is usual: 0 to 1
    fit: Fit


def estimated(cells: Cells, usual_units: Floats, pool: Pool, *, about: float) -> Estimate:
    """The category's effects, drawn to the pool. `usual_units`: what each product sells in a week without reduction.

    `about`: the elasticity of an earlier fit, which says how far its products scatter.
    """
    fit = fitted(cells, pool.prior(about))
    elasticity, weights = together(fit.elasticities, usual_units)
    effects, products = len(fit.effects), len(usual_units)
    of_effects = np.vstack([np.zeros(effects), np.eye(effects)])
    of_elasticities = np.vstack([weights, np.zeros((effects, products))])
    squares = variances(cells, fit, of_effects, of_elasticities)
    told = evidence(cells, fit).precision[ELASTICITY]
    own_share = told / (told + pool.deviation[ELASTICITY] ** -2.0)
    return Estimate(elasticity, float(np.sqrt(squares[0])), fit.effects, np.sqrt(squares[1:]), float(own_share), fit)


def together(elasticities: Floats, units: Floats) -> tuple[float, Floats]:
    """The elasticity of the sum of products at the usual reduction, and its slopes in theirs.

    >>> together(np.array([2.0, 2.0]), np.array([10.0, 30.0]))
    (2.0, array([0.25, 0.75]))
    """
    factors = units * np.exp(elasticities * USUAL)
    weights: Floats = factors / factors.sum()
    return float(np.log(factors.sum() / units.sum()) / USUAL), weights
