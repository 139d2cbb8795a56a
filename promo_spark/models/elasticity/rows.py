"""Elasticities as rows: of each category and segment, with what they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from promo_spark.contracts.effects import Elasticity
from promo_spark.models.elasticity.frames import CategoryEstimate, CategoryEvidence
from promo_spark.models.elasticity.pooling import Evidence
from promo_spark.models.elasticity.regression import (
    CANNIBALISATION,
    DISPLAY,
    ELASTICITY,
    MAILER,
    PULL_FORWARD,
    SATURATION,
)
from promo_spark.models.elasticity.segments import RankOne, rank_one

ALL_USERS = -1
OBSERVED, POOLED, PRIOR = "observed", "pooled", "prior"
_DECIMALS = 6
_MOSTLY = 0.5
_TOLD = 1e-6  # precision below which prices have not moved
_COLUMNS = {
    Elasticity.display: DISPLAY,
    Elasticity.mailer: MAILER,
    Elasticity.pull_forward: PULL_FORWARD,
    Elasticity.cannibalisation: CANNIBALISATION,
    Elasticity.saturation: SATURATION,
}


def evidence_of(row: Mapping[str, Any]) -> Evidence | None:
    """CategoryEvidence → the evidence; None: nothing was fitted."""
    if row[CategoryEvidence.elasticity] is None:
        return None
    return Evidence(
        np.array(row[CategoryEvidence.effects], np.float64),
        np.array(row[CategoryEvidence.precision], np.float64),
        np.array(row[CategoryEvidence.deviations], np.float64),
        np.array(row[CategoryEvidence.deviation_precision], np.float64),
        row[CategoryEvidence.spread],
        row[CategoryEvidence.spread_precision],
    )


def prices_moved(found: Sequence[Evidence]) -> bool:
    """Whether any category's prices say anything."""
    return any(e.precision[ELASTICITY] > _TOLD for e in found)


def elasticity_rows(
    estimates: Sequence[Mapping[str, Any]], *, moved: bool, prior: float, spread: float
) -> list[dict[str, Any]]:
    """CategoryEstimate in order of the category → rows of Elasticity: of all users, then of each segment.

    `moved`: whether any price has moved; else all have the prior.
    """
    segments = sorted({s for row in estimates for s in row[CategoryEstimate.segment_ids]})
    ranked = _ranked(estimates, segments) if moved and segments else None
    rows = []
    for place, row in enumerate(estimates):
        category = {Elasticity.category: row[CategoryEstimate.category], Elasticity.spread: round(spread, _DECIMALS)}
        effects = row[CategoryEstimate.effects]
        category |= {name: _rounded(effects[k]) for name, k in _COLUMNS.items()} if moved else {}
        cells = dict(zip(row[CategoryEstimate.segment_ids], row[CategoryEstimate.segment_cells], strict=True))
        for at, segment in [(None, ALL_USERS), *enumerate(segments)]:
            values: dict[str, Any] = {
                Elasticity.segment_id: segment,
                Elasticity.cells: row[CategoryEstimate.cells] if at is None else cells.get(segment, 0),
            }
            if not moved:
                values |= _stated(prior, None, PRIOR, "no price has moved in the weeks looked at")
            elif at is None or ranked is None:
                own, why = row[CategoryEstimate.own_share], _why_pooled(row)
                values |= _judged(row[CategoryEstimate.elasticity], row[CategoryEstimate.error], own, why)
            else:
                elasticity, error = float(ranked.elasticity[place, at]), float(ranked.error[place, at])
                why = "mostly the category's elasticity × the segment's factor"
                values |= _judged(elasticity, error, float(ranked.own_share[place, at]), why)
            rows.append(category | values)
    return rows


def _ranked(estimates: Sequence[Mapping[str, Any]], segments: Sequence[int]) -> RankOne:
    found, errors = np.full((2, len(estimates), len(segments)), np.nan)
    for place, row in enumerate(estimates):
        ids, values = row[CategoryEstimate.segment_ids], row[CategoryEstimate.segment_elasticities]
        for segment, value, error in zip(ids, values, row[CategoryEstimate.segment_errors], strict=True):
            if value is not None:
                found[place, segments.index(segment)] = value
                errors[place, segments.index(segment)] = error
    of_category = np.array([row[CategoryEstimate.elasticity] for row in estimates])
    return rank_one(found, errors, of_category, np.array([row[CategoryEstimate.error] for row in estimates]))


def _why_pooled(row: Mapping[str, Any]) -> str:
    if not row[CategoryEstimate.cells]:
        return "no product was on sale for weeks enough"
    if row[CategoryEstimate.own_share] < _TOLD:
        return "its prices have not moved"
    return "its cells are too few to tell"


def _judged(elasticity: float, error: float, own_share: float, why: str) -> dict[str, Any]:
    observed = own_share >= _MOSTLY
    return _stated(elasticity, error, OBSERVED if observed else POOLED, None if observed else why)


def _stated(elasticity: float, error: float | None, basis: str, note: str | None) -> dict[str, Any]:
    return {
        Elasticity.elasticity: round(elasticity, _DECIMALS),
        Elasticity.elasticity_se: _rounded(error),
        Elasticity.basis: basis,
        Elasticity.note: note,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
