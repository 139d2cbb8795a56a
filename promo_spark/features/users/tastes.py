"""What each user buys: variety, interests that fade with time, and products bought again and again."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import INTEREST, REPURCHASE, Interest, Repurchase, UserProductDays, UserProfile
from promo_spark.contracts.schema import Frame
from promo_spark.contracts.silver import Products
from promo_spark.features.users.products import FadedUserProduct, UserProduct
from promo_spark.measures.cadence import due_date, median_gap
from promo_spark.settings.profile import ProfileSettings

_PROFILE = UserProfile.columns()


class UserRepurchases(Frame):
    """One row per user with a product bought on two days or more: what the user buys again and again."""

    user_id = _PROFILE[UserProfile.user_id]
    repurchases = _PROFILE[UserProfile.repurchases]


class UserTastes(UserRepurchases):
    """One row per user with order lines: the columns of UserProfile that say what the user buys."""

    products = _PROFILE[UserProfile.products]
    categories = _PROFILE[UserProfile.categories]
    interests = _PROFILE[UserProfile.interests]


def user_tastes(bought: DataFrame, repeated: DataFrame, products: DataFrame, *, settings: ProfileSettings) -> DataFrame:
    """One row per user. FadedUserProduct, UserProductDays, Products → UserTastes.

    An interest is a category's share of the user's faded spend. Categories that returns leave at or below zero
    are no interest, nor are products of no category. A repurchase is a product bought on two days or more.
    """
    catalogue = products.select(Products.product_id, Products.category)
    per_category = (
        bought.join(catalogue, Products.product_id, "left")
        .groupBy(UserTastes.user_id, Products.category)
        .agg(
            F.sum(FadedUserProduct.weight).alias(FadedUserProduct.weight),
            F.count_if(F.col(UserProduct.orders) > 0).alias(UserTastes.products),
        )
    )
    category, weight = F.col(Products.category), F.col(FadedUserProduct.weight)
    liked = category.isNotNull() & (weight > 0)
    per_user = per_category.groupBy(UserTastes.user_id).agg(
        F.sum(UserTastes.products).alias(UserTastes.products),
        F.count_if(category.isNotNull() & (F.col(UserTastes.products) > 0)).alias(UserTastes.categories),
        F.sum(F.when(liked, weight)).alias(FadedUserProduct.weight),
        F.collect_list(F.when(liked, F.struct((-weight).alias("rank"), category))).alias(UserTastes.interests),
    )
    again = user_repurchases(repeated, kept=settings.repurchases_kept)
    none = F.array().cast(T.ArrayType(REPURCHASE))
    return per_user.join(again, UserTastes.user_id, "left").select(
        UserTastes.user_id,
        UserTastes.products,
        UserTastes.categories,
        _largest_interests(settings.interests_kept).alias(UserTastes.interests),
        F.coalesce(UserTastes.repurchases, none).alias(UserTastes.repurchases),
    )


def user_repurchases(repeated: DataFrame, *, kept: int) -> DataFrame:
    """One row per user with a product bought on two days or more. UserProductDays → UserRepurchases."""
    repurchases = F.collect_list(_ranked_repurchase()).alias(UserRepurchases.repurchases)
    days = UserProductDays.days
    rows = repeated.withColumns(
        {Repurchase.cadence_days: median_gap(F.array_distinct(days)), Repurchase.last_bought: F.array_max(days)}
    )
    per_user = rows.groupBy(UserProductDays.user_id).agg(repurchases)
    return per_user.select(UserRepurchases.user_id, _most_repeated(kept).alias(UserRepurchases.repurchases))


def most_repurchases(profiles: DataFrame) -> int:
    """UserProfile → the most repurchases of a user: how many the profiles keep, where anybody has so many."""
    [most] = profiles.agg(F.max(F.size(UserProfile.repurchases))).collect()[0]
    return int(most or 0)


def _ranked_repurchase() -> Column:
    """A product bought on two or more days, led by what it is ranked by."""
    last, orders = F.col(Repurchase.last_bought), F.size(UserProductDays.days).cast("long")
    return F.struct(
        (-orders).alias("fewer_orders"),
        F.date_diff(F.lit(datetime.date(1970, 1, 1)), last).alias("longer_ago"),
        F.col(Products.product_id),
        orders.alias(Repurchase.orders),
        Repurchase.cadence_days,
        last.alias(Repurchase.last_bought),
        due_date(last, F.col(Repurchase.cadence_days)).alias(Repurchase.due_date),
    )


def _most_repeated(kept: int) -> Column:
    """The products of most orders, then the latest bought, then by id."""
    best = F.slice(F.array_sort(UserTastes.repurchases), 1, kept)
    return F.transform(best, lambda r: F.struct(*[r[name] for name in REPURCHASE.names])).cast(T.ArrayType(REPURCHASE))


def _largest_interests(kept: int) -> Column:
    """The largest shares first, cut to nine places, so that they never sum to more than 1."""
    best = F.slice(F.array_sort(UserTastes.interests), 1, kept)
    total = F.col(FadedUserProduct.weight).cast("double")
    return F.transform(
        best, lambda c: F.struct(c[Interest.category], F.floor(-c["rank"].cast("double") / total, 9))
    ).cast(T.ArrayType(INTEREST))
