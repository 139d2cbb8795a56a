"""How it is told who cheats, and what is done about it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from promo_spark.settings.sections import Days, Factor, Positive, Section, Seed, Share

_Odds = Annotated[float, Field(gt=0, lt=1)]


class RiskSettings(Section):
    """How it is told who cheats, and what is done about it."""

    history_days: Days
    prior_share: _Odds
    innocent_share: _Odds
    medium_score: _Odds
    high_score: _Odds
    blocked_score: _Odds
    largest_ring: Annotated[int, Field(ge=3, le=10_000)]
    opened_within_days: Days
    equal_within_hours: Factor
    returned_within_days: Days
    quiet_share: Share
    rush: Factor
    contamination: Annotated[float, Field(gt=0, lt=0.5)]
    sample_users: Positive
    trees: Annotated[int, Field(gt=0, le=1000)]
    rows_of_tree: Annotated[int, Field(ge=2, le=10_000)]
    label_days: Days
    least_refunds: Positive
    limit_baskets: Factor
    limit_days: Days
    review_days: Days
    suspend_days: Days
    seed: Seed

    @model_validator(mode="after")
    def _rising(self) -> RiskSettings:
        scores = (self.medium_score, self.high_score, self.blocked_score)
        if list(scores) != sorted(set(scores)):
            raise ValueError(f"medium_score, high_score and blocked_score have to rise, found {list(scores)}")
        return self
