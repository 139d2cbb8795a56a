"""Sales that could be made: carts left behind, categories that others like the user buy, orders that are due."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.predictions import (
    OPPORTUNITIES,
    BoughtEntry,
    ItemPropensity,
    Opportunities,
    Propensity,
    UserHistory,
)
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Events
from promo_spark.measures.best_rows import best_rows
from promo_spark.models.propensity.questions import ORDER
from promo_spark.settings.propensity import PropensitySettings

CART, CATEGORY_GAP, NOT_YET_BUYING = OPPORTUNITIES
_ANY_ORDER = "order"
_FIRST = datetime.date(1970, 1, 1)
_CUTS = 4  # decimals of p by which the likeliest are cut off
_NO_SEGMENT = -1


class BoughtCategory(Frame):
    """One row per user and category bought in the days that count."""

    user_id = Col(T.StringType(), "the user", required=True)
    segment_id = Col(T.IntegerType(), "the user's segment; −1: not known", required=True)
    category = Col(T.StringType(), "the category", required=True)


class CategoryShare(Frame):
    """One row per segment and category that many of its users buy."""

    segment_id = Col(T.IntegerType(), "the segment", required=True)
    category = Col(T.StringType(), "the category", required=True)
    strength = Col(T.DoubleType(), "share of the segment's users who buy it", required=True)


def opportunities(
    histories: DataFrame,
    *,
    events: DataFrame,
    products: DataFrame,
    segments: DataFrame,
    users: DataFrame,
    pairs: DataFrame,
    as_of: datetime.date,
    settings: PropensitySettings,
) -> DataFrame:
    """One row per user and opportunity. UserHistory, Events, Segments, Propensity, ItemPropensity → Opportunities.

    `users` and `pairs` are what the models say for the date. Without segments all users are one.
    """
    carts = carts_left_behind(histories, events, pairs, as_of=as_of, days=settings.cart_days)
    gaps = category_gaps(histories, products, segments, least_share=settings.gap_share, most=settings.gaps)
    idle = likely_idle_users(histories, users, as_of=as_of, days=settings.idle_days, share=settings.idle_share)
    return carts.unionByName(gaps).unionByName(idle)


def carts_left_behind(
    histories: DataFrame, events: DataFrame, pairs: DataFrame, *, as_of: datetime.date, days: int
) -> DataFrame:
    """One row per user and product put into the cart in the last days, and not bought in them. → Opportunities."""
    since = as_of - datetime.timedelta(days)
    in_cart = (
        events.filter(
            (F.col(Events.event_type) == CART)
            & F.col(Events.user_id).isNotNull()
            & F.col(Events.product_id).isNotNull()
            & (F.col(Events.event_date) >= F.lit(since))
            & (F.col(Events.event_date) < F.lit(as_of))
        )
        .groupBy(Events.user_id, Events.product_id)
        .agg(F.max(Events.event_date).alias(Opportunities.since))
    )
    pair = [ItemPropensity.user_id, ItemPropensity.product_id]
    recent = _bought(histories).filter(F.col(BoughtEntry.day) >= (since - _FIRST).days).select(*pair)
    left = in_cart.join(recent, pair, "left_anti").join(pairs.select(*pair, ItemPropensity.p_28d), pair, "left")
    return left.select(
        Opportunities.user_id,
        F.lit(CART).alias(Opportunities.kind),
        F.col(ItemPropensity.product_id).alias(Opportunities.item),
        F.col(ItemPropensity.p_28d).alias(Opportunities.strength),
        Opportunities.since,
    )


def category_gaps(
    histories: DataFrame, products: DataFrame, segments: DataFrame, *, least_share: float, most: int
) -> DataFrame:
    """One row per user and category that the segment's users buy and this one does not. → Opportunities.

    Of users who bought at all, up to `most` categories, those first that the largest share buys.
    """
    category = F.coalesce(ProductProfile.category, ProductProfile.department).alias(BoughtCategory.category)
    of_product = products.select(ProductProfile.product_id, category)
    segment = F.coalesce(Segments.segment_id, F.lit(_NO_SEGMENT)).alias(BoughtCategory.segment_id)
    buyers = (
        histories.filter(F.size(UserHistory.bought) > 0)
        .select(UserHistory.user_id)
        .join(segments.select(Segments.user_id, Segments.segment_id), UserHistory.user_id, "left")
        .select(UserHistory.user_id, segment)
    )
    bought = (
        _bought(histories)
        .select(UserHistory.user_id, BoughtEntry.product_id)
        .distinct()
        .join(F.broadcast(of_product), ProductProfile.product_id)
        .select(UserHistory.user_id, BoughtCategory.category)
        .filter(F.col(BoughtCategory.category).isNotNull())
        .distinct()
    )
    everybody, some = "everybody", "some"
    sizes = buyers.groupBy(BoughtCategory.segment_id).agg(F.count("*").alias(everybody))
    shares = (
        bought.join(buyers, UserHistory.user_id)
        .groupBy(BoughtCategory.segment_id, BoughtCategory.category)
        .agg(F.count("*").alias(some))
        .join(sizes, BoughtCategory.segment_id)
        .withColumn(CategoryShare.strength, F.round(F.col(some) / F.col(everybody), 6))
        .filter(F.col(CategoryShare.strength) >= least_share)
        .select(*CategoryShare.columns())
    )
    missed = buyers.join(F.broadcast(shares), BoughtCategory.segment_id).join(
        bought, [UserHistory.user_id, BoughtCategory.category], "left_anti"
    )
    order = [F.desc(CategoryShare.strength), F.col(CategoryShare.category)]
    return best_rows(missed, of=[UserHistory.user_id], by=order, keep=most).select(
        Opportunities.user_id,
        F.lit(CATEGORY_GAP).alias(Opportunities.kind),
        F.col(CategoryShare.category).alias(Opportunities.item),
        Opportunities.strength,
        F.lit(None).cast("date").alias(Opportunities.since),
    )


def likely_idle_users(
    histories: DataFrame, users: DataFrame, *, as_of: datetime.date, days: int, share: float
) -> DataFrame:
    """One row per user without an order in the last days, of the share of them likeliest to order. → Opportunities."""
    last = F.array_max(F.transform(UserHistory.bought, lambda entry: entry[BoughtEntry.day]))
    since = (as_of - datetime.timedelta(days) - _FIRST).days
    idle = histories.filter(F.coalesce(last < since, F.lit(True))).select(UserHistory.user_id)
    p = F.round(Propensity.p, _CUTS)
    known = users.filter((F.col(Propensity.target) == ORDER) & F.col(Propensity.p).isNotNull())
    likely = idle.join(known.select(Propensity.user_id, Propensity.p), UserHistory.user_id)
    cut = likely.agg(F.percentile(p, 1 - share).alias("cut"))
    return (
        likely.crossJoin(F.broadcast(cut))
        .filter(p >= F.col("cut"))
        .select(
            Opportunities.user_id,
            F.lit(NOT_YET_BUYING).alias(Opportunities.kind),
            F.lit(_ANY_ORDER).alias(Opportunities.item),
            F.col(Propensity.p).alias(Opportunities.strength),
            F.lit(None).cast("date").alias(Opportunities.since),
        )
    )


def _bought(histories: DataFrame) -> DataFrame:
    """One row per user, day and product. UserHistory → user_id, BoughtEntry."""
    return histories.select(UserHistory.user_id, F.inline(UserHistory.bought))
