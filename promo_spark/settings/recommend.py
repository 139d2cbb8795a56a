"""How products are ranked for a user."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from promo_spark.contracts.vocabulary import EVENT_TYPES, FIRST_STAGE_MODELS, USER_ATTRIBUTES
from promo_spark.settings.fitting import FittingSettings
from promo_spark.settings.sections import (
    Attributes,
    Count,
    Days,
    Factor,
    Positive,
    Refit,
    Section,
    Seed,
    Share,
    Weight,
    each_once_of,
)


def _event_type(name: str) -> str:
    if name not in EVENT_TYPES:
        raise ValueError(f"there is no event type {name}; there are: {', '.join(EVENT_TYPES)}")
    return name


LIMITED = ("department", "category", "subcategory", "tag")  # what a limit of products can be of
EventType = Annotated[str, AfterValidator(_event_type)]


class RankingSettings(FittingSettings):
    """How candidates are found and judged."""

    sample_users: Positive
    judged_users: Positive
    represented: Attributes
    reweight_above: Factor
    lookback_days: Days
    least_history_days: Days
    training_dates: Positive
    training_every_days: Days
    own_products: Positive
    similar_products: Positive
    popular_products: Count
    neighbours: Positive
    neighbour_days: Days
    neighbour_ridge: Factor
    negatives: Annotated[float, Field(gt=0, le=1)]


class FirstStageSettings(Section):
    """How recommenders of the first stage compare users and products."""

    measure: Literal["cosine", "pearson", "jaccard"]
    nearest_items: Positive


def _attribute(name: str) -> str:
    if name not in USER_ATTRIBUTES:
        raise ValueError(f"there is no attribute of users {name}; there are: {', '.join(USER_ATTRIBUTES)}")
    return name


def _limit(key: str) -> str:
    kind, sign, value = key.partition(":")
    if kind not in LIMITED or not sign or not value:
        raise ValueError(f"write a limit of {', '.join(f'{kind}:NAME' for kind in LIMITED)}, found {key!r}")
    return key


Limit = Annotated[str, AfterValidator(_limit)]
UserAttribute = Annotated[str, AfterValidator(_attribute)]


class SessionsSettings(Section):
    """What is made of visits."""

    minute_weight: Weight
    days: Days
    least_share: Annotated[float, Field(gt=0, le=1)]
    longest: Annotated[int, Field(ge=2, le=10)]
    patterns: Positive


class RelevanceSettings(Section):
    """Which products are for whom."""

    price_tiers: Annotated[int, Field(ge=0, le=4)]
    limits: dict[Limit, dict[UserAttribute, Annotated[list[str], Field(min_length=1)]]]


class AlsSettings(Section):
    """How vectors are fitted in blocks, and whether they are."""

    engine: Literal["blocked", "mllib"]
    unobserved: Annotated[float, Field(gt=0, le=1)]
    regularised_unobserved: Annotated[float, Field(ge=0, le=1)]
    exponent: Annotated[float, Field(ge=0, le=2)]
    driver_pairs: Annotated[int, Field(ge=0, le=50_000_000)]
    broadcast_mb: Annotated[int, Field(ge=0, le=1024)]
    probes: Annotated[int, Field(ge=0, le=100_000)]


class RecommendSettings(Section):
    """How products are ranked for a user."""

    top_n: Positive
    history_days: Days
    half_life_days: Days
    rank: Positive
    iterations: Positive
    regularisation: Factor
    alpha: Factor
    blocks: Positive
    min_orders: Positive
    min_buyers: Positive
    bought: Literal["exclude", "keep", "due_again", "not_within_days"]
    bought_days: Days
    due_lead_days: Annotated[int, Field(ge=0, le=3660)]
    repeat_weight: Weight
    popular_days: Days
    holdout_days: Days
    evaluation_users: Positive
    refit: Refit
    offer_days: Days
    item_products: Positive
    refit_without_vector: Share
    refit_worst_decile: Share
    switch_margin: Share
    refit_after_days: Days
    seed: Seed
    event_weights: dict[EventType, Weight]
    models: Annotated[list[str], each_once_of("recommender", FIRST_STAGE_MODELS)]
    als: AlsSettings
    first_stage: FirstStageSettings
    relevance: RelevanceSettings
    sessions: SessionsSettings
    ranking: RankingSettings
