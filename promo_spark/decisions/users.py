"""The users of a day: those with a profile, and those who may not be profiled, of whom only consent is known."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.silver import Users

PROFILED = "profiled"  # of a user: whether there is a profile to decide by


def users_in_segments(profiles: DataFrame, segments: DataFrame) -> DataFrame:
    """One row per user. UserProfile, Segments → profiles with segment and risk tier.

    A user whom the segmentation does not know counts as segment 0, that of users without orders. The risk
    tier is null: nobody scores it yet.
    """
    named = segments.select(Segments.user_id, Segments.segment_id, Segments.segment_name)
    return profiles.join(named, UserProfile.user_id, "left").withColumns(
        {
            Segments.segment_id: F.coalesce(Segments.segment_id, F.lit(0)),
            Segments.segment_name: F.coalesce(Segments.segment_name, F.lit("unknown")),
            "risk_tier": F.lit(None).cast(T.StringType()),
        }
    )


def with_unprofiled(known: DataFrame, unprofiled: DataFrame, *, date: datetime.date, timezone: str) -> DataFrame:
    """The users of `users_in_segments`, and those who may not be profiled, with nothing known of them but consent.

    One row per user, `profiled` telling which. `unprofiled` are such users of the master data; those who
    registered on the date (a day in `timezone`) or later are left out. They count as segment 0.
    """
    registered_on = F.to_date(F.from_utc_timestamp(Users.registered_at, timezone))
    others = unprofiled.filter(F.coalesce(registered_on < F.lit(date), F.lit(True))).join(
        known, UserProfile.user_id, "left_anti"
    )
    nameless = others.select(
        Users.user_id,
        Users.consent_marketing,
        F.lit(0).alias(Segments.segment_id),
        F.lit("not profiled").alias(Segments.segment_name),
    )
    return known.withColumn(PROFILED, F.lit(True)).unionByName(
        nameless.withColumn(PROFILED, F.lit(False)), allowMissingColumns=True
    )
