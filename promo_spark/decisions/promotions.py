"""Offers and explicit no-offers as decisions.promotions, and what they reserve as decisions.budget."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.schema import MONEY
from promo_spark.decisions.allocation.greedy import DAILY, Place
from promo_spark.decisions.offers.candidates import MICRO, promotion_id

_USER = ("user_id", "segment_id", "arm", "arm_propensity", "risk_tier")


def promotions(
    candidates: DataFrame,
    offers: DataFrame,
    judged: DataFrame,
    *,
    date: datetime.date,
    valid_to: datetime.date,
    currency: str,
    policy_version: str,
    run_id: str,
) -> DataFrame:
    """One row per offer, and one `none` row for each user without any. → Promotions

    `judged` are all users with their exclusions, `candidates` the valued ones, `offers` those allocated.
    """
    given = offer_rows(candidates, offers, judged, date=date, valid_to=valid_to)
    missing = none_rows(candidates, offers, judged, date=date)
    stamped = given.unionByName(missing, allowMissingColumns=True).withColumns(
        {
            Promotions.date: F.lit(date),
            Promotions.currency: F.lit(currency),
            Promotions.policy_version: F.lit(policy_version),
            Promotions.run_id: F.lit(run_id),
            Promotions.expected_uplift: F.lit(None),
        }
    )
    return Promotions.conform(stamped)


def offer_rows(
    candidates: DataFrame, offers: DataFrame, judged: DataFrame, *, date: datetime.date, valid_to: datetime.date
) -> DataFrame:
    """One row per offer: the candidate with its rank, its user's arm and channel, and its validity."""
    margin = F.round(F.col("margin_micro").cast("decimal(18,0)") / MICRO, 2)
    return (
        candidates.drop("segment_id")
        .join(offers.select("user_id", "promotion_id", "rank"), ["user_id", "promotion_id"], "inner")
        .join(judged.select(*_USER, F.col("main_channel").alias("channel")), "user_id", "inner")
        .withColumns(
            {
                Promotions.valid_from: F.lit(date),
                Promotions.valid_to: F.lit(valid_to),
                Promotions.expected_margin: margin.cast(MONEY),
                Promotions.expected_cost: _currency(F.col("cost_cents")),
            }
        )
        .drop("cost_cents", "cost_micro", "margin_micro")
    )


def none_rows(candidates: DataFrame, offers: DataFrame, judged: DataFrame, *, date: datetime.date) -> DataFrame:
    """One row per user without an offer: excluded, without candidate, or past the end of a budget."""
    nothing = F.array().cast(T.ArrayType(T.StringType()))
    had = candidates.select("user_id").distinct().withColumn("had", F.lit(True))
    why = (
        F.when(F.size("exclusions") > 0, F.col("exclusions"))
        .when(F.col("had"), F.array(F.lit("budget_exhausted")))
        .otherwise(F.array(F.lit("no_candidate")))
    )
    return (
        judged.join(offers.select("user_id").distinct(), "user_id", "left_anti")
        .join(had, "user_id", "left")
        .select(
            *_USER,
            F.lit("none").alias(Promotions.scenario),
            F.lit("none").alias(Promotions.mechanic),
            nothing.alias(Promotions.product_ids),
            F.lit(1).alias(Promotions.rank),
            *[
                F.lit(0).cast(Promotions.columns()[c].type).alias(c)
                for c in (
                    Promotions.expected_conversion,
                    Promotions.expected_margin,
                    Promotions.expected_cost,
                )
            ],
            F.lit(False).alias(Promotions.margin_is_assumed),
            why.alias(Promotions.reason_codes),
            F.lit("").alias(Promotions.text),
        )
        .withColumn(Promotions.promotion_id, promotion_id(date, F.col("scenario"), F.col("product_ids")))
    )


def budget(
    promotions: DataFrame, *, date: datetime.date, limits: Mapping[str, int], closed: Mapping[str, Place]
) -> DataFrame:
    """One row per constraint: planned, reserved by the offers, and the price at which it closed. → Budget"""
    spark = promotions.sparkSession
    planned = spark.createDataFrame(
        [(c, Decimal(limit) / 100, closed[c].ratio if c in closed else None) for c, limit in sorted(limits.items())],
        T.StructType(
            [
                T.StructField(Budget.constraint, T.StringType()),
                T.StructField(Budget.planned, MONEY),
                T.StructField(Budget.dual_price, T.DoubleType()),
            ]
        ),
    )
    return (
        planned.join(reserved(promotions), Budget.constraint, "left")
        .withColumn(Budget.date, F.lit(date))
        .withColumn(Budget.reserved, F.coalesce(Budget.reserved, F.lit(0).cast(MONEY)))
        .withColumn(Budget.offers, F.coalesce(Budget.offers, F.lit(0)))
    )


def reserved(promotions: DataFrame) -> DataFrame:
    """One row per constraint that offers fall under: sum of their expected cost, and their number."""
    under = F.array(F.lit(DAILY), F.concat(F.lit("mechanic:"), F.col(Promotions.mechanic)))
    return (
        promotions.filter(F.col(Promotions.scenario) != "none")
        .select(F.explode(under).alias(Budget.constraint), Promotions.expected_cost)
        .groupBy(Budget.constraint)
        .agg(F.sum(Promotions.expected_cost).cast(MONEY).alias(Budget.reserved), F.count("*").alias(Budget.offers))
    )


def _currency(cents: Column) -> Column:
    return (cents.cast("decimal(18,0)") / 100).cast(MONEY)
