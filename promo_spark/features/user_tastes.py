"""What each user buys: variety, interests that fade with time, and products bought again and again."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import INTEREST, REPURCHASE, UserProfile
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.features.cadence import due_date, median_gap
from promo_spark.features.measures import lines_before, of_purchases

_EXACT = T.DecimalType(28, 9)  # a sum of decimals does not depend on the order of the rows


def user_tastes(
    lines: DataFrame,
    products: DataFrame,
    *,
    as_of: datetime.date,
    half_life_days: int,
    interests_kept: int,
    repurchases_kept: int,
) -> DataFrame:
    """One row per user with order lines before `as_of`: products, categories, interests, repurchases.

    An interest is a category's share of the user's spend, each purchase weighing amount × 0.5^(age in days /
    `half_life_days`); returns take their weight back, and categories left at or below zero are no interest.
    The lines are grouped once, by user and product; all else is made from those pairs.
    """
    pairs = _user_products(lines_before(lines, as_of), as_of, half_life_days)
    catalogue = products.select(Products.product_id, Products.category)
    per_category = (
        pairs.join(catalogue, Products.product_id, "left")
        .groupBy(OrderLines.user_id, Products.category)
        .agg(
            F.sum("weight").alias("weight"),
            F.count_if(F.size("visits") > 0).alias("products"),
            F.collect_list(_repurchase()).alias("repurchases"),
        )
    )
    category, weight = F.col(Products.category), F.col("weight")
    liked = category.isNotNull() & (weight > 0)
    per_user = per_category.groupBy(OrderLines.user_id).agg(
        F.sum("products").alias(UserProfile.products),
        F.count_if(category.isNotNull() & (F.col("products") > 0)).alias(UserProfile.categories),
        F.sum(F.when(liked, weight)).alias("total"),
        F.collect_list(F.when(liked, F.struct((-weight).alias("rank"), category))).alias("liked"),
        F.flatten(F.collect_list("repurchases")).alias("again"),
    )
    return per_user.select(
        OrderLines.user_id,
        UserProfile.products,
        UserProfile.categories,
        _interests(interests_kept).alias(UserProfile.interests),
        _most_repeated(repurchases_kept).alias(UserProfile.repurchases),
    )


def _user_products(past: DataFrame, as_of: datetime.date, half_life_days: int) -> DataFrame:
    """One row per user and product: its orders as sorted (day, order id), and its decayed spend."""
    age = F.date_diff(F.lit(as_of), OrderLines.order_date)
    decayed = F.col(OrderLines.amount_paid).cast("double") * F.pow(F.lit(0.5), age / half_life_days)
    visit = F.struct(F.col(OrderLines.order_date).alias("day"), F.col(OrderLines.order_id))
    return (
        past.filter(F.col(OrderLines.user_id).isNotNull())
        .groupBy(OrderLines.user_id, OrderLines.product_id)
        .agg(
            F.sort_array(F.collect_set(of_purchases(visit))).alias("visits"),
            F.sum(decayed.cast(_EXACT)).alias("weight"),
        )
    )


def _repurchase() -> Column:
    """A product bought on two or more days, led by what it is ranked by; null for any other."""
    days = F.array_distinct(F.col("visits")["day"])
    cadence, last, orders = median_gap(days), F.array_max(days), F.size("visits").cast("long")
    return F.when(
        F.size(days) >= 2,
        F.struct(
            (-orders).alias("fewer_orders"),
            F.date_diff(F.lit(datetime.date(1970, 1, 1)), last).alias("longer_ago"),
            F.col(OrderLines.product_id),
            orders.alias("orders"),
            cadence.alias("cadence_days"),
            last.alias("last_bought"),
            due_date(last, cadence).alias("due_date"),
        ),
    )


def _most_repeated(kept: int) -> Column:
    """The products of most orders, then the latest bought, then by id."""
    best = F.slice(F.array_sort("again"), 1, kept)
    return F.transform(best, lambda r: F.struct(*[r[name] for name in REPURCHASE.names])).cast(
        T.ArrayType(REPURCHASE)
    )


def _interests(kept: int) -> Column:
    """The largest shares first, cut to nine places, so that they never sum to more than 1."""
    best = F.slice(F.array_sort("liked"), 1, kept)
    return F.transform(
        best, lambda c: F.struct(c["category"], F.floor(-c["rank"].cast("double") / F.col("total").cast("double"), 9))
    ).cast(T.ArrayType(INTEREST))
