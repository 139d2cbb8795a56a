"""What is advised for each tier."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.risk import ACTION_OF_TIER, ACTIONS, Risk, RiskActions
from promo_spark.contracts.schema import MONEY
from promo_spark.contracts.vocabulary import RISK_TIERS

NO_REASON = "nothing speaks against the account"
TOO_LITTLE = "too little to act on: "
NONE = ACTIONS[0]


def verification_level(tier: str) -> int:
    """How thoroughly to ask who it is.

    >>> [verification_level(tier) for tier in RISK_TIERS]
    [0, 1, 2, 3]
    """
    return RISK_TIERS.index(tier)


def actions(risk: DataFrame, *, as_of: datetime.date, limit_amount: Decimal, days: Mapping[str, int]) -> DataFrame:
    """One row per user. Risk → RiskActions, without the columns that a write stamps.

    `days`: for how long each action holds if it is not made anew; none holds for a day. Who may order nothing, or
    anything, has no limit.
    """
    action = _by_tier(ACTION_OF_TIER)
    last = {tier: as_of + datetime.timedelta(days.get(named, 1)) for tier, named in ACTION_OF_TIER.items()}
    expires = F.coalesce(*[F.when(F.col(Risk.tier) == tier, F.lit(day)) for tier, day in last.items()])
    listed = F.concat_ws("; ", Risk.reasons)
    some = F.when(action == NONE, F.concat(F.lit(TOO_LITTLE), listed)).otherwise(listed)
    told = F.when(F.size(Risk.reasons) > 0, some).otherwise(NO_REASON)
    return risk.select(
        Risk.user_id,
        action.alias(RiskActions.action),
        F.when(action == "limit", F.lit(limit_amount)).cast(MONEY).alias(RiskActions.limit_amount),
        told.alias(RiskActions.reason),
        expires.alias(RiskActions.expires),
    )


def _by_tier(values: Mapping[str, str]) -> Column:
    return F.coalesce(*[F.when(F.col(Risk.tier) == tier, F.lit(value)) for tier, value in values.items()])
