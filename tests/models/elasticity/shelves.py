"""A category with known effects: products that scatter, reductions drawn by chance, units by Poisson."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promo_spark.models.elasticity.regression import Cells

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Planted:
    cells: Cells
    elasticities: Floats  # per product
    usual_units: Floats
    depth: Floats  # per cell


def planted(
    seed: int,
    *,
    elasticity: float = 2.0,
    scatter: float = 0.25,
    products: int = 20,
    weeks: int = 25,
    units: float = 60.0,
    promoted: float = 0.15,
    noise: float = 0.05,
) -> Planted:
    """Products of a category over weeks with a season; `noise`: of the log of a cell's expected units."""
    draw = np.random.default_rng(seed)
    product, week = np.repeat(np.arange(products), weeks), np.tile(np.arange(weeks), products)
    own = elasticity * draw.lognormal(-(scatter**2) / 2, scatter, products)
    usual = units * draw.pareto(1.5, products) + 5.0
    depth = np.where(draw.random(len(week)) < promoted, draw.choice([0.1, 0.2, 0.3], len(week)), 0.0)
    season = 0.3 * np.sin(week / 4)
    expected = usual[product] * np.exp(season + noise * draw.standard_normal(len(week)))
    sold = draw.poisson(expected * (1 - depth) ** -own[product]).astype(np.float64)
    nothing = np.zeros(len(week))
    cells = Cells(product, week, sold, nothing + 7, -np.log1p(-depth), nothing, nothing, nothing, nothing)
    return Planted(cells, own, usual, depth)
