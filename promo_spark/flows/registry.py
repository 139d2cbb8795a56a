"""What a job fitted on a date, as a row of models.registry."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promo_spark.contracts.models import Registry
from promo_spark.contracts.schema import Table
from promo_spark.runtime.job import Context
from promo_spark.settings.sections import Refit


@dataclass(frozen=True)
class Fit:
    """A model that was fitted on the date: on which rows, by what, why, and the table that its state stands in."""

    model: str
    engine: str
    refit: Refit
    reason: str
    rows: int
    days: tuple[datetime.date, datetime.date]  # the first and the last date of the rows
    features: Sequence[str]
    state: type[Table]
    metrics: Mapping[str, float] = field(default_factory=dict)
    sha256: str | None = None  # of the text that the table holds; None: the state is rows of numbers
    champion: bool = True  # False: it was compared with the one in use and was no better


def registry_rows(ctx: Context[Any], *fits: Fit | None) -> list[dict[str, Any]]:
    """One row per model that was fitted on the date; None stands for none. → Registry."""
    return [_row(ctx, fit) for fit in fits if fit is not None]


def _row(ctx: Context[Any], fit: Fit) -> dict[str, Any]:
    return {
        Registry.model: fit.model,
        Registry.model_version: ctx.date.isoformat(),
        Registry.engine: fit.engine,
        Registry.champion: fit.champion,
        Registry.refit: fit.refit,
        Registry.reason: fit.reason,
        Registry.made_by: ctx.made_by,
        Registry.trained_from: fit.days[0],
        Registry.trained_to: fit.days[1],
        Registry.trained_rows: fit.rows,
        Registry.features: list(fit.features),
        Registry.metrics: dict(fit.metrics),
        Registry.format: "table",
        Registry.state: fit.state.full_name(),
        Registry.sha256: fit.sha256,
    }
