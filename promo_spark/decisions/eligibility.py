"""Who may get offers today, and why not: consent, profile, risk, holdout. Each exclusion has its reason code."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.schema import RATE
from promo_spark.decisions.users import PROFILED

EXCLUSIONS = ("no_consent", "unknown_consent", "not_profiled", "risk_blocked", "holdout")

_RANGE = 16**15  # 15 hex digits of a digest fit a long


def in_holdout(user_id: Column, *, share: float, key: str) -> Column:
    """Whether the keyed hash of a user falls into the held-out share; the same on every date and machine.

    The digest is sha256 of a salt and the user id, the salt an HMAC of the key: the plan shows the salt of
    this split, not the key.
    """
    salt = hmac.new(key.encode(), b"holdout", hashlib.sha256).hexdigest()
    digits = F.substring(F.sha2(F.concat(F.lit(salt), user_id), 256), 1, 15)
    return F.conv(digits, 16, 10).cast("long") < F.lit(int(Decimal(str(share)) * _RANGE))


def verdicts(
    users: DataFrame,
    *,
    unknown_consent: str,
    blocked_risk_tiers: Sequence[str],
    holdout_share: float,
    holdout_key: str,
) -> DataFrame:
    """One row per user, with arm, its propensity and all reasons not to send an offer (none: eligible).

    A user who may not be profiled gets none: every offer there is follows from what a user bought or did not buy.
    The arm comes from the hash alone, whatever the consent, so that it never depends on what a user does.
    """
    consent, tier = F.col(UserProfile.consent_marketing), F.col(Promotions.risk_tier)
    held = F.col(Promotions.arm) == "holdout"
    share = Decimal(str(holdout_share))
    applies = {
        "no_consent": consent.isNotNull() & ~consent,
        "unknown_consent": consent.isNull() & F.lit(unknown_consent == "excluded"),
        "not_profiled": ~F.col(PROFILED),
        "risk_blocked": tier.isNotNull() & tier.isin(list(blocked_risk_tiers)),
        "holdout": held,
    }
    is_held = in_holdout(F.col(UserProfile.user_id), share=holdout_share, key=holdout_key)
    return (
        users.withColumn(Promotions.arm, F.when(is_held, "holdout").otherwise("treatment"))
        .withColumn(Promotions.arm_propensity, F.when(held, share).otherwise(1 - share).cast(RATE))
        .withColumn("exclusions", F.array_compact(F.array(*[F.when(applies[c], c) for c in EXCLUSIONS])))
    )


def eligible(judged: DataFrame) -> DataFrame:
    """The users of `verdicts` without any exclusion."""
    return judged.filter(F.size("exclusions") == 0)
