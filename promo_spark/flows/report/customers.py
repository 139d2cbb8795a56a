"""What is told of customers: segments, moves between them, groups of the market; never a single one."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.silver import Users
from promo_spark.flows.report.reading import Ctx, rows_of
from promo_spark.measurement.market_groups import market_groups
from promo_spark.reports.sections.customers import CustomerRows, Move


def customer_rows(ctx: Ctx) -> CustomerRows:
    """What the section of the customers is made of."""
    week_before = F.col(Segments.as_of) == F.lit(ctx.date - datetime.timedelta(7))
    moves = segment_moves(ctx.read_earlier(Segments).filter(week_before), ctx.read_optional(Segments))
    profiles = ctx.read_optional(UserProfile)
    groups = market_groups(ctx.read_optional(Users), profiles, least=ctx.settings.least_group)
    return CustomerRows(
        portraits=rows_of(ctx.read_optional(SegmentPortraits)),
        moves=rows_of(moves),
        groups=[row for row in rows_of(groups) if row["users"] != 0],
    )


def segment_moves(before: DataFrame, now: DataFrame) -> DataFrame:
    """One row per segment then and segment now, with its users. Segments of two dates → Move."""
    then = before.select(
        Segments.user_id,
        F.col(Segments.segment_id).alias(Move.from_id),
        F.col(Segments.segment_name).alias(Move.from_segment),
    )
    today = now.select(
        Segments.user_id,
        F.col(Segments.segment_id).alias(Move.to_id),
        F.col(Segments.segment_name).alias(Move.to_segment),
    )
    moves = then.join(today, Segments.user_id)
    of = (Move.from_segment, Move.to_segment, Move.from_id, Move.to_id)
    return moves.groupBy(*of).agg(F.count(F.lit(1)).alias(Move.users))
