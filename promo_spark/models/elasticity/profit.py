"""What promotions brought: units and margin with them, less what the same weeks would have brought without.

Units without any promotion = units / exp(own lift − loss to rivals − loss to the week before). The gap falls apart
without a rest: what a promotion lifts its own product by, what it takes from rivals in its week, and what it takes from
its own product's next week. A unit that it adds or takes earns what that unit earns at its own price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.models.elasticity.regression import (
    CANNIBALISATION,
    DEEP,
    DISPLAY,
    ELASTICITY,
    MAILER,
    PULL_FORWARD,
    SATURATION,
    Cells,
    Floats,
    Ints,
    lift,
)

_NUDGE = 1e-4  # of an effect, to see what the margin does


@dataclass(frozen=True)
class Prices:
    """What goes with each cell: its prices, and whom it competes with."""

    depth: Floats  # this week's reduction as a share of the list price
    list_price: Floats
    unit_cost: Floats
    group: Ints  # products that compete, by number
    usual_units: Floats  # what the product sells in a usual week: its weight among rivals


@dataclass(frozen=True)
class Profit:
    """Per cell, in units and money; what is caused in other cells stands at the cell that caused it."""

    gross_units: Floats
    cannibalised: Floats
    pulled_forward: Floats
    margin: Floats
    units_without: Floats  # what the cell itself would have sold without any promotion
    margin_without: Floats


def profit(cells: Cells, prices: Prices, effects: Floats, elasticities: Floats, spread: float) -> Profit:
    """What each cell's promotion brought. The parts sum to the units less the units without, over all cells.

    Two rivals of equal weight, the first reduced by 20 %: 125 units are 80 and 45 more; of the second's 100 units
    100·(e^0.1 − 1) = 10.5 are gone.

    >>> product, none = np.array([0, 1]), np.zeros(2)
    >>> cells = Cells(product, none.astype(int), np.array([125.0, 100.0]), none + 7,
    ...     np.array([-np.log(0.8), 0.0]), none, none, none, np.array([0.0, 1.0]))
    >>> prices = Prices(np.array([0.2, 0.0]), none + 5, none + 3, none.astype(int), none + 100)
    >>> brought = profit(cells, prices, np.array([2, 0, 0, 0, 0.1, 0]), np.array([2.0, 2.0]), spread=0.0)
    >>> brought.gross_units.round(1).tolist(), brought.cannibalised.round(1).tolist()
    ([45.0, 0.0], [10.5, 0.0])
    >>> brought.margin.round(1).tolist()  # 125·(4 − 3) − 80·(5 − 3) − 10.5·2
    [-56.0, 0.0]
    """
    elasticity = elasticities[cells.product]
    usual = cells.reduction + np.log1p(-prices.depth)  # what the list price itself was below the usual one
    own = lift(elasticity, cells.reduction, spread) - lift(elasticity, usual, spread)
    own += effects[DISPLAY] * cells.display + effects[MAILER] * cells.mailer
    own -= effects[SATURATION] * (np.maximum(cells.reduction - DEEP, 0) - np.maximum(usual - DEEP, 0))
    to_rivals = effects[CANNIBALISATION] * cells.rivals_reduced
    to_before = effects[PULL_FORWARD] * cells.depth_before
    lost = to_rivals + to_before
    without = cells.units * np.exp(lost - own)
    lifted = without * np.exp(own)
    gone = lifted - cells.units  # to rivals and to the week before, together
    share = np.divide(to_rivals, lost, out=np.zeros_like(lost), where=lost != 0)
    full, reduced = prices.list_price - prices.unit_cost, prices.list_price * (1 - prices.depth) - prices.unit_cost
    cannibalised = _caused_among_rivals(cells, prices, gone * share)
    pulled = _caused_the_week_before(cells, gone * (1 - share))
    margin = lifted * reduced - without * full
    margin = margin - _caused_among_rivals(cells, prices, gone * share * reduced)
    margin = margin - _caused_the_week_before(cells, gone * (1 - share) * reduced)
    return Profit(lifted - without, cannibalised, pulled, margin, without, without * full)


@dataclass(frozen=True)
class Slopes:
    """How the margins move with the effects: of each cell with the effects and its own product's elasticity."""

    of_effects: Floats  # cell × effect; 0 for the elasticity, which stands in the next
    of_elasticity: Floats  # per cell


def margin_slopes(cells: Cells, prices: Prices, effects: Floats, elasticities: Floats, spread: float) -> Slopes:
    """By small steps of each effect; of an elasticity all products' at once, as a cell's own counts most by far."""
    at = profit(cells, prices, effects, elasticities, spread).margin
    columns = np.zeros((len(cells), len(effects)))
    for k in range(len(effects)):
        if k != ELASTICITY:
            moved = effects + _NUDGE * (np.arange(len(effects)) == k)
            columns[:, k] = (profit(cells, prices, moved, elasticities, spread).margin - at) / _NUDGE
    moved_all = profit(cells, prices, effects, elasticities + _NUDGE, spread).margin
    return Slopes(columns, (moved_all - at) / _NUDGE)


def _caused_among_rivals(cells: Cells, prices: Prices, loss: Floats) -> Floats:
    """Each cell's loss to rivals, moved to the reduced rivals, in proportion to their usual sales."""
    weeks = cells.weeks
    place = prices.group * weeks + cells.week
    pull = prices.usual_units * (prices.depth > 0)
    places = int(place.max(initial=-1)) + 1
    of_others = np.bincount(place, pull, places)[place] - pull
    rate = np.divide(loss, of_others, out=np.zeros_like(loss), where=of_others > 1e-9)
    caused: Floats = pull * (np.bincount(place, rate, places)[place] - rate)
    return caused


def _caused_the_week_before(cells: Cells, loss: Floats) -> Floats:
    """Each cell's loss to its product's week before, moved there; 0 where that week has no cell."""
    weeks = cells.weeks
    at = np.full(cells.products * weeks, -1)
    at[cells.product * weeks + cells.week] = np.arange(len(cells))
    before = np.where(cells.week > 0, at[cells.product * weeks + cells.week - 1], -1)
    caused = np.zeros(len(cells))
    np.add.at(caused, before[before >= 0], loss[before >= 0])
    return caused
