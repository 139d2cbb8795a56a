"""Offers and explicit no-offers as decisions.promotions, and what they reserve as decisions.budget."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.schema import MONEY, Col, Frame
from promo_spark.decisions.allocation.greedy import AllocatedOffer, BreakItem
from promo_spark.decisions.allocation.limits import constraints_of
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.held import HeldOffers
from promo_spark.decisions.valuation import MICRO, ValuedCandidate, promotion_id
from promo_spark.measures.money import half_up, minor_per_unit, of_minor_units

_OF_USER = (
    UserEligibility.user_id,
    UserEligibility.segment_id,
    UserEligibility.arm,
    UserEligibility.arm_propensity,
    UserEligibility.risk_tier,
)
_HAD_CANDIDATES = "had_candidates"


class ReservedBudget(Frame):
    """One row per constraint that offers fall under."""

    constraint = Col(T.StringType(), "daily, or mechanic:<name>", required=True)
    reserved = Col(MONEY, "sum of expected_cost of the offers under it", unit="currency", required=True)
    offers = Col(T.LongType(), "offers under it", required=True)


class PlannedBudget(Frame):
    """One row per constraint of the settings."""

    constraint = Col(T.StringType(), "daily, or mechanic:<name>", required=True)
    planned = Col(MONEY, "the most that may be reserved", unit="currency", required=True)
    dual_price = Col(T.DoubleType(), "ratio of the break item; null: not binding")


@dataclass(frozen=True)
class Decision:
    """What every row of a day's decisions carries."""

    date: datetime.date
    valid_to: datetime.date
    currency: str
    policy_version: str


def promotions(
    *, candidates: DataFrame, offers: DataFrame, users: DataFrame, held: DataFrame, decision: Decision
) -> DataFrame:
    """One row per offer, and one `none` row for each user without any.

    ValuedCandidate, AllocatedOffer, UserEligibility of all users, HeldOffers → Promotions.
    """
    rows = offer_rows(candidates=candidates, offers=offers, users=users, decision=decision).unionByName(
        none_rows(candidates=candidates, offers=offers, users=users, held=held, date=decision.date),
        allowMissingColumns=True,
    )
    return Promotions.conform(
        rows.withColumns(
            {
                Promotions.date: F.lit(decision.date),
                Promotions.currency: F.lit(decision.currency),
                Promotions.policy_version: F.lit(decision.policy_version),
                Promotions.run_id: F.lit(None),  # the write says which run it is of
                Promotions.expected_uplift: F.lit(None),
            }
        )
    )


def offer_rows(*, candidates: DataFrame, offers: DataFrame, users: DataFrame, decision: Decision) -> DataFrame:
    """One row per offer: the candidate with its rank, its user's arm and channel, and its validity.

    ValuedCandidate, AllocatedOffer, UserEligibility → columns of Promotions.
    """
    key = [AllocatedOffer.user_id, AllocatedOffer.promotion_id]
    channel = F.col(UserEligibility.main_channel).alias(Promotions.channel)
    digits = digits_of(decision.currency)
    margin = half_up(F.col(ValuedCandidate.margin_micro).cast("decimal(18,0)") / MICRO, digits)
    offered = (
        candidates.drop(ValuedCandidate.segment_id)
        .join(offers.select(*key, AllocatedOffer.rank), key, "inner")
        .join(users.select(*_OF_USER, channel), UserEligibility.user_id, "inner")
        .withColumns(
            {
                Promotions.valid_from: F.lit(decision.date),
                Promotions.valid_to: F.lit(decision.valid_to),
                Promotions.expected_margin: margin,
                Promotions.expected_cost: of_minor_units(F.col(ValuedCandidate.cost_minor), digits),
            }
        )
    )
    return offered.select([c for c in Promotions.columns() if c in offered.columns])


def none_rows(
    *, candidates: DataFrame, offers: DataFrame, users: DataFrame, held: DataFrame, date: datetime.date
) -> DataFrame:
    """One row per user without an offer: excluded, past the end of a budget, with offers that hold, or no candidate.

    ValuedCandidate, AllocatedOffer, UserEligibility, HeldOffers → columns of Promotions.
    """
    with_candidates = candidates.select(ValuedCandidate.user_id).distinct().withColumn(_HAD_CANDIDATES, F.lit(True))
    exclusions = F.col(UserEligibility.exclusions)
    reasons = (
        F.when(F.size(exclusions) > 0, exclusions)
        .when(F.col(_HAD_CANDIDATES), F.array(F.lit("budget_exhausted")))
        .when(F.col(HeldOffers.held_offers) > 0, F.array(F.lit("offers_held")))
        .otherwise(F.array(F.lit("no_candidate")))
    )
    zeros = (Promotions.expected_conversion, Promotions.expected_margin, Promotions.expected_cost)
    return (
        users.join(offers.select(AllocatedOffer.user_id).distinct(), UserEligibility.user_id, "left_anti")
        .join(with_candidates, UserEligibility.user_id, "left")
        .join(held.select(HeldOffers.user_id, HeldOffers.held_offers), UserEligibility.user_id, "left")
        .select(
            *_OF_USER,
            F.lit("none").alias(Promotions.scenario),
            F.lit("none").alias(Promotions.mechanic),
            F.array().cast(Promotions.type_of(Promotions.product_ids)).alias(Promotions.product_ids),
            F.lit(1).alias(Promotions.rank),
            *[F.lit(0).cast(Promotions.type_of(c)).alias(c) for c in zeros],
            F.lit(False).alias(Promotions.margin_is_assumed),
            reasons.alias(Promotions.reason_codes),
            F.lit("").alias(Promotions.text),
        )
        .withColumn(Promotions.promotion_id, promotion_id(date))
    )


def budget(
    promotions: DataFrame, *, limits: Mapping[str, int], break_items: Mapping[str, BreakItem], decision: Decision
) -> DataFrame:
    """One row per constraint: planned, reserved by the offers, and the price at which it closed.

    Promotions, limits in minor units → Budget.
    """
    planned = PlannedBudget.frame(
        promotions.sparkSession,
        [
            {
                PlannedBudget.constraint: constraint,
                PlannedBudget.planned: Decimal(limit) / minor_per_unit(digits_of(decision.currency)),
                PlannedBudget.dual_price: break_items[constraint].ratio if constraint in break_items else None,
            }
            for constraint, limit in sorted(limits.items())
        ],
    )
    return Budget.conform(
        planned.join(reserved(promotions), Budget.constraint, "left").withColumns(
            {
                Budget.date: F.lit(decision.date),
                Budget.reserved: F.coalesce(Budget.reserved, F.lit(0).cast(MONEY)),
                Budget.offers: F.coalesce(Budget.offers, F.lit(0)),
                Budget.run_id: F.lit(None),  # the write says which run it is of
            }
        )
    )


def reserved(promotions: DataFrame) -> DataFrame:
    """One row per constraint that offers fall under. Promotions → ReservedBudget."""
    constraint = F.explode(constraints_of(F.col(Promotions.mechanic))).alias(ReservedBudget.constraint)
    return (
        promotions.filter(F.col(Promotions.scenario) != "none")
        .select(constraint, Promotions.expected_cost)
        .groupBy(ReservedBudget.constraint)
        .agg(
            F.sum(Promotions.expected_cost).cast(MONEY).alias(ReservedBudget.reserved),
            F.count("*").alias(ReservedBudget.offers),
        )
    )
