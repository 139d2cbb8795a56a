"""By which mechanics marketers want to reach whom, as long as nothing was measured."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Check, Col, SourceCheck, WriteMode
from promo_spark.contracts.silver.sourced import Sourced, control_character
from promo_spark.contracts.vocabulary import GIVING_MECHANICS

_TEXT = T.StringType()

STRATEGY_LEVELS = ("segment", "lifecycle")


class SegmentStrategies(Sourced):
    """One row per group of users and mechanic that they may get: the list as it was delivered last.

    A prior, not a law: it holds where no experiment had the mechanic (`basis` prior). What is measured competes by
    what it brings, and the explore arm draws from everything, so that it is measured. Users of no row get any mechanic.
    """

    name = "segment_strategies"
    key = ("level", "value", "mechanic")
    write_mode = WriteMode.OVERWRITE
    checks = (
        Check("level_known", "level", "in", STRATEGY_LEVELS),
        Check("mechanic_known", "mechanic", "in", GIVING_MECHANICS),
    )
    source_checks = (
        control_character("value"),
        SourceCheck(
            "strategy_level_unknown",
            f"the level is none of {', '.join(STRATEGY_LEVELS)}",
            "reject",
            "level",
            "in",
            STRATEGY_LEVELS,
        ),
        SourceCheck(
            "strategy_mechanic_unknown",
            f"the mechanic is none of {', '.join(GIVING_MECHANICS)}",
            "reject",
            "mechanic",
            "in",
            GIVING_MECHANICS,
        ),
    )
    level = Col(_TEXT, f"what is named: {', '.join(STRATEGY_LEVELS)}", required=True)
    value = Col(_TEXT, "its segment_name in models.segments, or its lifecycle in features.user_profile", required=True)
    mechanic = Col(_TEXT, f"how these users are given offers: {', '.join(GIVING_MECHANICS)}", required=True)
    why = Col(_TEXT, "the marketer's own words")
