"""Which mechanics a user may get by the marketers' strategies, where nothing is measured."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.silver import SegmentStrategies
from promo_spark.decisions.users import DailyUser


class UserStrategy(Frame):
    """One row per user whose segment or lifecycle has a strategy."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    strategy = Col(T.ArrayType(T.StringType()), "the mechanics that the user may get", required=True)


def user_strategies(users: DataFrame, strategies: DataFrame) -> DataFrame:
    """One row per user whom a strategy names, by segment, by lifecycle, or by both. DailyUser, SegmentStrategies → …

    A user of both may get the mechanics of both.
    """
    named = F.array(
        F.struct(F.lit("segment").alias(_LEVEL), F.col(DailyUser.segment_name).alias(_VALUE)),
        F.struct(F.lit("lifecycle").alias(_LEVEL), F.col(DailyUser.lifecycle).alias(_VALUE)),
    )
    mechanics = strategies.select(
        F.col(SegmentStrategies.level).alias(_LEVEL), F.col(SegmentStrategies.value).alias(_VALUE), _MECHANIC
    )
    return UserStrategy.shaped(
        users.select(DailyUser.user_id, F.inline(named))
        .join(F.broadcast(mechanics), [_LEVEL, _VALUE], "inner")
        .groupBy(DailyUser.user_id)
        .agg(F.array_sort(F.collect_set(_MECHANIC)).alias(UserStrategy.strategy))
    )


_LEVEL, _VALUE, _MECHANIC = "level", "value", SegmentStrategies.mechanic
