"""Poisson regression of a category's units per product and week on prices and promotions.

Log of expected units = effect of the product + effect of the week + log of the days in stock + lift of the reduction
+ display + mailer − pull_forward × last week's depth − cannibalisation × share of the rivals that is reduced
− saturation × what a reduction goes beyond DEEP. A reduction by x = log(usual price / price paid) lifts by
e·x + ½·spread·e²·x·(x − USUAL): e is the product's elasticity at the usual reduction, and `spread` is how much shoppers
differ in theirs (squared coefficient of variation): who buys at deeper reductions is more sensitive than the rest.
Products scatter around their category. Products that sell in fits and starts count less: variance is μ + φμ² with each
product's own φ.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EFFECTS = ("elasticity", "display", "mailer", "pull_forward", "cannibalisation", "saturation")
ELASTICITY, DISPLAY, MAILER, PULL_FORWARD, CANNIBALISATION, SATURATION = range(len(EFFECTS))
USUAL = -np.log1p(-0.2)  # log reduction at which elasticities are stated: 20 % off
DEEP = -np.log1p(-0.35)  # from here on shoppers have nearly all they want, and a deeper reduction adds less
_SIGNS = np.array([1.0, 1.0, -1.0, -1.0, -1.0])  # of all but the elasticity
_ROUNDS = 3  # in which the products' dispersions are estimated
_MOST_STEPS = 30
_CLOSE = 1e-4  # log likelihood that a step of a fit that stands wins: effects move by 0.014 of their errors
_ROUGHLY = 1e-2  # the same while the dispersions are still estimated
_LONGEST_STEP = 3.0  # of any effect in one step, in logs
_FLAT = 1e-6  # precision that keeps effects which nothing tells apart finite
_FIXED = 1e9  # precision of the first week's effect, which is 0: others are compared with it
_OTHERS = 10.0  # cells that the category's usual dispersion weighs beside a product's own
_HIGHEST = 30.0  # log of expected units: above it nothing is left to learn


@dataclass(frozen=True)
class Cells:
    """One row per product and week of a category, by product and week: numbers from 0 on, products without gaps."""

    product: Ints
    week: Ints
    units: Floats
    days: Floats  # in stock, above 0
    reduction: Floats  # log of the usual price over the price paid
    display: Floats  # share of stores
    mailer: Floats
    depth_before: Floats  # last week's reduction as a share of the price
    rivals_reduced: Floats  # share of the rivals that is reduced, by what they usually sell

    def __len__(self) -> int:
        return len(self.product)

    @property
    def products(self) -> int:
        return int(self.product.max(initial=-1)) + 1

    @property
    def weeks(self) -> int:
        return int(self.week.max(initial=-1)) + 1

    @cached_property
    def drivers(self) -> Floats:
        """Cell × effect, but for the elasticity; signed, so that each effect is above 0 where it is as expected."""
        beyond = np.maximum(self.reduction - DEEP, 0)
        columns = [self.display, self.mailer, self.depth_before, self.rivals_reduced, beyond]
        signed: Floats = np.stack(columns) * _SIGNS[:, None]
        return signed.T  # effect by effect in memory

    @cached_property
    def log_days(self) -> Floats:
        """The exposure on the scale of the effects."""
        logs: Floats = np.log(self.days)
        return logs

    @cached_property
    def starts(self) -> Ints:
        """The first cell of each product."""
        return np.searchsorted(self.product, np.arange(self.products)).astype(np.int64)


@dataclass(frozen=True)
class Prior:
    """What is believed of a category before its cells are seen: each effect by itself, normal."""

    mean: Floats  # of EFFECTS
    deviation: Floats
    scatter: float  # standard deviation of products' elasticities around the category's
    spread: float
    relative: Floats | None = None  # per product: its elasticity over the category's, where that is known already


@dataclass(frozen=True)
class Fit:
    """The effects of a category and the elasticities of its products, with what their errors are made of."""

    effects: Floats
    elasticities: Floats  # per product
    dispersion: Floats  # φ per product
    expected: Floats  # units per cell
    prior: Prior
    equations: Equations
    own: Floats  # cell × 2: how the log of expected units moves with its product's level and deviation
    shared: Floats  # cell × effect: the same with the category's effects


@dataclass(frozen=True)
class Equations:
    """The normal equations at the estimate; each product's own two effects, level and deviation, are eliminated."""

    weight: Floats  # per cell
    residual: Floats  # per cell, times its weight
    block: Floats  # product × 2 × 2, inverted
    ties: Floats  # product × 2 × (effects and weeks)
    whole: Floats  # (effects and weeks)², what is left of it
    step: Floats  # of effects and weeks
    own_step: Floats  # product × 2


