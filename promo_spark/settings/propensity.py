"""How it is learnt what users do by themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from promo_spark.settings.fitting import FittingSettings
from promo_spark.settings.sections import Attributes, Count, Days, Factor, Positive, Refit, Seed, Share


class PropensitySettings(FittingSettings):
    """How it is learnt what users do by themselves."""

    redemption_days: Days
    lookback_days: Days
    least_history_days: Days
    training_dates: Positive
    training_every_days: Days
    sample_users: Positive
    sample_rows: Positive
    represented: Attributes
    reweight_above: Factor
    regular_days: Positive
    regular_silence: Factor
    cart_days: Days
    idle_days: Days
    idle_share: Share
    gap_share: Share
    gaps: Count
    value_weeks: Annotated[int, Field(gt=0, le=520)]
    refit: Refit
    refit_worst_decile: Share
    seed: Seed
