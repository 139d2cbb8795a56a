"""What was done, and what came of it."""

from __future__ import annotations

from typing import ClassVar

from pyspark.sql import types as T

from promo_spark.contracts.features import AsOf
from promo_spark.contracts.schema import Check, Col, Table

_TEXT = T.StringType()
_DATE = T.DateType()
_DOUBLE = T.DoubleType()
_LONG = T.LongType()

METRICS = ("conversion", "orders", "paid", "margin", "given", "roi", "redeemed", "retained", "satisfaction")
METHODS = ("holdout", "explore", "withheld", "dr_policy", "snips_policy", "observational", "counted")
VERDICTS = ("ship", "hold", "stop", "insufficient", "pending")
OUTCOMES = ("ok", "alarm", "insufficient")
FAIRNESS_METRICS = ("offer_rate", "coverage", "mean_depth", "disparate_impact", "gap", "depth_gap")
FAIRNESS_OUTCOMES = ("ok", "warn", "stop", "insufficient")


class Measured(AsOf):
    """Base of the tables of what was measured."""

    layer = "measurement"


class PromotionPnl(Measured):
    """One row per week and product on promotion: what the promotion brought beyond the same week without.

    By the effects of models.elasticity, fitted to each product. What a promotion takes from other products and from
    other weeks stands at the promotion. incremental_units = gross_units − cannibalised − pulled_forward + halo.
    """

    name = "promotion_pnl"
    key = ("as_of", "week", "product_id")
    week = Col(_DATE, "first day of the week", required=True)
    product_id = Col(_TEXT, "the product that was reduced, on display or in the mailer", required=True)
    category = Col(_TEXT, "its category", required=True)
    depth = Col(_DOUBLE, "reduction at the shelf as a share of the list price", unit="share", required=True)
    units = Col(_DOUBLE, "units sold", unit="units", required=True)
    gross_units = Col(_DOUBLE, "units beyond those without promotion, of the product itself", "units", required=True)
    cannibalised = Col(_DOUBLE, "units that rivals lost by it in the week", unit="units", required=True)
    pulled_forward = Col(_DOUBLE, "units that the product lost by it in the next week", unit="units", required=True)
    halo = Col(
        _DOUBLE,
        "units of all products bought on visits that the mailer drew; null: cannot be told from nothing",
        unit="units",
    )
    incremental_units = Col(_DOUBLE, "what all this comes to", unit="units", required=True)
    incremental_margin = Col(
        _DOUBLE,
        "the same in margin at the shelf, before coupons: what a unit earns at its own price",
        unit="currency",
        required=True,
    )
    ci_low = Col(
        _DOUBLE, "lower end of its 95% interval: the errors of the effects, halo left out", "currency", required=True
    )
    ci_high = Col(_DOUBLE, "upper end", unit="currency", required=True)
    cost_is_assumed = Col(T.BooleanType(), "true: the margin follows from an assumed cost", required=True)


class Evaluated(Table):
    """Base of the tables that evaluate writes: what was known of a date's days when these were over."""

    layer = "measurement"
    partition: ClassVar[tuple[str, ...]] = ("date",)
    dated_by = "date"
    trailing = ("run_id",)
    date = Col(_DATE, "the day on which it was evaluated; only earlier days count", required=True)
    run_id = Col(_TEXT, "the run that wrote the row", required=True)


