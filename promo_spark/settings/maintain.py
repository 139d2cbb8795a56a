"""Keeping house: what is merged, what is kept for how long, who is erased."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field

from promo_spark.settings.sections import Count, Days, Section

LEAST_VACUUM_HOURS = 168  # who began to read before, and a run that goes on from an earlier version, still find files


def _by_table(found: object) -> object:
    """Days by table, also where a name was written without quotes: TOML reads silver.users as users within silver."""
    if not isinstance(found, Mapping):
        return found
    within = {f"{k}.{name}": days for k, v in found.items() if isinstance(v, Mapping) for name, days in v.items()}
    return {k: v for k, v in found.items() if not isinstance(v, Mapping)} | within


class MaintainSettings(Section):
    """What is merged, what is kept for how long, and who is erased."""

    optimize_files: Count
    vacuum_hours: Annotated[int, Field(ge=LEAST_VACUUM_HOURS, le=100_000)]
    orphan_hours: Annotated[int, Field(ge=0, le=100_000)]
    persons: str
    readmit: str
    retention: Annotated[dict[str, Days], BeforeValidator(_by_table)]
