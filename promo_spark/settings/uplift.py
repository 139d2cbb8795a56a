"""How it is learnt what offers change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promo_spark.settings.sections import Attributes, Days, Factor, Positive, Section, Seed, Share


class UpliftSettings(Section):
    """How it is learnt what offers change."""

    engine: Literal["response", "t", "x", "dr"]
    history_days: Days
    most_days: Days
    unknown_saving: Share
    sample_users: Positive
    represented: Attributes
    reweight_above: Factor
    least_rows: Positive
    classes: Annotated[int, Field(ge=2, le=20)]
    rounds: Positive
    trees: Positive
    leaves: Positive
    rows_of_leaf: Positive
    refit: Literal["daily", "weekly"]
    seed: Seed
