"""What a price changes, and how it is measured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from promo_spark.settings.sections import Count, Factor, Positive, Section


class ElasticitySettings(Section):
    """What a price changes, and how it is measured."""

    history_weeks: Annotated[int, Field(ge=2, le=520)]
    min_weeks: Annotated[int, Field(ge=1, le=520)]
    ended_weeks: Positive
    least_depth: Annotated[float, Field(gt=0, lt=1)]
    segment_min_units: Count
    prior_elasticity: Factor
    prior_deviation: Factor
