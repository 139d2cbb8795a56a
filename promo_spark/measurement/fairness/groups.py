"""Counts of the users of each group, in one pass, however many attributes there are."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.vocabulary import OTHER_GROUPS, UNKNOWN_GROUP
from promo_spark.measures.best_rows import best_rows
from promo_spark.measures.exact_sums import whole_parts

MOST_GROUPS = 50  # of an attribute; the others count together
MILLION = 1_000_000


class ServedUser(Frame):
    """One row per user of the day: may the user get offers, does the user, how deep; with a column per attribute."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    may = Col(T.BooleanType(), "whether there is no reason not to make an offer", required=True)
    served = Col(T.BooleanType(), "whether an offer of the date or one that still holds is there", required=True)
    depth = Col(T.DoubleType(), "mean share that the offers of the date take off; null: none is made", unit="share")


class GroupCount(Frame):
    """One row per attribute and group of users."""

    attribute = Col(T.StringType(), "the attribute", required=True)
    group_name = Col(T.StringType(), "the group", required=True)
    users = Col(T.LongType(), "all of them", required=True)
    served = Col(T.LongType(), "those with an offer", required=True)
    may = Col(T.LongType(), "those who may get offers", required=True)
    may_served = Col(T.LongType(), "those of them with an offer", required=True)
    depths = Col(T.LongType(), "those with an offer of the date that has a depth", required=True)
    depth_sum = Col(T.LongType(), "of their depths", unit="millionths", required=True)
    depth_squares = Col(T.LongType(), "of the squares of these", unit="millionths", required=True)


_COUNTS = tuple(name for name in GroupCount.columns() if name not in (GroupCount.attribute, GroupCount.group_name))
_GROUP, _PLACE = "_group", "_place"


def group_counts(users: DataFrame, attributes: Sequence[str]) -> DataFrame:
    """One row per attribute and group, the fifty largest and all others together. ServedUser with them → GroupCount."""
    groups = [
        F.struct(
            F.lit(name).alias(GroupCount.attribute), F.coalesce(name, F.lit(UNKNOWN_GROUP)).alias(GroupCount.group_name)
        )
        for name in attributes
    ]
    depth, may, served = (F.col(name) for name in (ServedUser.depth, ServedUser.may, ServedUser.served))
    counted = (
        users.select(ServedUser.may, ServedUser.served, ServedUser.depth, F.explode(F.array(*groups)).alias(_GROUP))
        .groupBy(f"{_GROUP}.{GroupCount.attribute}", f"{_GROUP}.{GroupCount.group_name}")
        .agg(
            F.count("*").alias(GroupCount.users),
            F.count_if(served).alias(GroupCount.served),
            F.count_if(may).alias(GroupCount.may),
            F.count_if(may & served).alias(GroupCount.may_served),
            F.count(depth).alias(GroupCount.depths),
            F.coalesce(F.sum(whole_parts(depth, MILLION)), F.lit(0)).alias(GroupCount.depth_sum),
            F.coalesce(F.sum(whole_parts(depth * depth, MILLION)), F.lit(0)).alias(GroupCount.depth_squares),
        )
    )
    # The order leaves no ties, so that the fifty are the same on every run.
    order = (F.desc(GroupCount.users), GroupCount.group_name)
    every = best_rows(counted, of=[GroupCount.attribute], by=order, keep=2**31 - 1, place=_PLACE)
    name = F.when(F.col(_PLACE) <= MOST_GROUPS, F.col(GroupCount.group_name)).otherwise(OTHER_GROUPS)
    return GroupCount.shaped(
        every.groupBy(GroupCount.attribute, name.alias(GroupCount.group_name)).agg(
            *[F.sum(count).alias(count) for count in _COUNTS]
        )
    )
