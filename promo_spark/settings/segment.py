"""How users are grouped."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from promo_spark.contracts.vocabulary import PROFILE_NUMBERS
from promo_spark.settings.sections import Factor, Positive, Refit, Section, Seed, Share, each_once_of

_Features = Annotated[list[str], each_once_of("number of user_profile", PROFILE_NUMBERS)]
_Ks = Annotated[list[Annotated[int, Field(ge=2, le=50)]], Field(min_length=1)]


class BehaviourSettings(Section):
    """By what the second grouping is made, that by behaviour."""

    features: _Features
    k: _Ks


class SegmentSettings(Section):
    """How users are grouped."""

    features: Annotated[_Features, Field(min_length=1)]
    k: _Ks
    behaviour: BehaviourSettings
    starts: Positive
    max_iterations: Positive
    sample_users: Positive
    min_orders: Positive
    stability_rounds: Annotated[int, Field(ge=2, le=1000)]
    min_share: Share
    k_switch_margin: Share
    max_drift: Factor
    stay_margin: Annotated[float, Field(ge=0, lt=1)]
    refit: Refit
    refit_share_shift: Factor
    refit_distance_growth: Factor
    top_categories: Positive
    seed: Seed
