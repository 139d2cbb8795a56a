"""What is measured of the offers, and when an alarm is raised."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from promo_spark.secret_references import REFERENCE
from promo_spark.settings.sections import Days, Money, Positive, Section, Share


def _day(text: str) -> str:
    """Refuses what is no day; "" is none."""
    try:
        if text:
            datetime.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'write a day such as 2017-12-01, or "" for the first decided, found {text!r}') from None
    return text


def _text_of_day(given: object) -> object:
    """A day as TOML has it without quotes is a day, too."""
    return given.isoformat() if isinstance(given, datetime.date) else given


def _rising(days: list[int]) -> list[int]:
    if sorted(set(days)) != days:
        raise ValueError(f"each number of days once, the fewest first, found {days}")
    return days


Windows = Annotated[list[Days], Field(min_length=1), AfterValidator(_rising)]


class AlarmSettings(Section):
    """From where on something is an alarm, and who is told."""

    oldest_days: Days
    drift: Annotated[float, Field(gt=0, le=100)]
    calibration: Annotated[float, Field(gt=0, le=1)]
    sample_ratio: Annotated[float, Field(gt=0, lt=1)]
    webhook_secret: Annotated[str, Field(pattern=rf"^$|{REFERENCE}")]


class EvaluateSettings(Section):
    """What is measured of the offers."""

    windows: Windows
    since: Annotated[str, BeforeValidator(_text_of_day), AfterValidator(_day)]
    most_days: Days
    explored_days: Days
    before_days: Days
    least_users: Positive
    least_answers: Positive
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    retention_days: Windows
    churn_days: Days
    answer_days: Days
    holding_cost_rate: Share
    channel_costs: dict[Annotated[str, Field(min_length=1)], Money]
    cps_rates: dict[Annotated[str, Field(min_length=1)], Share]
    alarms: AlarmSettings

    @model_validator(mode="after")
    def _windows_are_looked_at(self) -> EvaluateSettings:
        if self.windows[-1] > self.most_days:
            raise ValueError(
                f"windows has {self.windows[-1]} days, and evaluate.most_days is {self.most_days}: no more are "
                "looked at; give more most_days, or shorter windows"
            )
        return self
