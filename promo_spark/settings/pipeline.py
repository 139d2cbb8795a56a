"""The daily run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from promo_spark.settings.sections import Positive, Section


class PipelineSettings(Section):
    """Which jobs make the daily run."""

    jobs: Annotated[list[str], Field(min_length=1)]
    date: str
    side_by_side: Positive
