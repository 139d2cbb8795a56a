"""Keeping house: what is merged, and what is kept for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from promo_spark.settings.sections import Count, Days, Section

LEAST_VACUUM_HOURS = 168  # who began to read before, and a run that goes on from an earlier version, still find files


class MaintainSettings(Section):
    """What is merged, and what is kept for how long."""

    optimize_files: Count
    vacuum_hours: Annotated[int, Field(ge=LEAST_VACUUM_HOURS, le=100_000)]
    orphan_hours: Annotated[int, Field(ge=0, le=100_000)]
    retention: dict[str, Days]
