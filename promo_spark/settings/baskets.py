"""What counts as bought together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promo_spark.settings.sections import Count, Days, Positive, Refit, Section, Share, each_once_of


class BasketsSettings(Section):
    """What counts as bought together."""

    level: Literal["product", "subcategory", "category"]
    history_days: Days
    miner: Literal["auto", "levels", "fpgrowth"]
    min_baskets: Positive
    min_support: Share
    min_confidence: Share
    max_items_quantile: Share
    max_antecedent: Annotated[int, Field(ge=1, le=4)]
    min_lift_within_users: Annotated[float, Field(ge=1)]
    max_q_value: Share
    max_lift_of_substitutes: Share
    slices: Annotated[list[str], each_once_of("slice", ("segments", "views", "carts"))]
    min_improvement: Share
    max_rules: Positive
    refit: Refit
    refit_margin: Share
    refit_risen_share: Share
    follow_days: Count
