"""Scenarios, depths, budgets and the experiment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from promo_spark.contracts.vocabulary import (
    GIVING_MECHANICS,
    LIFECYCLES,
    OBJECTIVES,
    OFFERING,
    POLICIES,
    RISK_TIERS,
    USER_GROUPS,
)
from promo_spark.settings.sections import (
    Attributes,
    Days,
    Factor,
    Money,
    Positive,
    Section,
    Share,
    each_once_of,
    one_of,
)

FACE_MECHANICS = ("coupon", "threshold")  # those that take an amount off
WITHOUT_DEPTH = ("new_user_welcome", "gift_with_purchase")  # they give an amount, and a product


def _least_first(bounds: list[float]) -> list[float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the least comes first, found {bounds}")
    return bounds


Bounds = Annotated[list[Share], Field(min_length=2, max_length=2), AfterValidator(_least_first)]


Hour = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class FairnessSettings(Section):
    """Which groups of users are compared, and when their offers are too unequal."""

    gate: Literal["warn", "stop"]
    attributes: Attributes
    loyal_lifecycles: Annotated[list[str], each_once_of("lifecycle", LIFECYCLES)]
    least_ratio: Share
    least_users: Annotated[int, Field(ge=5, le=2_000_000_000)]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]


class PromoteSettings(Section):
    """Scenarios, depths, budgets and the experiment."""

    scenarios: Annotated[list[str], Field(min_length=1), each_once_of("scenario", OFFERING)]
    objective: Annotated[str, one_of("objective", OBJECTIVES)]
    policy: Annotated[str, one_of("policy", POLICIES)]
    min_margin: Annotated[float, Field(ge=0, lt=1)]
    least_gain: Money
    usual_elasticity: Factor
    depth: dict[Annotated[str, one_of("scenario", OFFERING)], Bounds]
    depth_step: Annotated[float, Field(ge=0.01, le=1)]
    daily_budget: Money
    mechanic_budgets: dict[Annotated[str, one_of("mechanic", GIVING_MECHANICS)], Money]
    face_budgets: dict[Annotated[str, one_of("mechanic", FACE_MECHANICS)], Money]
    department_budgets: dict[Annotated[str, Field(min_length=1)], Money]
    group_shares: dict[
        Annotated[str, one_of("attribute of users", USER_GROUPS)], Annotated[float, Field(ge=1, le=1000)]
    ]
    stock_share: Annotated[float, Field(ge=0, le=1000)]
    most_stock_out_risk: Share
    max_offers_per_user: Positive
    max_offers_per_ring: Positive
    candidates_per_scenario: Positive
    candidates_per_user: Positive
    sample_users: Positive
    holdout_share: Share
    explore_share: Share
    explore_budget_share: Share
    holdout_key: Annotated[str, Field(min_length=8)]
    unknown_consent: Literal["eligible", "excluded"]
    quiet_hours: Annotated[list[Hour], Field(max_length=2)]
    approval: Literal["none", "required"]
    blocked_risk_tiers: Annotated[list[str], each_once_of("risk tier", RISK_TIERS)]
    no_coupon_risk_tiers: Annotated[list[str], each_once_of("risk tier", RISK_TIERS)]
    valid_days: Days
    flash_days: Days
    return_days: Annotated[int, Field(ge=0, le=3660)]
    points_valid_days: Days
    repurchase_lead_days: Annotated[int, Field(ge=0, le=3660)]
    holiday_lead_days: Annotated[int, Field(ge=0, le=3660)]
    holidays: list[str]
    win_back_lifecycles: Annotated[list[str], each_once_of("lifecycle", LIFECYCLES)]
    spend_and_save_lifecycles: Annotated[list[str], each_once_of("lifecycle", LIFECYCLES)]
    rebate_lifecycles: Annotated[list[str], each_once_of("lifecycle", LIFECYCLES)]
    member_tiers: list[str]
    likely_buyer_bounds: Bounds
    online_channels: list[str]
    store_channel: Annotated[str, Field(min_length=1)]
    store_coupon_spend: Annotated[float, Field(gt=0, le=1e13)]
    store_coupon_days: Days
    min_spend_stretch: Annotated[float, Field(ge=1, le=1000)]
    coupon_min_discounted_share: Share
    coupon_max_budget_share: Share
    gift_max_cost: Money
    clearance_cover_days: Days
    clearance_trend: Factor
    welcome_amount: Money
    welcome_min_spend: Money
    language: Literal["en-US", "zh-CN"]
    policy_version: str
    fairness: FairnessSettings

    @field_validator("quiet_hours")
    @classmethod
    def _from_and_to(cls, hours: list[str]) -> list[str]:
        if len(hours) == 1 or (hours and hours[0] == hours[1]):
            raise ValueError(f'two hours, the first and the last, such as ["21:00", "08:00"], or none, found {hours}')
        return hours

    @field_validator("flash_days")
    @classmethod
    def _no_longer_than_others(cls, days: int, others: ValidationInfo) -> int:
        longest = others.data.get("valid_days", days)
        if days > longest:
            raise ValueError(f"a flash sale holds no longer than promote.valid_days, which is {longest}, found {days}")
        return days

    @field_validator("holiday_lead_days")
    @classmethod
    def _so_that_it_still_holds(cls, days: int, others: ValidationInfo) -> int:
        longest = others.data.get("valid_days", days + 1) - 1
        if days > longest:
            raise ValueError(f"an offer has to hold on the holiday: promote.valid_days − 1 is {longest}, found {days}")
        return days

    @field_validator("store_channel")
    @classmethod
    def _not_online(cls, store: str, others: ValidationInfo) -> str:
        if store in others.data.get("online_channels", ()):
            raise ValueError(f"{store} is one of promote.online_channels: its coupon would be for what earned it")
        return store

    @field_validator("depth")
    @classmethod
    def _depth_of_every_scenario(cls, depth: dict[str, list[float]], others: ValidationInfo) -> dict[str, list[float]]:
        missing = [s for s in others.data.get("scenarios", ()) if s not in depth and s not in WITHOUT_DEPTH]
        if missing:
            raise ValueError(f"{missing[0]} is missing: the least and the greatest share off the price charged now")
        return depth
