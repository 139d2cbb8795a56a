"""The page of a date."""

from __future__ import annotations

from typing import Literal

from promo_spark.settings.sections import Days, Positive, Section


class ReportSettings(Section):
    """In which language the page of a date is, how far it looks back, and which groups of people it tells of."""

    language: Literal["", "en-US", "zh-CN"]
    days: Days
    least_group: Positive
