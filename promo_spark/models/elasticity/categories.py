"""One category at a time: its evidence, its estimates, and the profit of its promotions, as rows.

The first two functions take the ProductWeek rows of one category in any order. What a category's promotions brought
goes along with its estimates, but for the halo of mailers, which is known when all categories are.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from promo_spark.contracts.measurement import PromotionPnl
from promo_spark.models.elasticity.aggregates import Estimate, estimated, together
from promo_spark.models.elasticity.category_weeks import WEEK, Bools, CategoryWeeks, category_weeks
from promo_spark.models.elasticity.frames import PROMOTED, CategoryEstimate, CategoryEvidence, ProductWeek
from promo_spark.models.elasticity.pooling import Pool, believed, evidence
from promo_spark.models.elasticity.profit import Profit, Slopes, margin_slopes, profit
from promo_spark.models.elasticity.regression import EFFECTS, ELASTICITY, Cells, Floats, Prior, fitted
from promo_spark.models.elasticity.standard_errors import model_variance, product_variances, variance
from promo_spark.settings.elasticity import ElasticitySettings

NORMAL_95 = 1.96
_LEAST_DEVIATION = 0.02  # of an effect that a segment takes over from all users
_WIDE = 3.0  # deviation of a segment's elasticity from the category's, before its cells are seen
_OF_PRODUCTS = 0.5  # how far products scatter in a segment around what they are for all, over the usual scatter
_WITHIN = 0.3  # how much shoppers of a segment differ, over how much all do


@dataclass(frozen=True)
class Fitting:
    """What a pass needs beside the rows: weeks, settings, what is usual, and each category's elasticity so far."""

    weeks: int
    settings: ElasticitySettings
    pool: Pool
    about: Mapping[str, float]


def prior_pool(settings: ElasticitySettings) -> Pool:
    """What is usual by the settings."""
    return believed(settings.prior_elasticity, settings.prior_deviation)


def evidence_row(rows: pd.DataFrame, weeks: int, settings: ElasticitySettings) -> pd.DataFrame:
    """The category's evidence, from a first fit that its prior hardly touches. → CategoryEvidence."""
    shelf = category_weeks(rows, weeks, settings)
    row: dict[str, Any] = dict.fromkeys(CategoryEvidence.columns())
    row[CategoryEvidence.category] = rows[ProductWeek.category].iloc[0]
    row[CategoryEvidence.usual_units] = float(shelf.usual_units.sum())
    row[CategoryEvidence.mailed_units] = (shelf.usual_units @ shelf.mailer).tolist()
    if shelf.modelled.any():
        known, _ = _known_products(shelf)
        cells = known.cells()
        fit = fitted(cells, prior_pool(settings).prior(settings.prior_elasticity, weak=True))
        found = evidence(cells, fit)
        row[CategoryEvidence.elasticity] = float(fit.effects[ELASTICITY])
        row |= {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in dataclasses.asdict(found).items()
        }
    return pd.DataFrame([row])


def estimate_row(rows: pd.DataFrame, fitting: Fitting) -> pd.DataFrame:
    """The category's effects and its segments', and what its promotions brought in sum. → CategoryEstimate."""
    category = str(rows[ProductWeek.category].iloc[0])
    shelf = category_weeks(rows, fitting.weeks, fitting.settings)
    if not shelf.modelled.any():
        return pd.DataFrame([_nothing_fitted(category, fitting)])
    known, ids = _known_products(shelf)
    cells = known.cells()
    estimate = estimated(cells, known.usual_units, fitting.pool, about=fitting.about[category])
    counted = known.modelled | known.promoted
    brought, slopes = _profit(known, counted, estimate)
    product, week = np.nonzero(counted)
    sums = np.bincount(product, slopes.of_elasticity, len(known.units)).astype(np.float64)
    margin_variance = variance(cells, estimate.fit, of_effects=slopes.of_effects.sum(axis=0), of_elasticities=sums)
    promoted = known.promoted[product, week]
    of_promotions = {
        CategoryEstimate.promoted_week: week,
        CategoryEstimate.promoted_product: np.array(ids, dtype=object)[product],
        CategoryEstimate.promoted_depth: known.depth[product, week],
        CategoryEstimate.promoted_units: known.units[product, week],
        CategoryEstimate.promoted_gross_units: brought.gross_units,
        CategoryEstimate.promoted_cannibalised: brought.cannibalised,
        CategoryEstimate.promoted_pulled_forward: brought.pulled_forward,
        CategoryEstimate.promoted_margin: brought.margin,
        CategoryEstimate.promoted_error: _margin_errors(known, estimate, slopes, product),
        CategoryEstimate.promoted_mailed: known.usual_units[product] * known.mailer[product, week],
        CategoryEstimate.promoted_cost_assumed: known.cost_is_assumed[product],
    }
    row: dict[str, Any] = {
        CategoryEstimate.category: category,
        CategoryEstimate.elasticity: estimate.elasticity,
        CategoryEstimate.error: estimate.error,
        CategoryEstimate.own_share: estimate.own_share,
        CategoryEstimate.effects: [
            float(e) if s else None for e, s in zip(estimate.effects, _seen(cells), strict=True)
        ],
        CategoryEstimate.cells: len(cells),
        CategoryEstimate.margin: float(brought.margin.sum()),
        CategoryEstimate.margin_error: float(np.sqrt(margin_variance)),
        CategoryEstimate.units_without: np.bincount(week, brought.units_without, fitting.weeks).tolist(),
        CategoryEstimate.margin_without: np.bincount(week, brought.margin_without, fitting.weeks).tolist(),
        **{name: values[promoted] for name, values in of_promotions.items()},
    }
    return pd.DataFrame([row | _segments(known, cells, estimate, fitting)])


