"""Figures about a day's decisions, and a baseline beside them. All expected, none measured: that is for later."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.decisions.allocation.greedy import AllocatedOffer
from promo_spark.decisions.response import ResponseRate
from promo_spark.decisions.users import DailyUser
from promo_spark.decisions.valuation import MICRO, ValuedCandidate
from promo_spark.measures.metric_rows import MetricRow, metric_counts, metric_rows, metric_struct
from promo_spark.measures.money import minor_per_unit


def decision_metrics(
    *, promotions: DataFrame, budget: DataFrame, candidates: DataFrame, rates: DataFrame, users: DataFrame
) -> DataFrame:
    """One row per figure. Promotions, Budget, ValuedCandidate, ResponseRate, DailyUser with profile → MetricRow.

    Candidates and offers by scenario; none by reason; users with offers by segment; budget use by constraint;
    observed response by kind (n = trials).
    """
    is_offer = F.col(Promotions.scenario) != "none"
    offers = promotions.filter(is_offer)
    reasons = promotions.filter(~is_offer).select(F.explode(Promotions.reason_codes).alias(MetricRow.slice))
    figures = [
        metric_counts(candidates, "candidates", of=F.col(ValuedCandidate.scenario)),
        metric_counts(offers, "offers", of=F.col(Promotions.scenario)),
        metric_counts(offers, "offers", of=F.lit("all")),
        metric_counts(reasons, "none", of=F.col(MetricRow.slice)),
        users_with_offers(promotions, users),
        budget_use(budget),
        observed_response(rates),
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


def observed_response(rates: DataFrame) -> DataFrame:
    """One row per kind of response: successes as a share of trials. ResponseRate → MetricRow."""
    trials, successes = F.col(ResponseRate.trials), F.col(ResponseRate.successes)
    totals = rates.groupBy(ResponseRate.kind).agg(
        F.sum(trials).alias(ResponseRate.trials), F.sum(successes).alias(ResponseRate.successes)
    )
    return metric_rows(
        totals,
        "observed_response",
        of=F.col(ResponseRate.kind),
        value=F.when(trials > 0, successes / trials),
        n=trials,
    )


def expected_totals(candidates: DataFrame, offers: DataFrame, *, order: str, digits: int) -> DataFrame:
    """Two rows: expected margin and expected cost of all offers of an allocation that is named `order`.

    ValuedCandidate, AllocatedOffer → MetricRow.
    """
    key = [AllocatedOffer.user_id, AllocatedOffer.promotion_id]
    margin, cost = F.col(ValuedCandidate.margin_micro), F.col(ValuedCandidate.cost_minor)
    totals = candidates.join(offers.select(*key), key, "left_semi").agg(
        F.coalesce(F.sum(margin), F.lit(0)).alias(ValuedCandidate.margin_micro),
        F.coalesce(F.sum(cost), F.lit(0)).alias(ValuedCandidate.cost_minor),
        F.count("*").alias(MetricRow.n),
    )
    of, n = F.lit(order), F.col(MetricRow.n)
    figures = F.array(
        metric_struct("expected_margin", of=of, value=margin / float(MICRO), n=n, decimals=2),
        metric_struct("expected_cost", of=of, value=cost / minor_per_unit(digits), n=n, decimals=2),
    )
    return totals.select(F.inline(figures))