class Effects(Evaluated):
    """One row per date, window, slice, metric and method: what offers changed, per user, and how sure that is.

    Everyone whom chance put into an arm counts, whether an offer came, was seen or was used or not (intent to treat).
    Rows of the methods holdout, explore, withheld and *_policy are effects: chance decided who is compared with whom.
    Rows of the method observational compare those who took part with others, who differ in more than the offer: they
    have no verdict, and the same comparison of the days before stands beside them as `placebo`.
    """

    name = "effects"
    key = ("date", "window_days", "slice", "metric", "method")
    checks = (
        Check("effect_metric_known", "metric", "in", METRICS),
        Check("effect_method_known", "method", "in", METHODS),
        Check("verdict_known", "verdict", "in", VERDICTS),
        Check("p_value_is_share", "p_value", "between", (0.0, 1.0)),
    )
    window_days = Col(T.IntegerType(), "days whose orders count", unit="days", required=True)
    first_day = Col(
        _DATE, "the first of these days; of single offers the first day on which one was made", required=True
    )
    slice = Col(
        _TEXT,
        "of whom or of what: all, arm:<arm>, segment:<segment_id>, scenario:<name>, mechanic:<name>, depth:<share, to "
        "0.1>, segment_mechanic:<segment_id>/<mechanic>, policy:prices (the policy of the dates), policy:<challenger> "
        "(against the policy that the date is decided by; n_control: explored decisions), any (whoever was offered "
        "anything), before_after",
        required=True,
    )
    metric = Col(
        _TEXT,
        "per user in the window: conversion (ordered at all, a share), orders, paid (currency), margin (currency, "
        "after all that is given), given (currency: all discounts, rebates and points), roi (the margin that offers "
        "add as a share of what is given and paid to channels), redeemed (used an offer, a share), retained (of those "
        "who had ordered before: ordered, a share), satisfaction (mean score of those who gave one, 1 to 5); counted: "
        "per offer",
        required=True,
    )
    method = Col(
        _TEXT,
        "holdout: users who may get offers against those held out; explore: users for whom chance drew such an offer "
        "against those for whom it drew none; withheld: users who were given offers of one kind and held no others "
        "against those held out who would have been; dr_policy, snips_policy: a policy against no offers, per "
        "decision, from what chance drew (doubly robust; self-normalised); observational: no effect; counted: no "
        "comparison, but what receipts say, per offer whose days ended in the window",
        required=True,
    )
    estimate = Col(_DOUBLE, "treated less control; null: see reason", unit="as the metric")
    se = Col(_DOUBLE, "its standard error; null: no estimate")
    ci_low = Col(_DOUBLE, "lower end of its interval, if it is looked at once; null: no estimate, or no effect")
    ci_high = Col(_DOUBLE, "upper end; null: as there")
    cs_low = Col(
        _DOUBLE,
        "lower end of its confidence sequence, which holds on all days together, however often people look; null: "
        "the window does not begin where the experiment does",
    )
    cs_high = Col(_DOUBLE, "upper end; null: as there")
    p_value = Col(_DOUBLE, "probability of an estimate as far from 0, were there no effect; null: no effect is told")
    p_adjusted = Col(_DOUBLE, "the same, corrected for looking at all slices of its kind at once; null: as there")
    control = Col(
        _DOUBLE,
        "mean of those without offers; of before_after that of the days before; null: no estimate, or no such mean",
        unit="as the metric",
    )
    n_treated = Col(_LONG, "users with offers who count", required=True)
    n_control = Col(_LONG, "users without who count", required=True)
    explained = Col(_DOUBLE, "share of the variance that earlier behaviour explains, and that is taken out", "share")
    placebo = Col(
        _DOUBLE,
        "the same comparison in as many days before the offers, when it has to be 0; null: offers ran then too, or "
        "there is none",
        "as the metric",
    )
    expected = Col(_DOUBLE, "what promote told of it when it decided; null: it tells nothing of this metric")
    verdict = Col(
        _TEXT,
        "ship: it rose for sure, hold: nobody can tell, stop: it fell for sure, insufficient: too few users, pending: "
        "the days are not over; null: not for this metric or method",
    )
    reason = Col(_TEXT, "why there is no estimate; null: there is one")


class SegmentResponses(Evaluated):
    """One row per date, segment and mechanic: how its users answer to such offers.

    A segment that is little known leans on the others: by how much is told by how much segments differ (empirical
    Bayes), so that one without any offer has what holds for all. Users who were given offers of the mechanic alone are
    compared with those of the segment who are held out and would have been: slices segment_mechanic:ID/MECHANIC of
    measurement.effects, method withheld. That, and not how many were used, tells what offers change.
    """

    name = "segment_responses"
    key = ("date", "segment_id", "mechanic")
    checks = (Check("best_probability_is_share", "best_probability", "between", (0.0, 1.0)),)
    segment_id = Col(T.IntegerType(), "the segment, as in models.segments when offers were made", required=True)
    mechanic = Col(_TEXT, "how the offer is given", required=True)
    users = Col(_LONG, "users whose offers of the mechanic are over", required=True)
    used = Col(_DOUBLE, "share of such offers that is used, leaning on all segments; null: none is over", unit="share")
    used_low = Col(_DOUBLE, "lower end of its 95 % interval", unit="share")
    used_high = Col(_DOUBLE, "upper end", unit="share")
    n_treated = Col(_LONG, "users who were given such offers alone", required=True)
    n_control = Col(_LONG, "held-out users who would have been", required=True)
    conversion = Col(
        _DOUBLE, "what the offers add to the share of users who order; null: no segment could be compared", unit="share"
    )
    conversion_se = Col(_DOUBLE, "its error; null: as there")
    margin = Col(_DOUBLE, "what they add to margin per user, after all that is given; null: as there", unit="currency")
    margin_se = Col(_DOUBLE, "its error; null: as there")
    best_probability = Col(
        _DOUBLE, "probability that of the mechanics with a margin this one adds most in the segment", unit="share"
    )


