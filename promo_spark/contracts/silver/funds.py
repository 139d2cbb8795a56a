"""Money of suppliers and partners for offers on their products."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import MONEY, RATE, Check, Col, SourceCheck, WriteMode
from promo_spark.contracts.silver.sourced import (
    ENDS_BEFORE_START,
    LEVEL_KNOWN,
    LEVEL_UNKNOWN,
    PRODUCT_LEVELS,
    Sourced,
    control_character,
)

_TEXT = T.StringType()


class PromotionFunds(Sourced):
    """One row per fund, which pays a share of what offers on its products give: the list as it was delivered last.

    All that offers ever reserved under a fund_id counts against its budget, whatever the list said on their day: a new
    agreement has a new fund_id.
    """

    name = "promotion_funds"
    key = ("fund_id",)
    write_mode = WriteMode.OVERWRITE
    checks = (
        LEVEL_KNOWN,
        Check("cost_share_positive", "cost_share", ">", 0),
        Check("cost_share_at_most_all", "cost_share", "<=", 1),
        Check("budget_not_negative", "budget", ">=", 0),
    )
    source_checks = (
        control_character("fund_id"),
        LEVEL_UNKNOWN,
        SourceCheck(
            "cost_share_not_positive", "the share that the fund pays is 0 or negative", "reject", "cost_share", ">", 0
        ),
        SourceCheck(
            "cost_share_above_all", "the share that the fund pays is more than 1", "reject", "cost_share", "<=", 1
        ),
        SourceCheck("budget_negative", "the budget is below 0", "reject", "budget", ">=", 0),
        ENDS_BEFORE_START,
    )
    fund_id = Col(_TEXT, "the fund", required=True)
    partner = Col(_TEXT, "whose money it is, as customers may read it", required=True)
    level = Col(_TEXT, f"what is named: {', '.join(PRODUCT_LEVELS)}", required=True)
    value = Col(_TEXT, "its id or name, written as in silver.products; a tag in any case", required=True)
    cost_share = Col(RATE, "share of what an offer gives that the fund pays", unit="share", required=True)
    budget = Col(MONEY, "the most that it pays in all; null: no limit", unit="currency")
    start_date = Col(T.DateType(), "first day on which offers are made with it; null: since ever")
    end_date = Col(T.DateType(), "last day, included, on which such an offer may hold; null: for good")
