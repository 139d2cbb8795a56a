"""Into which arm chance put each user on a day, and who could have been offered something there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import EXCLUSIONS, Promotions
from promo_spark.contracts.schema import Col, Frame, Personal

_CHANCE = ("holdout", "exploring")  # exclusions by chance: whoever has these only could have been offered something


class UserArm(Frame):
    """One row per user of a date."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    arm = Col(T.StringType(), "as in decisions.promotions", required=True)
    arm_propensity = Col(T.DoubleType(), "as there", unit="share", required=True)
    segment_id = Col(T.IntegerType(), "as there", required=True)
    may = Col(
        T.BooleanType(),
        "could have been offered something: has consented, is profiled and not blocked, whatever chance said",
        required=True,
    )
    mechanics = Col(T.ArrayType(T.StringType()), "how offers of the date are given; none: no offer", required=True)


def user_arms(promotions: DataFrame) -> DataFrame:
    """One row per user. Promotions of one date → UserArm."""
    refused = F.array(*[F.lit(code) for code in EXCLUSIONS if code not in _CHANCE])
    excluded = F.arrays_overlap(F.col(Promotions.reason_codes), refused)
    mechanic = F.when(F.col(Promotions.mechanic) != "none", F.col(Promotions.mechanic))
    return UserArm.shaped(
        promotions.groupBy(Promotions.user_id).agg(
            F.min(Promotions.arm).alias(UserArm.arm),
            F.min(Promotions.arm_propensity).cast("double").alias(UserArm.arm_propensity),
            F.min(Promotions.segment_id).alias(UserArm.segment_id),
            (~F.bool_or(excluded)).alias(UserArm.may),
            F.array_sort(F.collect_set(mechanic)).alias(UserArm.mechanics),
        )
    )


class ArmCount(Frame):
    """One row per arm, probability of it, and whether users could have been offered something: how many there are."""

    arm = Col(T.StringType(), "as in UserArm", required=True)
    arm_propensity = Col(T.DoubleType(), "as there", unit="share", required=True)
    may = Col(T.BooleanType(), "as there", required=True)
    users = Col(T.LongType(), "users", required=True)


def arm_counts(arms: DataFrame) -> DataFrame:
    """One row per arm, probability and whether users may. UserArm → ArmCount."""
    keys = (UserArm.arm, UserArm.arm_propensity, UserArm.may)
    return ArmCount.shaped(arms.groupBy(*keys).agg(F.count("*").alias(ArmCount.users)))


def holdout_share(counts: Iterable[Mapping[str, Any]]) -> float:
    """The share of users that is held out: what the other arms' probabilities leave. Rows of ArmCount → a share.

    As the others tell it: an arm that is lost says nothing of itself.

    >>> rows = [("treatment", 0.891), ("explore", 0.009), ("treatment", 0.009), ("holdout", 0.1)]
    >>> round(holdout_share({"arm": arm, "arm_propensity": p} for arm, p in rows), 6)
    0.1
    """
    others = {row[ArmCount.arm_propensity] for row in counts if row[ArmCount.arm] != "holdout"}
    return max(1.0 - float(sum(others)), 0.0)
