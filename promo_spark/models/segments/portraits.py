"""Who is in a segment: size, centre, what it buys beyond the average, how it reacts to discounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import Interest, ProductProfile, UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.schema import MONEY, Col, Frame
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.vocabulary import VALUE
from promo_spark.measures.best_rows import best_rows
from promo_spark.measures.exact_sums import EXACT, exact, exact_mean
from promo_spark.models.segments.advice import segment_advice
from promo_spark.models.segments.assignment import COLUMNS, NO_ORDERS_ID
from promo_spark.models.segments.scaling import log_value
from promo_spark.models.segments.stored import FittedSegments

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
    assigned: DataFrame,
    fitted: FittedSegments,
    *,
    excluded: DataFrame,
    categories_kept: int,
) -> DataFrame:
    """One row per segment of a grouping with users. UserProfile, Segments, Product categories → SegmentPortraits.

    Centres are exact means over the members, whoever the segments were fitted on; a feature unknown for all
    members has no entry. Lifts compare them with the mean over all users; a mean of 0 gives no entry. The
    discounted share weighs each user by lines bought. `excluded`: categories that are not told of. Users without
    orders are told of once, with those by value.
    """
    scaling, (of_id, of_name, _, _) = fitted.scaling, COLUMNS[fitted.grouping]
    of_user = assigned.select(
        Segments.user_id, F.col(of_id).alias(Segments.segment_id), F.col(of_name).alias(Segments.segment_name)
    )
    members = profiles.join(of_user, on=UserProfile.user_id, how="inner")
    sums = _sums(scaling.features)
    of_all = members.agg(*[aggregate.alias(_of_all(name)) for name, aggregate in sums.items()])
    measured = (
        members.groupBy(Segments.segment_id, Segments.segment_name)
        .agg(*[aggregate.alias(name) for name, aggregate in sums.items()])
        .crossJoin(F.broadcast(of_all))
        .join(_top_categories(members, excluded, categories_kept), on=Segments.segment_id, how="left")
    )
    has_orders = F.col(Segments.segment_id) != NO_ORDERS_ID  # users without orders are not on the scale
    logs = {f: F.when(has_orders, F.col(_log(f))) for f in scaling.features}
    scaled = {
        f: (logs[f] - float(mean)) / float(deviation)
        for f, mean, deviation in zip(scaling.features, scaling.mean, scaling.deviation, strict=True)
    }
    told = measured if fitted.grouping == VALUE else measured.filter(has_orders)
    advice = [segment_advice(scaling.features, centre) for centre in fitted.centres.tolist()]
    return told.select(
        Segments.segment_id,
        Segments.segment_name,
        F.lit(fitted.grouping).alias(SegmentPortraits.grouping),
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
        _per_segment(dict(zip(fitted.ids, advice, strict=True)), "string").alias(SegmentPortraits.advice),
        _ratio(SegmentSums.discounted_lines, SegmentSums.lines).alias(SegmentPortraits.discounted_lines_share),
        _ratio(SegmentSums.redeemed, SegmentSums.received).alias(SegmentPortraits.coupons_per_campaign),
        _per_segment(fitted.ids_from, "date").alias(SegmentPortraits.matched_from),
    )


def _per_segment(values: Mapping[int, Any], of_type: str) -> Column:
    """The value of the row's segment; null: it has none."""
    column = F.lit(None).cast(of_type)
    for segment_id, value in sorted(values.items()):
        column = F.when(F.col(Segments.segment_id) == segment_id, F.lit(value)).otherwise(column)
    return column


def excluded_categories(products: DataFrame) -> DataFrame:
    """One row per category of which no product may be promoted. ProductProfile → its category."""
    return (
        products.groupBy(ProductProfile.category)
        .agg(F.bool_or(ProductProfile.promotable).alias(ProductProfile.promotable))
        .filter(~F.col(ProductProfile.promotable))
        .select(ProductProfile.category)
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


def _top_categories(members: DataFrame, excluded: DataFrame, kept: int) -> DataFrame:
    """One row per segment: `top_categories`, whose mean share of a member's spend is most above that of all users."""
    preferences = best_rows(
        _preferences(members, excluded).filter(F.col(CategoryPreference.excess) > 0),
        of=[CategoryPreference.segment_id],
        by=[F.desc(CategoryPreference.excess), CategoryPreference.category],
        keep=kept,
        place=CategoryPreference.rank,
    )
    ranked = F.sort_array(F.collect_list(F.struct(CategoryPreference.rank, CategoryPreference.category)))
    categories = F.transform(ranked, lambda entry: entry[CategoryPreference.category])
    return preferences.groupBy(CategoryPreference.segment_id).agg(categories.alias(SegmentPortraits.top_categories))


def _preferences(members: DataFrame, excluded: DataFrame) -> DataFrame:
    """One row per segment and category. UserProfile with segment_id → CategoryPreference, without the rank."""
    interests = members.select(Segments.segment_id, F.inline(UserProfile.interests))
    sizes = members.groupBy(Segments.segment_id).agg(F.count("*").alias(CategoryPreference.users))
    share, users = F.col(CategoryPreference.share), F.col(CategoryPreference.users)
    all_users = F.col(CategoryPreference.all_users)
    sums = (
        interests.groupBy(CategoryPreference.segment_id, CategoryPreference.category)
        .agg(F.sum(exact(Interest.share)).alias(CategoryPreference.share))
        .join(F.broadcast(excluded), CategoryPreference.category, "left_anti")
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