def profit_rows(
    estimates: pd.DataFrame,
    *,
    first: datetime.date,
    halo_units: Sequence[float] | None,
    halo_margin: Sequence[float] | None,
) -> pd.DataFrame:
    """What each promotion of categories brought. CategoryEstimate → PromotionPnl without date and run.

    `halo_units` and `halo_margin`: by week, what the visits drawn by all mailers bought per unit of usual sales in the
    mailer; None: not measurable.
    """
    told = {name: _joined(estimates[name]) for name in PROMOTED}
    week = told[CategoryEstimate.promoted_week].astype(np.int64)
    mailed, error = told[CategoryEstimate.promoted_mailed], told[CategoryEstimate.promoted_error]
    halo = None if halo_units is None else mailed * np.asarray(halo_units)[week]
    margin = told[CategoryEstimate.promoted_margin]
    margin = margin if halo_margin is None else margin + mailed * np.asarray(halo_margin)[week]
    gross, taken, earlier = (
        told[name]
        for name in (
            CategoryEstimate.promoted_gross_units,
            CategoryEstimate.promoted_cannibalised,
            CategoryEstimate.promoted_pulled_forward,
        )
    )
    incremental = gross - taken - earlier
    counts = [len(weeks) for weeks in estimates[CategoryEstimate.promoted_week]]
    days = np.array([first + datetime.timedelta(n * WEEK) for n in range(int(week.max(initial=-1)) + 1)], dtype=object)
    values: dict[str, Any] = {
        PromotionPnl.week: days[week],
        PromotionPnl.product_id: told[CategoryEstimate.promoted_product],
        PromotionPnl.category: np.repeat(estimates[CategoryEstimate.category].to_numpy(), counts),
        PromotionPnl.depth: told[CategoryEstimate.promoted_depth],
        PromotionPnl.units: told[CategoryEstimate.promoted_units],
        PromotionPnl.gross_units: gross,
        PromotionPnl.cannibalised: taken,
        PromotionPnl.pulled_forward: earlier,
        PromotionPnl.halo: np.full(len(week), np.nan) if halo is None else halo,
        PromotionPnl.incremental_units: incremental if halo is None else incremental + halo,
        PromotionPnl.incremental_margin: margin,
        PromotionPnl.ci_low: margin - NORMAL_95 * error,
        PromotionPnl.ci_high: margin + NORMAL_95 * error,
        PromotionPnl.cost_is_assumed: told[CategoryEstimate.promoted_cost_assumed].astype(bool),
    }
    return pd.DataFrame(values)


def _joined(lists: Any) -> Any:
    """The entries of all lists, one after the other."""
    every = [np.asarray(values) for values in lists if len(values)]
    return np.concatenate(every) if every else np.zeros(0)


