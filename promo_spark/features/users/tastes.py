"""What each user buys: variety, interests that fade with time, and products bought again and again."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import INTEREST, REPURCHASE, UserProfile
from promo_spark.contracts.silver import Products
from promo_spark.features.users.products import DAYS, WEIGHT
from promo_spark.measures.cadence import due_date, median_gap


def user_tastes(bought: DataFrame, products: DataFrame, *, interests_kept: int, repurchases_kept: int) -> DataFrame:
    """One row per user. user_products, Products → products, categories, interests, repurchases of UserProfile.

    An interest is a category's share of the user's faded spend; categories left at or below zero by returns
    are no interest, nor are products of no category. A repurchase is a product bought on two days or more.
    """
    catalogue = products.select(Products.product_id, Products.category)
    per_category = (
        bought.join(catalogue, Products.product_id, "left")
        .groupBy(UserProfile.user_id, Products.category)
        .agg(
            F.sum(WEIGHT).alias(WEIGHT),
            F.count_if(F.size(DAYS) > 0).alias("products"),
            F.collect_list(_repurchase()).alias("repurchases"),
        )
    )
    category, weight = F.col(Products.category), F.col(WEIGHT)
    liked = category.isNotNull() & (weight > 0)
    per_user = per_category.groupBy(UserProfile.user_id).agg(
        F.sum("products").alias(UserProfile.products),
        F.count_if(category.isNotNull() & (F.col("products") > 0)).alias(UserProfile.categories),
        F.sum(F.when(liked, weight)).alias("total"),
        F.collect_list(F.when(liked, F.struct((-weight).alias("rank"), category))).alias("liked"),
        F.flatten(F.collect_list("repurchases")).alias("again"),
    )
    return per_user.select(
        UserProfile.user_id,
        UserProfile.products,
        UserProfile.categories,
        _interests(interests_kept).alias(UserProfile.interests),
        _most_repeated(repurchases_kept).alias(UserProfile.repurchases),
    )


def user_repurchases(bought: DataFrame, *, kept: int) -> DataFrame:
    """One row per user with a product bought on two days or more: (user_id, repurchases), as in user_tastes."""
    again = F.collect_list(_repurchase()).alias("again")
    per_user = bought.filter(F.size(DAYS) > 1).groupBy(UserProfile.user_id).agg(again)
    return per_user.filter(F.size("again") > 0).select(
        UserProfile.user_id, _most_repeated(kept).alias(UserProfile.repurchases)
    )


def _repurchase() -> Column:
    """A product bought on two or more days, led by what it is ranked by; null for any other."""
    cadence, last, orders = median_gap(F.array_distinct(DAYS)), F.array_max(DAYS), F.size(DAYS).cast("long")
    return F.when(
        F.get(DAYS, F.lit(0)) < last,  # most pairs stop here: the rhythm is reckoned for the few
        F.struct(
            (-orders).alias("fewer_orders"),
            F.date_diff(F.lit(datetime.date(1970, 1, 1)), last).alias("longer_ago"),
            F.col(Products.product_id),
            orders.alias("orders"),
            cadence.alias("cadence_days"),
            last.alias("last_bought"),
            due_date(last, cadence).alias("due_date"),
        ),
    )


def _most_repeated(kept: int) -> Column:
    """The products of most orders, then the latest bought, then by id."""
    best = F.slice(F.array_sort("again"), 1, kept)
    return F.transform(best, lambda r: F.struct(*[r[name] for name in REPURCHASE.names])).cast(T.ArrayType(REPURCHASE))


def _interests(kept: int) -> Column:
    """The largest shares first, cut to nine places, so that they never sum to more than 1."""
    best = F.slice(F.array_sort("liked"), 1, kept)
    return F.transform(
        best, lambda c: F.struct(c["category"], F.floor(-c["rank"].cast("double") / F.col("total").cast("double"), 9))
    ).cast(T.ArrayType(INTEREST))
