"""Profiles of users and products, and sales series."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promo_spark.settings.sections import Days, Factor, Positive, SameResult, Section, Share


class ProfileSettings(Section):
    """Windows and thresholds of user and product profiles, and which sales series are made."""

    recent_days: Days
    activity_days: Days
    interest_half_life_days: Days
    interests_kept: Positive
    repurchases_kept: Positive
    first_time_days: Days
    loyal_orders_90d: Positive
    high_value_quantile: Share
    lapsing_cadences: Factor
    lapsing_min_days: Days
    lapsing_expected_orders: Factor
    expectation_least_users: Positive
    lost_days: Days
    stock_days: Days
    series_levels: Annotated[list[Literal["product", "category", "store", "all"]], Field(min_length=1)]
    top_products: Positive
    top_stores: Positive
    follow_days: Annotated[int, Field(ge=0, le=3660), SameResult()]
