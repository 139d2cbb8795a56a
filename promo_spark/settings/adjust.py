"""How far, how fast and on what evidence the way offers are decided may be adjusted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from promo_spark.settings.sections import Days, Factor, Positive, Section, Share


class AdjustSettings(Section):
    """What may change from one date to the next, and how sure one has to be."""

    memory_days: Days
    half_life_days: Days
    step: Annotated[float, Field(gt=0, le=0.5)]
    doubt: Annotated[float, Field(gt=0, le=10)]
    doubt_of_kinds: Annotated[float, Field(gt=0, le=10)]
    chance: Share
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    planned_days: Days
    retry_days: Days
    negative_share: Annotated[float, Field(gt=0, le=1)]
    least_scores: Positive
    weekday: Annotated[int, Field(ge=1, le=7)]
    depth_step: Annotated[float, Field(gt=0, le=0.5)]
    target_return: Annotated[float, Field(ge=0, le=1000)]
    explored: Annotated[list[Share], Field(min_length=2, max_length=2)]
    explore_error: Annotated[list[Factor], Field(min_length=2, max_length=2)]
    hand_days: Annotated[int, Field(ge=0, le=3660)]

    @field_validator("explored", "explore_error")
    @classmethod
    def _least_first(cls, bounds: list[float]) -> list[float]:
        if bounds[0] >= bounds[1]:
            raise ValueError(f"the least comes first, found {bounds}")
        return bounds
