"""Who may get offers today, and why not: consent, profile, risk, holdout. Each exclusion has its reason code."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import EXCLUSIONS, Promotions
from promo_spark.contracts.schema import RATE, Col
from promo_spark.decisions.users import DailyUser
from promo_spark.settings.promote import PromoteSettings

_RANGE = 16**15  # 15 hex digits of a digest fit a long


class UserEligibility(DailyUser):
    """One row per user of the day, with the experiment's arm and every reason not to send an offer."""

    arm = Col(T.StringType(), "treatment, holdout or explore", required=True)
    arm_propensity = Col(RATE, "probability with which the user was put in the arm", "share", required=True)
    exclusions = Col(T.ArrayType(T.StringType()), "reasons not to send an offer; empty: eligible", required=True)


def keyed_draw(user_id: Column, *, key: str, purpose: str) -> Column:
    """A whole number from 0 to before 16 to the power of 15, by user; the same on every machine.

    The digest is sha256 of a salt and the user id, the salt an HMAC of the key and the purpose: the plan shows the salt
    of this draw, not the key.
    """
    salt = hmac.new(key.encode(), purpose.encode(), hashlib.sha256).hexdigest()
    digits = F.substring(F.sha2(F.concat(F.lit(salt), user_id), 256), 1, 15)
    return F.conv(digits, 16, 10).cast("long")


def in_share(user_id: Column, *, share: float | Decimal, key: str, purpose: str) -> Column:
    """Whether the keyed hash of a user falls into a share of all."""
    return keyed_draw(user_id, key=key, purpose=purpose) < F.lit(int(Decimal(str(share)) * _RANGE))


def in_holdout(user_id: Column, *, share: float, key: str) -> Column:
    """Whether the keyed hash of a user falls into the held-out share; the same on every date."""
    return in_share(user_id, share=share, key=key, purpose="holdout")


def in_explore_arm(user_id: Column, *, share: float, key: str, date: datetime.date) -> Column:
    """Whether the keyed hash of a user and the date falls into the explored share; others on every date."""
    return in_share(user_id, share=share, key=key, purpose=f"explore {date}")


def exploring_users(earlier_promotions: DataFrame, date: datetime.date, valid_days: int) -> DataFrame:
    """One row per user for whom chance drew so lately that an offer of that day holds. Promotions → the user's id.

    Until it ends the user gets nothing else: what follows is then the work of what was drawn, or of none, alone.
    """
    lately = F.col(Promotions.date) > F.lit(date - datetime.timedelta(valid_days))
    was_drawn = (F.col(Promotions.arm) == "explore") & ~F.array_contains(Promotions.reason_codes, _EXPLORING)
    return earlier_promotions.filter(lately & was_drawn).select(Promotions.user_id).distinct()


def with_eligibility(
    users: DataFrame, settings: PromoteSettings, date: datetime.date, exploring: DataFrame | None = None
) -> DataFrame:
    """One row per user. DailyUser, ids of users as of `exploring_users` → UserEligibility.

    A user without profile is excluded: every offer there is follows from what a user bought or did not buy.
    The arm comes from the hash alone, whatever the consent, so that it never depends on what a user does.
    """
    if exploring is None:
        exploring = users.select(DailyUser.user_id).limit(0)
    users = users.join(exploring.withColumn(_STILL, F.lit(True)), DailyUser.user_id, "left")
    still = F.coalesce(F.col(_STILL), F.lit(False))
    consent, tier = F.col(DailyUser.consent_marketing), F.col(DailyUser.risk_tier)
    arm = F.col(UserEligibility.arm)
    held_out = arm == "holdout"
    share, explored = Decimal(str(settings.holdout_share)), Decimal(str(settings.explore_share))
    applies = {
        "no_consent": consent.isNotNull() & ~consent,
        "unknown_consent": consent.isNull() & F.lit(settings.unknown_consent == "excluded"),
        "no_channel": F.col(DailyUser.channel).isNull() & (F.size(DailyUser.refused_channels) > 0),
        "not_profiled": ~F.col(DailyUser.profiled),
        "risk_blocked": tier.isNotNull() & tier.isin(list(settings.blocked_risk_tiers)),
        "holdout": held_out,
        _EXPLORING: (arm == "explore") & still,
    }
    exclusions = F.array_compact(F.array(*[F.when(applies[code], code) for code in EXCLUSIONS]))
    user_id, key = F.col(DailyUser.user_id), settings.holdout_key
    drawn = (
        F.when(in_holdout(user_id, share=settings.holdout_share, key=key), "holdout")
        .when(still | in_explore_arm(user_id, share=settings.explore_share, key=key, date=date), "explore")
        .otherwise("treatment")
    )
    propensity = (
        F.when(held_out, share).when(arm == "explore", (1 - share) * explored).otherwise((1 - share) * (1 - explored))
    )
    return UserEligibility.shaped(
        users.withColumn(UserEligibility.arm, drawn)
        .withColumn(UserEligibility.arm_propensity, propensity.cast(RATE))
        .withColumn(UserEligibility.exclusions, exclusions)
    )


_EXPLORING, _STILL = "exploring", "was_drawn_lately"


def is_eligible() -> Column:
    """Whether nothing excludes a user. Of UserEligibility."""
    return F.size(UserEligibility.exclusions) == 0


def eligible(users: DataFrame) -> DataFrame:
    """The users without any exclusion. UserEligibility → UserEligibility."""
    return users.filter(is_eligible())
