"""Which segment counts where it matters how users buy, not how much."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.models import Segments


def by_behaviour(segments: DataFrame) -> DataFrame:
    """One row per user, with id and name of the segment by behaviour; by value where there is none. Segments → …"""
    return segments.select(
        Segments.user_id,
        F.coalesce(Segments.behaviour_id, Segments.segment_id).alias(Segments.segment_id),
        F.coalesce(Segments.behaviour_name, Segments.segment_name).alias(Segments.segment_name),
    )
