"""How far, how fast and on what evidence the way offers are decided may be adjusted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from promo_spark.contracts.parameters import fault
from promo_spark.contracts.vocabulary import OFFERING
from promo_spark.settings.sections import Days, Factor, Positive, Section, Share

JUDGED = ("value_factor", "cost_factor", "depth_most", "paused")  # what choosing among logged offers can tell of
OF_DATES = "prices"  # the policy of the dates, in slices of measurement.effects beside those of challengers
Challenger = dict[str, dict[str, float]]  # parameter → scope → value
Challengers = dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], Challenger]


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
    challengers: Challengers

    @field_validator("explored", "explore_error")
    @classmethod
    def _least_first(cls, bounds: list[float]) -> list[float]:
        if bounds[0] >= bounds[1]:
            raise ValueError(f"the least comes first, found {bounds}")
        return bounds

    @field_validator("challengers")
    @classmethod
    def _that_can_be_judged(cls, challengers: Challengers) -> Challengers:
        for name, parameters in challengers.items():
            if name == OF_DATES:
                raise ValueError(f"{OF_DATES} is the policy of the dates itself: give the challenger another name")
            if not any(parameters.values()):
                raise ValueError(f'{name} has no value, such as value_factor = {{ "mechanic:coupon" = 0.8 }}')
            for parameter, values in parameters.items():
                if parameter not in JUDGED:
                    raise ValueError(
                        f"{name}: {parameter} cannot be judged by what explored users could have drawn; "
                        f"a challenger names: {', '.join(JUDGED)}"
                    )
                for scope, value in values.items():
                    kind, _, of = scope.partition(":")
                    if kind == "scenario" and of not in OFFERING:
                        raise ValueError(f"{name}: there is no scenario {of}; there are: {', '.join(OFFERING)}")
                    if why := fault(parameter, scope, value):
                        raise ValueError(f"{name}: {why}")
        return challengers
