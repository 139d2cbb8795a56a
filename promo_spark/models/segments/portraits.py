"""Who is in a segment: size, centre, what it buys beyond the average, how it reacts to discounts."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import SegmentPortraits, Segments
from promo_spark.models.segments.assignment import NO_ORDERS_ID, Scaling, log_value

_EXACT = T.DecimalType(28, 9)  # sums of decimals do not depend on the order of rows


def segment_portraits(
    profiles: DataFrame,
    segments: DataFrame,
    scaling: Scaling,
    *,
    matched_from: Mapping[int, datetime.date],
    categories_kept: int,
) -> DataFrame:
    """One row per segment with users. UserProfile, Segments → SegmentPortraits.

    Centres are exact means over the members, whoever the segments were fitted on; a feature unknown for all
    members has no entry. Lifts compare them with the mean over all users; a mean of 0 gives no entry. The
    discounted share weighs each user by lines bought. `matched_from` is given per id taken over.
    """
    members = profiles.join(segments.select("user_id", "segment_id", "segment_name"), on="user_id", how="inner")
    measures = _measures(scaling.features)
    of_all = members.agg(*[m.alias(f"all_{name}") for name, m in measures.items()])
    measured = (
        members.groupBy(Segments.segment_id, Segments.segment_name)
        .agg(*[m.alias(name) for name, m in measures.items()])
        .crossJoin(F.broadcast(of_all))
        .join(_top_categories(members, categories_kept), on=Segments.segment_id, how="left")
    )
    buys = F.col(Segments.segment_id) != NO_ORDERS_ID  # who has no orders has no place on the scale
    logs = {f: F.when(buys, F.col(f"log_{f}").cast("double")) for f in scaling.features}
    scaled = {
        f: (logs[f] - float(mean)) / float(deviation)
        for f, mean, deviation in zip(scaling.features, scaling.mean, scaling.deviation, strict=True)
    }
    origin = F.lit(None).cast("date")
    for segment_id, day in sorted(matched_from.items()):
        origin = F.when(F.col(Segments.segment_id) == segment_id, F.lit(day)).otherwise(origin)
    return measured.select(
        Segments.segment_id,
        Segments.segment_name,
        SegmentPortraits.users,
        _ratio("users", "all_users").alias(SegmentPortraits.users_share),
        F.coalesce(_ratio("spend", "all_spend"), F.lit(0.0)).alias(SegmentPortraits.revenue_share),
        _map({f: F.col(f"mean_{f}") for f in scaling.features}).alias(SegmentPortraits.centre),
        _map(scaled).alias(SegmentPortraits.scaled_centre),
        _map(logs).alias(SegmentPortraits.log_centre),
        _map({f: _ratio(f"mean_{f}", f"all_mean_{f}") for f in scaling.features}).alias(SegmentPortraits.lifts),
        F.coalesce("categories", F.array().cast("array<string>")).alias(SegmentPortraits.top_categories),
        _ratio("discounted_lines", "lines").alias(SegmentPortraits.discounted_lines_share),
        _ratio("redeemed", "received").alias(SegmentPortraits.coupon_response),
        origin.alias(SegmentPortraits.matched_from),
    )


def _measures(features: Sequence[str]) -> dict[str, Column]:
    lines = F.col(UserProfile.lines)
    measures = {
        "users": F.count(F.lit(1)),
        "spend": F.sum(UserProfile.spend),
        "lines": F.sum(lines),
        "discounted_lines": F.sum(F.col(UserProfile.discounted_lines_share).cast(_EXACT) * lines.cast("decimal(18,0)")),
        "redeemed": F.sum(UserProfile.coupons_redeemed),
        "received": F.sum(UserProfile.campaigns_received),
    }
    for f in features:
        measures[f"mean_{f}"] = F.avg(F.col(f).cast(_EXACT))
        measures[f"log_{f}"] = F.avg(log_value(f).cast(_EXACT))
    return measures


def _top_categories(members: DataFrame, kept: int) -> DataFrame:
    """One row per segment: `categories` whose mean share of a member's spend is most above that of all users."""
    shares = members.select("segment_id", F.explode(UserProfile.interests).alias("interest")).select(
        "segment_id", "interest.category", F.col("interest.share").cast(_EXACT).alias("share")
    )
    sizes = members.groupBy("segment_id").count()
    sums = (
        shares.groupBy("segment_id", "category")
        .agg(F.sum("share").alias("sum"))
        .join(sizes, on="segment_id", how="inner")
    )
    everywhere = Window.partitionBy("category")
    of_all = sizes.agg(F.sum("count").alias("all_users"))
    beyond = sums.crossJoin(F.broadcast(of_all)).withColumn(
        "beyond", F.round(F.col("sum") / F.col("count") - F.sum("sum").over(everywhere) / F.col("all_users"), 9)
    )
    ranked = Window.partitionBy("segment_id").orderBy(F.desc("beyond"), "category")
    return (
        beyond.filter(F.col("beyond") > 0)
        .withColumn("rank", F.row_number().over(ranked))
        .filter(F.col("rank") <= kept)
        .groupBy("segment_id")
        .agg(
            F.transform(F.sort_array(F.collect_list(F.struct("rank", "category"))), lambda c: c["category"]).alias(
                "categories"
            )
        )
    )


def _map(values: Mapping[str, Column]) -> Column:
    """Feature → value, without the unknown ones."""
    rounded = F.array(*[F.round(v.cast("double"), 6) for v in values.values()])
    return F.map_filter(F.map_from_arrays(F.lit(list(values)), rounded), lambda _, value: value.isNotNull())


def _ratio(part: str, whole: str) -> Column:
    """Their ratio, rounded; null where there is no whole."""
    return F.when(F.col(whole) != 0, F.round(F.col(part).cast("double") / F.col(whole).cast("double"), 6))
