"""The calendar of campaigns: what they are about, when, and what they may cost."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import MONEY, Check, Col, SourceCheck, WriteMode
from promo_spark.contracts.silver.sourced import (
    ENDS_BEFORE_START,
    LEVEL_KNOWN,
    LEVEL_UNKNOWN,
    PRODUCT_LEVELS,
    Sourced,
    control_character,
)
from promo_spark.contracts.vocabulary import OBJECTIVES, OFFERING

_TEXT = T.StringType()


class PromotionCalendar(Sourced):
    """One row per campaign, with the offers that belong to it: the calendar as it was delivered last.

    An offer of a day belongs to the campaign of that day whose scenario, products and segment it meets; of several to
    the one whose campaign_id sorts first. All that offers ever reserved under a campaign_id counts against its budget.
    """

    name = "promotion_calendar"
    key = ("campaign_id",)
    write_mode = WriteMode.OVERWRITE
    checks = (
        Check("scenario_known", "scenario", "in", OFFERING),
        LEVEL_KNOWN,
        Check("objective_known", "objective", "in", OBJECTIVES),
        Check("budget_not_negative", "budget", ">=", 0),
    )
    source_checks = (
        control_character("campaign_id"),
        SourceCheck(
            "campaign_scenario_unknown", "there is no such scenario of offers", "reject", "scenario", "in", OFFERING
        ),
        LEVEL_UNKNOWN,
        SourceCheck(
            "objective_unknown",
            f"the objective is none of {', '.join(OBJECTIVES)}",
            "reject",
            "objective",
            "in",
            OBJECTIVES,
        ),
        SourceCheck("half_a_scope", "it has a level without a value, or a value without a level", "reject", "level"),
        SourceCheck("budget_negative", "the budget is below 0", "reject", "budget", ">=", 0),
        ENDS_BEFORE_START,
    )
    campaign_id = Col(_TEXT, "the campaign", required=True)
    title = Col(_TEXT, "its name, and what it is for, in the marketer's own words")
    start_date = Col(T.DateType(), "first day on which offers belong to it", required=True)
    end_date = Col(T.DateType(), "last such day, included", required=True)
    scenario = Col(_TEXT, "the only scenario whose offers belong to it; null: any")
    level = Col(_TEXT, f"what names its products: {', '.join(PRODUCT_LEVELS)}; null: it is about all, and the basket")
    value = Col(_TEXT, "their id or name, written as in silver.products, a tag in any case; null: as for level")
    segment = Col(_TEXT, "the only users whose offers belong to it, by segment_name of models.segments; null: all")
    objective = Col(
        _TEXT, f"what its offers are chosen for: {', '.join(OBJECTIVES)}; null: what promote.objective says"
    )
    budget = Col(MONEY, "the most that its offers may reserve in all; null: no limit of its own", unit="currency")