def fitted(cells: Cells, prior: Prior) -> Fit:
    """The most likely effects given the prior.

    Without a reduction in any cell the elasticity is the prior's mean.

    >>> product, week = np.repeat(np.arange(3), 8), np.tile(np.arange(8), 3)
    >>> reduced, none = np.where((product * 3 + week) % 4 == 0, 0.2, 0.0), np.zeros(24)
    >>> units = 200.0 * (1 + product) * np.exp(0.1 * week) * (1 - reduced) ** -2.0
    >>> cells = Cells(product, week, units, none + 7, -np.log1p(-reduced), none, none, none, none)
    >>> believed = Prior(np.array([1.5, 0, 0, 0, 0, 0]), np.full(6, 10.0), scatter=0.5, spread=0.0)
    >>> fitted(cells, believed).effects.round(2).tolist()
    [2.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    state = _started(cells, prior)
    for _ in range(_ROUNDS):
        state = _converged(cells, prior, state, _ROUGHLY)
        state = dataclasses.replace(state, dispersion=_dispersion(cells, state))
    state = _converged(cells, prior, state, _CLOSE)
    equations = _equations(cells, prior, state)
    expected, slope = np.exp(state.log_expected), _slope(cells, prior, state)
    own, shared = [np.ones(len(cells)), slope], [slope * state.relative[cells.product], cells.drivers]
    return Fit(
        state.effects,
        state.elasticities,
        state.dispersion,
        expected,
        prior,
        equations,
        np.column_stack(own),
        np.column_stack(shared),
    )


def lift(elasticity: Floats, reduction: Floats, spread: float) -> Floats:
    """Log of the factor on units by a reduction, as far as it is not DEEP.

    >>> lift(np.array([2.0]), np.array([USUAL]), spread=0.3).round(3).tolist()  # log of 1.25²
    [0.446]
    >>> lift(np.array([2.0, 2.0]), -np.log1p(-np.array([0.1, 0.3])), spread=0.3).round(3).tolist()  # 0.211, 0.713 + …
    [0.203, 0.742]
    """
    bent = elasticity * reduction
    log_factor: Floats = bent + spread / 2 * bent * (bent - elasticity * USUAL)
    return log_factor


@dataclass(frozen=True)
class _State:
    level: Floats  # per product
    deviation: Floats  # per product, of its elasticity
    season: Floats  # per week
    effects: Floats
    dispersion: Floats
    relative: Floats  # per product
    log_expected: Floats

    @property
    def elasticities(self) -> Floats:
        own: Floats = self.effects[ELASTICITY] * self.relative + self.deviation
        return own


def _started(cells: Cells, prior: Prior) -> _State:
    sums = np.bincount(cells.product, cells.units, cells.products)
    days = np.bincount(cells.product, cells.days, cells.products)
    nothing = np.zeros(cells.products)
    return _looked(
        cells,
        prior,
        _State(
            level=np.log(np.maximum(sums, 0.1) / days),
            deviation=nothing,
            season=np.zeros(cells.weeks),
            effects=prior.mean.astype(np.float64),
            dispersion=nothing,
            relative=np.ones(cells.products) if prior.relative is None else prior.relative,
            log_expected=np.zeros(len(cells)),
        ),
    )


def _looked(cells: Cells, prior: Prior, state: _State) -> _State:
    """The state with what it expects."""
    log_expected = (
        state.level[cells.product]
        + state.season[cells.week]
        + cells.log_days
        + lift(state.elasticities[cells.product], cells.reduction, prior.spread)
        + cells.drivers @ state.effects[1:]
    )
    return dataclasses.replace(state, log_expected=np.minimum(log_expected, _HIGHEST))


def _equations(cells: Cells, prior: Prior, state: _State) -> Equations:
    """Gauss–Newton: the log of expected units is taken as linear in all effects."""
    expected = np.exp(state.log_expected)
    weight = expected / (1 + state.dispersion[cells.product] * expected)
    residual = weight * (cells.units / expected - 1)
    slope = _slope(cells, prior, state)
    products, weeks, effects = cells.products, cells.weeks, len(state.effects)
    first, weighted = slope * state.relative[cells.product], weight * slope
    # a row per sum: residual, residual × slope, weight, weight × slope, weight × slope², then weight × each shared
    # effect, then weight × slope × each; a column per cell
    rows = np.empty((5 + 2 * effects, len(cells)))
    rows[0], rows[2], rows[3] = residual, weight, weighted
    for place, of, by in (
        (1, residual, slope),
        (4, weighted, slope),
        (5, weight, first),
        (5 + effects, weighted, first),
    ):
        np.multiply(of, by, out=rows[place])
    np.multiply(weight, cells.drivers.T, out=rows[6 : 5 + effects])
    np.multiply(weighted, cells.drivers.T, out=rows[6 + effects :])
    of_products: Floats = np.add.reduceat(rows, cells.starts, axis=1).T
    of_weeks = np.array([np.bincount(cells.week, rows[place], weeks) for place in (0, 2, *range(5, 5 + effects))])
    own_right = of_products[:, :2].copy()
    own_right[:, 1] -= state.deviation * prior.scatter**-2.0
    block = of_products[:, [2, 3, 3, 4]].reshape(products, 2, 2) + np.diag([_FLAT, prior.scatter**-2.0])
    ties = np.zeros((products, 2, effects + weeks))
    ties[:, :, :effects] = of_products[:, 5:].reshape(products, 2, effects)
    ties[cells.product, 0, effects + cells.week] = weight
    ties[cells.product, 1, effects + cells.week] = weighted
    whole, right = np.zeros((effects + weeks,) * 2), np.zeros(effects + weeks)
    precision = prior.deviation**-2.0
    of_effects = rows[5 : 5 + effects]
    whole[0, :effects] = of_effects @ first
    whole[:effects, 1:effects] = of_effects @ cells.drivers
    whole[1:effects, 0] = whole[0, 1:effects]
    whole[np.arange(effects), np.arange(effects)] += precision
    right[0], right[1:effects] = first @ residual, residual @ cells.drivers
    right[:effects] -= (state.effects - prior.mean) * precision
    whole[:effects, effects:] = of_weeks[2:]
    whole[effects:, :effects] = of_weeks[2:].T
    places = np.arange(effects, effects + weeks)
    whole[places, places] = of_weeks[1] + _FLAT
    whole[effects, effects] += _FIXED
    right[effects:] = of_weeks[0]
    inverted: Floats = np.linalg.inv(block).astype(np.float64)
    carried = inverted @ ties
    left = whole - ties.reshape(-1, effects + weeks).T @ carried.reshape(-1, effects + weeks)
    step = np.linalg.solve(left, right - np.einsum("pik,pi->k", carried, own_right))
    own_step = np.einsum("pij,pj->pi", inverted, own_right - ties @ step)
    return Equations(weight, residual, inverted, ties, left, step, own_step)


def _slope(cells: Cells, prior: Prior, state: _State) -> Floats:
    """By how much the log of expected units rises with the product's elasticity."""
    elasticity = state.elasticities[cells.product]
    slope: Floats = cells.reduction * (1 + prior.spread * elasticity * (cells.reduction - USUAL))
    return slope


