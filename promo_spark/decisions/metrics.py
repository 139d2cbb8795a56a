"""Figures about a day's decisions. All expected, none measured: that is for later."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.decisions.allocation.limits import DAILY
from promo_spark.decisions.users import DailyUser
from promo_spark.decisions.valuation import ValuedOffer
from promo_spark.measures.metric_rows import MetricRow, metric_counts, metric_rows, metric_struct


def decision_metrics(*, promotions: DataFrame, budget: DataFrame, offers: DataFrame, users: DataFrame) -> DataFrame:
    """One row per figure. Promotions, Budget, ValuedOffer, DailyUser with profile → MetricRow.

    Offers that could be made, and offers made, by scenario; none by reason; users with offers by segment; budget use by
    constraint; what all offers are expected to bring, to give, and how far from the best.
    """
    is_offer = F.col(Promotions.scenario) != "none"
    made = promotions.filter(is_offer)
    reasons = promotions.filter(~is_offer).select(F.explode(Promotions.reason_codes).alias(MetricRow.slice))
    figures = [
        metric_counts(offers, "candidates", of=F.col(ValuedOffer.scenario)),
        metric_counts(made, "offers", of=F.col(Promotions.scenario)),
        metric_counts(made, "offers", of=F.lit("all")),
        metric_counts(reasons, "none", of=F.col(MetricRow.slice)),
        users_with_offers(promotions, users),
        budget_use(budget),
        expected_totals(made),
        allocation_gap(budget),
    ]
    return reduce(DataFrame.unionByName, figures)


def users_with_offers(promotions: DataFrame, users: DataFrame) -> DataFrame:
    """One row per segment: share of its users who get an offer. Promotions, DailyUser with profile → MetricRow."""
    name = F.min(DailyUser.segment_name).alias(DailyUser.segment_name)
    names = users.groupBy(DailyUser.segment_id).agg(name)
    one_per_user = promotions.filter(F.col(Promotions.rank) == 1).join(users, Promotions.user_id, "left_semi")
    is_offer = F.when(F.col(Promotions.scenario) != "none", 1)
    shares = (
        one_per_user.join(F.broadcast(names), DailyUser.segment_id, "inner")
        .groupBy(DailyUser.segment_name)
        .agg((F.count(is_offer) / F.count("*")).alias(MetricRow.value), F.count("*").alias(MetricRow.n))
    )
    return metric_rows(
        shares,
        "users_with_offers_share",
        of=F.col(DailyUser.segment_name),
        value=F.col(MetricRow.value),
        n=F.col(MetricRow.n),
    )


def budget_use(budget: DataFrame) -> DataFrame:
    """One row per constraint: reserved as a share of what was planned. Budget → MetricRow."""
    planned = F.col(Budget.planned)
    return metric_rows(
        budget,
        "budget_used_share",
        of=F.col(Budget.constraint),
        value=F.when(planned > 0, F.col(Budget.reserved) / planned),
        n=F.col(Budget.offers),
    )


def expected_totals(offers: DataFrame) -> DataFrame:
    """Two rows: what all offers are expected to bring, and to give. Promotions with offers → MetricRow."""
    totals = offers.agg(
        F.coalesce(F.sum(Promotions.incremental_margin), F.lit(0)).alias(Promotions.incremental_margin),
        F.coalesce(F.sum(Promotions.expected_cost), F.lit(0)).alias(Promotions.expected_cost),
        F.count("*").alias(MetricRow.n),
    )
    figures = [
        metric_struct(name, of=F.lit("all"), value=F.col(name).cast("double"), n=F.col(MetricRow.n), decimals=2)
        for name in (Promotions.incremental_margin, Promotions.expected_cost)
    ]
    return totals.select(F.inline(F.array(*figures)))


def allocation_gap(budget: DataFrame) -> DataFrame:
    """One row: how far the offers lie below the most that any could bring, as a share of it. Budget → MetricRow."""
    daily = budget.filter(F.col(Budget.constraint) == DAILY)
    return metric_rows(daily, "allocation_gap", of=F.lit("all"), value=F.col(Budget.gap), n=F.col(Budget.offers))