def _known_products(shelf: CategoryWeeks) -> tuple[CategoryWeeks, list[str]]:
    """Only the products that are fitted; their rivals' reductions count as before."""
    kept: Bools = np.count_nonzero(shelf.modelled, axis=1) > 0
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(shelf):
        value = getattr(shelf, field.name)
        if isinstance(value, np.ndarray):
            changed[field.name] = value[kept]
    changed["by_segment"] = {segment: units[kept] for segment, units in shelf.by_segment.items()}
    ids = [i for i, k in zip(shelf.product_ids, kept, strict=True) if k]
    return dataclasses.replace(shelf, product_ids=ids, **changed), ids


def _profit(known: CategoryWeeks, counted: Bools, estimate: Estimate) -> tuple[Profit, Slopes]:
    cells, prices = known.cells(counted), known.prices(counted)
    at = (estimate.effects, estimate.fit.elasticities, estimate.fit.prior.spread)
    return profit(cells, prices, *at), margin_slopes(cells, prices, *at)


def _margin_errors(known: CategoryWeeks, estimate: Estimate, slopes: Slopes, product: Any) -> Floats:
    """Standard error of each cell's margin, the effects' errors taken as independent of one another."""
    fit = estimate.fit
    _, weights = together(fit.elasticities, known.usual_units)
    of_model = model_variance(fit, of_effects=np.zeros(len(EFFECTS)), of_elasticities=weights)
    wider = max(estimate.error**2 / max(of_model, 1e-12), 1.0)
    squares = (slopes.of_effects * estimate.errors) ** 2
    own = slopes.of_elasticity**2 * product_variances(fit)[product] * wider
    errors: Floats = np.sqrt(squares.sum(axis=1) + own)
    return errors


def _seen(cells: Cells) -> list[bool]:
    """Which effects the cells could show at all."""
    return [True, *(bool(column.any()) for column in cells.drivers.T)]


def _segments(known: CategoryWeeks, cells: Cells, estimate: Estimate, fitting: Fitting) -> dict[str, Any]:
    """Each segment's elasticity by itself: a fit of its units in which the other effects are nearly those of all."""
    of_all = estimate.effects[ELASTICITY]
    deviation = np.maximum(estimate.errors, _LEAST_DEVIATION)
    deviation[ELASTICITY] = _WIDE
    scatter = max(_OF_PRODUCTS * fitting.pool.scatter * abs(of_all), _LEAST_DEVIATION)
    relative = estimate.fit.elasticities / (of_all if abs(of_all) > _LEAST_DEVIATION else 1.0)
    prior = Prior(estimate.effects, deviation, scatter, _WITHIN * fitting.pool.spread, relative)
    found: dict[str, list[Any]] = {"ids": [], "elasticities": [], "errors": [], "cells": []}
    for segment, units in known.by_segment.items():
        of_segment = dataclasses.replace(cells, units=units[known.modelled])
        elasticity, error = None, None
        if of_segment.units.sum() >= max(fitting.settings.segment_min_units, 1):
            fit = fitted(of_segment, prior)
            quiet = np.where(known.modelled & (known.depth == 0), units, 0.0).sum(axis=1) + 1e-9
            elasticity, weights = together(fit.elasticities, quiet)
            nothing = np.zeros(len(EFFECTS))
            error = float(np.sqrt(variance(of_segment, fit, of_effects=nothing, of_elasticities=weights)))
        values = (segment, elasticity, error, int((of_segment.units > 0).sum()))
        for name, value in zip(found, values, strict=True):
            found[name].append(value)
    return {f"segment_{name}": values for name, values in found.items()}


def _nothing_fitted(category: str, fitting: Fitting) -> dict[str, Any]:
    """The row of a category none of whose products was on sale for weeks enough."""
    none: list[float] = []
    return {
        CategoryEstimate.category: category,
        CategoryEstimate.elasticity: float(fitting.pool.mean[ELASTICITY]),
        CategoryEstimate.error: float(fitting.pool.deviation[ELASTICITY]),
        CategoryEstimate.own_share: 0.0,
        CategoryEstimate.effects: [None] * len(EFFECTS),
        CategoryEstimate.cells: 0,
        CategoryEstimate.segment_ids: none,
        CategoryEstimate.segment_elasticities: none,
        CategoryEstimate.segment_errors: none,
        CategoryEstimate.segment_cells: none,
        CategoryEstimate.margin: 0.0,
        CategoryEstimate.margin_error: 0.0,
        CategoryEstimate.units_without: [0.0] * fitting.weeks,
        CategoryEstimate.margin_without: [0.0] * fitting.weeks,
        **dict.fromkeys(PROMOTED, none),
    }
