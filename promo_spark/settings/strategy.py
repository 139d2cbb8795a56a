"""The jobs of the daily run after ingest, from profiles to promotions, and the run itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promo_spark.settings.sections import Days, Money, Positive, Section, Share


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
    lapsing_cadences: Annotated[float, Field(gt=0)]
    lapsing_min_days: Days
    lost_days: Days
    series_levels: Annotated[list[Literal["product", "category", "store"]], Field(min_length=1)]
    top_products: Positive
    top_stores: Positive


class SegmentSettings(Section):
    """How users are grouped."""

    features: list[str]
    k: Annotated[list[Annotated[int, Field(ge=2, le=50)]], Field(min_length=1)]
    starts: Positive
    max_iterations: Positive
    sample_users: Positive
    min_orders: Positive
    stability_rounds: Annotated[int, Field(ge=2)]
    min_share: Share
    k_switch_margin: Share
    max_drift: Annotated[float, Field(gt=0)]
    top_categories: Positive
    seed: int


class BasketsSettings(Section):
    """What counts as bought together."""

    level: Literal["product", "subcategory", "category"]
    history_days: Days
    miner: Literal["levels", "fpgrowth"]
    min_baskets: Positive
    min_support: Share
    min_confidence: Share
    max_items_quantile: Share
    max_antecedent: Annotated[int, Field(ge=1, le=4)]
    max_p_value: Share
    min_improvement: Share
    max_rules: Positive


class RecommendSettings(Section):
    """How products are ranked for a user."""

    top_n: Positive
    history_days: Days
    half_life_days: Days
    rank: Positive
    iterations: Positive
    regularisation: Annotated[float, Field(gt=0)]
    alpha: Annotated[float, Field(gt=0)]
    blocks: Positive
    min_orders: Positive
    min_buyers: Positive
    bought: Literal["exclude", "keep", "due_again"]
    due_lead_days: Annotated[int, Field(ge=0)]
    repeat_weight: Annotated[float, Field(ge=0)]
    popular_days: Days
    holdout_days: Days
    evaluation_users: Positive
    seed: int


class ForecastSettings(Section):
    """Horizon, models and backtest of the sales forecasts."""

    horizon_days: Days
    season_days: Positive
    min_history_days: Days
    dead_days: Days
    intermittent_gap: Annotated[float, Field(gt=1)]
    backtest_windows: Positive
    top_series: Annotated[int, Field(ge=0)]
    models_regular: list[str]
    models_intermittent: list[str]
    models_top: list[str]
    champion_by_regular: Literal["mae", "rmse"]
    champion_by_intermittent: Literal["mae", "rmse"]
    batch_series: Positive
    partitions: Positive


class PromoteSettings(Section):
    """Scenarios, depths, budgets and the experiment."""

    scenarios: list[str]
    min_margin: Share
    depth: dict[str, Annotated[list[Share], Field(min_length=2, max_length=2)]]
    daily_budget: Money
    mechanic_budgets: dict[str, Money]
    max_offers_per_user: Positive
    candidates_per_scenario: Positive
    holdout_share: Share
    holdout_key: Annotated[str, Field(min_length=8)]
    unknown_consent: Literal["eligible", "excluded"]
    blocked_risk_tiers: list[str]
    valid_days: Days
    response_window_days: Days
    response_prior_strength: Annotated[float, Field(gt=0)]
    unknown_response: Share
    repurchase_lead_days: Annotated[int, Field(ge=0)]
    win_back_lifecycles: list[str]
    min_spend_stretch: Annotated[float, Field(ge=1)]
    coupon_min_discounted_share: Share
    clearance_trend: Annotated[float, Field(gt=0)]
    welcome_amount: Money
    welcome_min_spend: Money
    policy_version: str


class PipelineSettings(Section):
    """Which jobs make the daily run."""

    jobs: Annotated[list[str], Field(min_length=1)]
    date: str
    side_by_side: Positive
