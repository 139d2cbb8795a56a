"""What promotions brought: the parts add up, and a season is not taken for an effect."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.elasticity.aggregates import estimated
from promo_spark.models.elasticity.pooling import believed
from promo_spark.models.elasticity.profit import Prices, margin_slopes, profit
from promo_spark.models.elasticity.regression import Cells
from tests.models.elasticity.shelves import planted


def prices_of(depth: np.ndarray, cells: Cells, usual: np.ndarray, group: np.ndarray) -> Prices:
    alike = np.ones(len(cells))
    return Prices(depth, 10 * alike, 6 * alike, group[cells.product], usual[cells.product])


def test_a_season_is_not_taken_for_an_effect_of_the_promotion() -> None:
    """K02 (counterfactual): all sell twice as much in weeks 12 to 14, when product 0 is reduced without any effect.

    Before and after says + 100 %; against what the weeks would have brought without, the promotion brought nothing.
    """
    category = planted(20, elasticity=0.0, scatter=0.0, noise=0.0, units=300.0)
    week, product = category.cells.week, category.cells.product
    spike = (week >= 12) & (week < 15)
    depth = np.where((product == 0) & spike, 0.2, np.where(product == 0, 0.0, category.depth))
    expected = 300.0 * (1 + product % 4) * np.where(spike, 2.0, 1.0)
    units = np.random.default_rng(0).poisson(expected).astype(np.float64)
    nothing = np.zeros(len(week))
    cells = Cells(product, week, units, nothing + 7, -np.log1p(-depth), nothing, nothing, nothing, nothing)
    usual = (300.0 * (1 + np.arange(20) % 4)).astype(np.float64)
    estimate = estimated(cells, usual, believed(2.0, 1.0), about=2.0)
    prices = prices_of(depth, cells, usual, np.arange(20))
    brought = profit(cells, prices, estimate.effects, estimate.fit.elasticities, estimate.fit.prior.spread)

    own = product == 0
    before, during = units[own & (week < 12)].mean(), units[own & spike].mean()
    assert during / before - 1 > 0.8
    assert brought.gross_units[own & spike].sum() / units[own & spike].sum() == pytest.approx(0.0, abs=0.05)


def test_parts_sum_to_the_whole_and_causes_bear_their_losses() -> None:
    """Four products in two groups; what is lost to rivals and to the week before stands at who caused it."""
    category = planted(21, products=4, weeks=6, promoted=0.4)
    cells, depth = category.cells, category.depth
    group = np.array([0, 0, 1, 1])
    reduced = (depth > 0).reshape(4, 6)
    rivals = reduced[[1, 0, 3, 2]].astype(np.float64).ravel()  # each has one rival
    before = np.hstack([np.zeros((4, 1)), depth.reshape(4, 6)[:, :-1]]).ravel()
    cells = Cells(
        cells.product,
        cells.week,
        cells.units,
        cells.days,
        cells.reduction,
        cells.display,
        cells.mailer,
        before,
        rivals,
    )
    prices = prices_of(depth, cells, category.usual_units, group)
    effects = np.array([2.0, 0.2, 0.1, 0.5, 0.3, 0.4])
    brought = profit(cells, prices, effects, category.elasticities, 0.2)
    whole = cells.units.sum() - brought.units_without.sum()
    parts = brought.gross_units.sum() - brought.cannibalised.sum() - brought.pulled_forward.sum()
    assert parts == pytest.approx(whole)
    earned = (cells.units * (10 * (1 - depth) - 6)).sum() - brought.margin_without.sum()
    assert brought.margin.sum() == pytest.approx(earned)
    quiet = depth == 0
    assert brought.cannibalised[quiet].sum() == pytest.approx(0.0)
    assert brought.pulled_forward[quiet].sum() == pytest.approx(0.0)
    assert brought.gross_units[quiet] == pytest.approx(0.0)
    assert (brought.cannibalised >= 0).all()

    slopes = margin_slopes(cells, prices, effects, category.elasticities, 0.2)
    moved = profit(cells, prices, effects, category.elasticities + 0.01, 0.2).margin
    assert slopes.of_elasticity.sum() * 0.01 == pytest.approx((moved - brought.margin).sum(), rel=0.05)
    assert slopes.of_effects[:, 0] == pytest.approx(0.0)


def test_a_list_price_that_falls_for_good_is_no_promotion() -> None:
    """From week 3 on the list price is a tenth lower: no reduction, so nothing is gained by a promotion."""
    nothing = np.zeros(6)
    week = np.arange(6)
    lower = np.where(week >= 3, 0.1, 0.0)
    units = 100 * (1 - lower) ** -2.0
    cells = Cells(nothing.astype(int), week, units, nothing + 7, -np.log1p(-lower), nothing, nothing, nothing, nothing)
    prices = Prices(nothing, 10 * (1 - lower), nothing + 6, nothing.astype(int), nothing + 100)
    brought = profit(cells, prices, np.array([2.0, 0, 0, 0, 0, 0]), np.array([2.0]), 0.3)
    assert brought.gross_units == pytest.approx(0.0)
    assert brought.margin == pytest.approx(0.0)
