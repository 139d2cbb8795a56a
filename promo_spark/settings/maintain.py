"""Keeping house: what is merged, what is kept for how long, who is erased."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from promo_spark.settings.sections import Count, Days, Section

LEAST_VACUUM_HOURS = 168  # who began to read before, and a run that goes on from an earlier version, still find files


class MaintainSettings(Section):
    """What is merged, what is kept for how long, and who is erased."""

    optimize_files: Count
    vacuum_hours: Annotated[int, Field(ge=LEAST_VACUUM_HOURS, le=100_000)]
    orphan_hours: Annotated[int, Field(ge=0, le=100_000)]
    persons: str
    readmit: str
    retention: dict[str, Days]