def _converged(cells: Cells, prior: Prior, state: _State, close: float) -> _State:
    """Steps until one wins less than `close`; a step is halved while the likelihood falls.

    How far effects still move tells nothing: a product that sold next to nothing goes to and fro for long.
    """
    worth = _likelihood(cells, prior, state)
    for _ in range(_MOST_STEPS):
        equations = _equations(cells, prior, state)
        longest = max(np.abs(equations.own_step).max(initial=0), np.abs(equations.step).max(initial=0))
        share, effects = _LONGEST_STEP / max(longest, _LONGEST_STEP), len(state.effects)
        for _ in range(20):
            moved = dataclasses.replace(
                state,
                level=state.level + share * equations.own_step[:, 0],
                deviation=state.deviation + share * equations.own_step[:, 1],
                season=state.season + share * equations.step[effects:],
                effects=state.effects + share * equations.step[:effects],
            )
            tried = _looked(cells, prior, moved)
            reached = _likelihood(cells, prior, tried)
            if reached >= worth - 1e-9 * abs(worth):
                break
            share /= 2
        won, state, worth = reached - worth, tried, reached
        if won < close:
            break
    return state


def _likelihood(cells: Cells, prior: Prior, state: _State) -> float:
    """Log of it, of negative binomial units and of the prior, but for what does not move."""
    expected, dispersion = np.exp(state.log_expected), state.dispersion[cells.product]
    size = np.maximum(dispersion, 1e-12)
    grown = np.log1p(dispersion * expected)
    scattered = cells.units * (state.log_expected - grown) - grown / size
    of_units = np.where(dispersion > 0, scattered, cells.units * state.log_expected - expected)
    believed = ((state.effects - prior.mean) / prior.deviation) ** 2
    return float(of_units.sum() - believed.sum() / 2 - ((state.deviation / prior.scatter) ** 2).sum() / 2)


def _dispersion(cells: Cells, state: _State) -> Floats:
    """φ of each product by moments, less what its effects have fitted away, drawn to the category's median.

    A product that is most of its category bends the weeks' effects to itself, and would seem to be without any.
    """
    expected, products = np.exp(state.log_expected), cells.products
    count = np.bincount(cells.product, minlength=products).astype(np.float64)
    fitted_away = 2 + (cells.weeks + len(EFFECTS)) / products
    left = np.maximum(count - fitted_away, count / 4)
    of_cell = (cells.units - expected) ** 2 * (count / left)[cells.product] - expected
    surplus = np.bincount(cells.product, of_cell, products)
    own = np.maximum(surplus / np.maximum(np.bincount(cells.product, expected**2, products), 1e-12), 0.0)
    drawn: Floats = (left * own + _OTHERS * np.median(own)) / (left + _OTHERS)
    return drawn
