"""Who is in a segment: size, centre, what it buys beyond the average, how it reacts to discounts."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import Interest, UserProfile
from promo_spark.contracts.models import SegmentPortraits, Segments
from promo_spark.contracts.schema import MONEY, Col, Frame
from promo_spark.measures.best_rows import best_rows
from promo_spark.measures.exact_sums import EXACT, exact, exact_mean
from promo_spark.models.segments.assignment import NO_ORDERS_ID, Scaling, log_value

_PORTRAIT = SegmentPortraits.columns()


class SegmentSums(Frame):
    """One row per segment with users. Columns for the means of each feature stand beside: mean_…, log_…"""

    segment_id = _PORTRAIT[SegmentPortraits.segment_id]
    segment_name = _PORTRAIT[SegmentPortraits.segment_name]
    users = _PORTRAIT[SegmentPortraits.users]
    spend = Col(MONEY, "amount the users paid")
    lines = Col(T.LongType(), "order lines of the users")
    discounted_lines = Col(T.DoubleType(), "of those, bought with a discount")
    redeemed = Col(T.LongType(), "coupons redeemed")
    received = Col(T.LongType(), "campaigns received")


class CategoryPreference(Frame):
    """One row per segment and category that its users like."""

    segment_id = _PORTRAIT[SegmentPortraits.segment_id]
    category = Col(T.StringType(), "the category", required=True)
    share = Col(EXACT, "the category's shares of interest, summed over the segment's users", required=True)
    users = Col(T.LongType(), "users of the segment", required=True)
    all_users = Col(T.LongType(), "users of all segments", required=True)
    excess = Col(T.DecimalType(38, 9), "mean share of a user of the segment above that of all users", required=True)
    rank = Col(T.IntegerType(), "place by the excess, from 1", required=True)


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
    of_user = segments.select(Segments.user_id, Segments.segment_id, Segments.segment_name)
    members = profiles.join(of_user, on=UserProfile.user_id, how="inner")
    sums = _sums(scaling.features)
    of_all = members.agg(*[aggregate.alias(_of_all(name)) for name, aggregate in sums.items()])
    measured = (
        members.groupBy(Segments.segment_id, Segments.segment_name)
        .agg(*[aggregate.alias(name) for name, aggregate in sums.items()])
        .crossJoin(F.broadcast(of_all))
        .join(_top_categories(members, categories_kept), on=Segments.segment_id, how="left")
    )
    has_orders = F.col(Segments.segment_id) != NO_ORDERS_ID  # users without orders are not on the scale
    logs = {f: F.when(has_orders, F.col(_log(f))) for f in scaling.features}
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
        _ratio(SegmentSums.users, _of_all(SegmentSums.users)).alias(SegmentPortraits.users_share),
        F.coalesce(_ratio(SegmentSums.spend, _of_all(SegmentSums.spend)), F.lit(0.0)).alias(
            SegmentPortraits.revenue_share
        ),
        _map({f: F.col(_mean(f)) for f in scaling.features}).alias(SegmentPortraits.centre),
        _map(scaled).alias(SegmentPortraits.scaled_centre),
        _map(logs).alias(SegmentPortraits.log_centre),
        _map({f: _ratio(_mean(f), _of_all(_mean(f))) for f in scaling.features}).alias(SegmentPortraits.lifts),
        F.coalesce(SegmentPortraits.top_categories, F.array().cast("array<string>")).alias(
            SegmentPortraits.top_categories
        ),
        _ratio(SegmentSums.discounted_lines, SegmentSums.lines).alias(SegmentPortraits.discounted_lines_share),
        _ratio(SegmentSums.redeemed, SegmentSums.received).alias(SegmentPortraits.coupon_response),
        origin.alias(SegmentPortraits.matched_from),
    )


def _sums(features: Sequence[str]) -> dict[str, Column]:
    """Column of SegmentSums → aggregate over users."""
    lines = F.col(UserProfile.lines)
    discounted_lines = exact(UserProfile.discounted_lines_share) * lines.cast("decimal(18,0)")
    sums = {
        SegmentSums.users: F.count("*"),
        SegmentSums.spend: F.sum(UserProfile.spend),
        SegmentSums.lines: F.sum(lines),
        SegmentSums.discounted_lines: F.sum(discounted_lines),
        SegmentSums.redeemed: F.sum(UserProfile.coupons_redeemed),
        SegmentSums.received: F.sum(UserProfile.campaigns_received),
    }
    for f in features:
        sums[_mean(f)] = exact_mean(f)
        sums[_log(f)] = exact_mean(log_value(f))
    return sums


def _mean(feature: str) -> str:
    return f"mean_{feature}"


def _log(feature: str) -> str:
    return f"log_{feature}"


def _of_all(name: str) -> str:
    """The column of an aggregate over the users of all segments."""
    return f"all_{name}"


def _top_categories(members: DataFrame, kept: int) -> DataFrame:
    """One row per segment: `top_categories`, whose mean share of a member's spend is most above that of all users."""
    preferences = best_rows(
        _preferences(members).filter(F.col(CategoryPreference.excess) > 0),
        of=[CategoryPreference.segment_id],
        by=[F.desc(CategoryPreference.excess), CategoryPreference.category],
        keep=kept,
        place=CategoryPreference.rank,
    )
    ranked = F.sort_array(F.collect_list(F.struct(CategoryPreference.rank, CategoryPreference.category)))
    categories = F.transform(ranked, lambda entry: entry[CategoryPreference.category])
    return preferences.groupBy(CategoryPreference.segment_id).agg(categories.alias(SegmentPortraits.top_categories))


def _preferences(members: DataFrame) -> DataFrame:
    """One row per segment and category. UserProfile with segment_id → CategoryPreference, without the rank."""
    interests = members.select(Segments.segment_id, F.inline(UserProfile.interests))
    sizes = members.groupBy(Segments.segment_id).agg(F.count("*").alias(CategoryPreference.users))
    share, users = F.col(CategoryPreference.share), F.col(CategoryPreference.users)
    all_users = F.col(CategoryPreference.all_users)
    sums = (
        interests.groupBy(CategoryPreference.segment_id, CategoryPreference.category)
        .agg(F.sum(exact(Interest.share)).alias(CategoryPreference.share))
        .join(sizes, on=Segments.segment_id, how="inner")
    )
    total = sizes.agg(F.sum(users).alias(CategoryPreference.all_users))
    share_of_all = F.sum(share).over(Window.partitionBy(CategoryPreference.category)) / all_users
    return sums.crossJoin(F.broadcast(total)).withColumn(
        CategoryPreference.excess, F.round(share / users - share_of_all, 9)
    )


def _map(values: Mapping[str, Column]) -> Column:
    """Feature → value, without the unknown ones."""
    rounded = F.array(*[F.round(v.cast("double"), 6) for v in values.values()])
    return F.map_filter(F.map_from_arrays(F.lit(list(values)), rounded), lambda _, value: value.isNotNull())


def _ratio(part: str, whole: str) -> Column:
    """Their ratio, rounded; null where there is no whole."""
    return F.when(F.col(whole) != 0, F.round(F.col(part).cast("double") / F.col(whole).cast("double"), 6))