class Checks(Evaluated):
    """One row per date, check and slice: whether what is measured, or what it is made of, can be believed."""

    name = "checks"
    key = ("date", "check", "slice")
    checks = (Check("outcome_known", "outcome", "in", OUTCOMES),)
    check = Col(
        _TEXT,
        "sample_ratio: are the arms as large as drawn; arms_kept: do users stay in their arm; days_decided: was "
        "every day of the window decided; aa: two halves of the holdout differ by chance only; placebo: nothing "
        "differed before; exposures_known: do exposures name promotions that were made; freshness: how old the newest "
        "rows are; drift: has an input changed (population stability index); calibration: do predicted and seen "
        "shares agree; effect: does an effect lie below 0",
        required=True,
    )
    slice = Col(_TEXT, "of what: all, an arm, a table, a column, a metric", required=True)
    value = Col(_DOUBLE, "what was found; null: it cannot be told")
    threshold = Col(_DOUBLE, "from where on it is an alarm; null: none")
    n = Col(_LONG, "users, rows or days that it rests on", required=True)
    outcome = Col(_TEXT, f"one of {', '.join(OUTCOMES)}", required=True)
    message = Col(_TEXT, "in a sentence, what was found and what to do; null: all is well")


class KpiDaily(Evaluated):
    """One row per date, key figure and slice: how the shop does, whatever the reason. Of the day before the date."""

    name = "kpi_daily"
    key = ("date", "kpi", "slice")
    kpi = Col(_TEXT, "the figure, see docs/measurement.md", required=True)
    slice = Col(_TEXT, "all, or a part as in measurement.effects, a category, a recommender or a rank", required=True)
    value = Col(_DOUBLE, "the figure; null: nothing to tell it from, such as no market data")
    n = Col(_LONG, "users, orders or rows that it rests on", required=True)


class Fairness(Table):
    """One row per date, attribute, group and metric: who gets the date's offers, group by group.

    Of users with a profile; promote writes it of the very offers that it is about to write. Groups are compared with
    the group of the attribute that gets offers most often, loyal customers with all others. A group of fewer than
    promote.fairness.least_users is `insufficient`, and nothing is told of it.
    """

    layer, name = "measurement", "fairness"
    key = ("date", "attribute", "group_name", "metric")
    partition: ClassVar[tuple[str, ...]] = ("date",)
    dated_by = "date"
    trailing = ("run_id",)
    checks = (
        Check("fairness_metric_known", "metric", "in", FAIRNESS_METRICS),
        Check("fairness_outcome_known", "outcome", "in", FAIRNESS_OUTCOMES),
    )
    date = Col(_DATE, "the date of the offers", required=True)
    attribute = Col(_TEXT, "a column of silver.users, or loyalty: by promote.fairness.loyal_lifecycles", required=True)
    group_name = Col(_TEXT, "a value of it; unknown: no value; other groups: all but the fifty largest", required=True)
    metric = Col(
        _TEXT,
        "offer_rate: users with an offer, made on the date or held from before, as a share of those who may get offers "
        "(consent, channel, not held out, not blocked, not explored on an earlier date); coverage: the same as a share "
        "of all; mean_depth: of users who get an offer on the date, the mean share that it takes off the price or the "
        "minimum spend; disparate_impact: offer_rate over that of the reference; gap: offer_rate less that; "
        "depth_gap: mean_depth less that of the reference",
        required=True,
    )
    estimate = Col(_DOUBLE, "the figure; null: too few users", unit="share")
    ci_low = Col(
        _DOUBLE,
        "lower end of its interval (Wilson, Newcombe; normal of a depth; of disparate_impact normal on the log, so "
        "wide that all comparisons of the date hold together); null: no estimate",
        unit="share",
    )
    ci_high = Col(_DOUBLE, "upper end; null: the same", unit="share")
    n = Col(_LONG, "users of the group that it rests on", required=True)
    reference = Col(_TEXT, "the group that it is compared with; null: with none")
    outcome = Col(
        _TEXT,
        "ok; warn: below promote.fairness.least_ratio, which may be chance, or loyal customers get less; stop: below "
        "it for sure; insufficient: too few users",
        required=True,
    )
    message = Col(_TEXT, "in a sentence, what was found; null: nothing is wrong")
    run_id = Col(_TEXT, "the run that wrote the row", required=True)


MEASUREMENT: tuple[type[Table], ...] = (PromotionPnl, Effects, SegmentResponses, Checks, KpiDaily, Fairness)
