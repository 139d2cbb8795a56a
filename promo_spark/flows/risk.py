"""The steps of risk: what is known of every account, what is usual in the shop, what is said of every user."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.silver import OrderLines, Users
from promo_spark.contracts.vocabulary import RISK_TIERS
from promo_spark.flows.scored_records import record, unstamped
from promo_spark.learners.judgement import auc
from promo_spark.learners.linear import LinearModel
from promo_spark.learners.samples import hashed_sample
from promo_spark.measures.metric_rows import Figure
from promo_spark.models.risk import actions as advised
from promo_spark.models.risk import signals
from promo_spark.models.risk.equal_orders import equal_orders
from promo_spark.models.risk.frames import (
    Account,
    AccountEvidence,
    AccountFigures,
    CheckedOrder,
    EqualOrders,
    RingMember,
    SharedDigest,
)
from promo_spark.models.risk.isolation_forest import Trees, cut_of_share, isolation_forest
from promo_spark.models.risk.orders import account_figures, checked_orders
from promo_spark.models.risk.reasons import reasons
from promo_spark.models.risk.rings import accounts, digests, links, ring_members, usable_digests
from promo_spark.models.risk.scorecard import (
    REFUNDED,
    credit_features,
    credit_score,
    fitted_scorecard,
    kolmogorov_smirnov,
    refunded_users,
)
from promo_spark.models.risk.shop import (
    Hours,
    Shop,
    counts_of_figures,
    counts_of_openings,
    counts_of_sharing,
    hour_figures,
    hours,
    shop_figures,
)
from promo_spark.models.risk.weighing import Thresholds, weighed
from promo_spark.runtime.job import Context
from promo_spark.settings.risk import RiskSettings

_EPOCH = datetime.date(1970, 1, 1)
_DECIMALS, _OF_CHANCES = 9, 15
ALL = "all"
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Judges:
    """What accounts are judged by. The forest is None where nobody ordered, the scorecard where nothing was refunded.

    `unusual` is the forest's score from which on an account is an anomaly; `ranks` are the scores of the sample,
    sorted.
    """

    shop: Shop
    forest: Trees | None
    ranks: np.ndarray
    unusual: float
    scorecard: LinearModel | None
    figures: list[Figure]


def orders_of_date(ctx: Context[RiskSettings]) -> DataFrame:
    """One row per order in the days before the date. OrderLines → CheckedOrder."""
    first = ctx.date - datetime.timedelta(ctx.settings.history_days)
    day = F.col(OrderLines.order_date)
    lines = ctx.read(OrderLines).filter((day >= F.lit(first)) & (day < F.lit(ctx.date)))
    return ctx.keep(checked_orders(lines, returned_within_days=ctx.settings.returned_within_days))


def hours_of_date(ctx: Context[RiskSettings], orders: DataFrame) -> Hours:
    """When the shop's orders are placed."""
    rows = hour_figures(orders).collect()  # a row per hour of the day
    return hours([row.asDict() for row in rows], ctx.settings.quiet_share)


def known_accounts(ctx: Context[RiskSettings], orders: DataFrame, of: Hours) -> DataFrame:
    """One row per user of the master data or with orders. → Account with AccountFigures."""
    opened = F.coalesce(F.col(Users.registered_at) < F.lit(ctx.date), F.lit(True))
    users = accounts(ctx.read_optional(Users).filter(opened))
    figures = account_figures(orders, quiet_hours=of.quiet)
    return ctx.keep(users.join(figures, Account.user_id, "outer"))


def shop_of_date(ctx: Context[RiskSettings], known: DataFrame, of: Hours) -> Shop:
    """What is usual in the shop."""
    counts = (
        counts_of_figures(
            known.filter(F.col(AccountFigures.orders) > 0), opened_from=_day(ctx) - ctx.settings.history_days
        )
        .unionByName(counts_of_sharing(digests(known)))
        .unionByName(counts_of_openings(known))
        .collect()  # a row per count that occurs, and per day
    )
    shop = shop_figures(of, [row.asDict() for row in counts], largest_ring=ctx.settings.largest_ring)
    if shop.hubs:
        ctx.note(
            f"{shop.hubs:,} devices or addresses are shared by more than risk.largest_ring "
            f"({ctx.settings.largest_ring}) accounts each: they link nobody"
        )
    return shop


def evidence_of_date(ctx: Context[RiskSettings], orders: DataFrame, known: DataFrame, shop: Shop) -> DataFrame:
    """One row per user. → AccountEvidence."""
    section, of = ctx.settings, shop.hours
    equal = ctx.keep(
        equal_orders(
            orders,
            within_hours=section.equal_within_hours,
            hour_shares=of.shares,
            days=_day(ctx) - of.first_day,
            total=of.orders,
            rush=section.rush,
            largest_ring=section.largest_ring,
        )
    )
    usable = usable_digests(digests(known), largest_ring=section.largest_ring)
    members = ring_members(
        links(usable, equal, chance=1 / max(of.orders, 1)),
        known,
        opened_within_days=section.opened_within_days,
        opened_from=_day(ctx) - section.history_days,
        largest_ring=section.largest_ring,
    )
    best_run = equal.groupBy(EqualOrders.user_id).agg(
        F.min(EqualOrders.chance).alias(AccountEvidence.equal_chance),
        F.min_by(EqualOrders.accounts, F.struct(EqualOrders.chance, EqualOrders.run)).alias(
            AccountEvidence.equal_accounts
        ),
    )
    own_digests = usable.groupBy(SharedDigest.user_id).agg(
        F.count("*").alias(AccountEvidence.digests), F.max(SharedDigest.accounts).alias(AccountEvidence.sharing)
    )
    of_ring = members.withColumnsRenamed(
        {
            RingMember.orders: AccountEvidence.ring_orders,
            RingMember.coupon_orders: AccountEvidence.ring_coupon_orders,
            RingMember.first_orders: AccountEvidence.ring_first_orders,
        }
    )
    joined = (
        known.join(own_digests, Account.user_id, "left")
        .na.fill(0, [AccountEvidence.digests])
        .join(best_run, Account.user_id, "left")
        .join(of_ring, Account.user_id, "left")
    )
    return ctx.keep(AccountEvidence.shaped(joined))


def judges_of_date(ctx: Context[RiskSettings], orders: DataFrame, evidence: DataFrame, shop: Shop) -> Judges:
    """The forest and the scorecard, fitted on samples."""
    section = ctx.settings
    with_orders = evidence.filter(F.col(AccountEvidence.orders) > 0)
    drawn = hashed_sample(with_orders, AccountEvidence.user_id, at_most=section.sample_users, seed=section.seed)
    rows = drawn.toArrow().sort_by(AccountEvidence.user_id)
    scorecard, figures = _scorecard(ctx, orders, shop)
    if not len(rows):
        ctx.note(f"nobody who may be profiled ordered in the {section.history_days} days before {ctx.date}")
        return Judges(shop, None, np.zeros(0), 1.0, scorecard, figures)
    table = signals.features(signals.numbers(rows))
    forest = isolation_forest(table, trees=section.trees, rows_of_tree=section.rows_of_tree, seed=section.seed)
    ranks = np.sort(forest.scores(table))
    return Judges(shop, forest, ranks, cut_of_share(ranks, section.contamination), scorecard, figures)


def risk(ctx: Context[RiskSettings], evidence: DataFrame, judges: Judges) -> DataFrame:
    """One row per user. AccountEvidence → Risk."""
    section, day = ctx.settings, _day(ctx)

    def of_batches(batches: Batches) -> Batches:
        for rows in batches:
            yield record(Risk, _risk_columns(rows, judges, section, day))

    return ctx.keep(evidence.mapInArrow(of_batches, unstamped(Risk)))


def risk_actions(ctx: Context[RiskSettings], of_users: DataFrame, shop: Shop) -> DataFrame:
    """One row per user. Risk → RiskActions."""
    section, digits = ctx.settings, digits_of(ctx.business.currency)
    amount = Decimal(shop.hours.mean_basket) * Decimal(section.limit_baskets) / 100
    days = {"limit": section.limit_days, "review": section.review_days, "suspend": section.suspend_days}
    limit = amount.quantize(Decimal(1).scaleb(-digits))
    return advised.actions(of_users, as_of=ctx.date, limit_amount=limit, days=days)


def risk_figures(of_users: DataFrame, judges: Judges) -> list[Figure]:
    """How many users are of each tier, show each signal, are in rings; and how good the scorecard is."""
    rows = of_users.groupBy(Risk.tier).agg(
        F.count("*").alias("users"),
        F.sum(F.col(Risk.is_anomaly).cast("long")).alias("anomalies"),
        F.count(Risk.anomaly).alias("judged"),
        F.count(Risk.ring).alias("in_rings"),
        F.count_distinct(Risk.ring).alias("rings"),
    )
    found = {row[Risk.tier]: row for row in rows.collect()}  # a row per tier
    users = sum(row["users"] for row in found.values())
    judged, anomalies = (sum(row[name] for row in found.values()) for name in ("judged", "anomalies"))
    flagged = sum(found[tier]["users"] for tier in ("high", "blocked") if tier in found)
    figures = [
        Figure("users", tier, float(found[tier]["users"]) if tier in found else 0.0, users) for tier in RISK_TIERS
    ]
    figures += [
        Figure("flagged_share", ALL, flagged / users if users else None, users),
        Figure("anomaly_rate", ALL, anomalies / judged if judged else None, judged),
        Figure("in_rings", ALL, float(sum(row["in_rings"] for row in found.values())), users),
        Figure("hubs", ALL, float(judges.shop.hubs), users),
    ]
    return figures + judges.figures


def _risk_columns(rows: pa.RecordBatch, judges: Judges, section: RiskSettings, day: int) -> dict[str, object]:
    of = signals.numbers(rows)
    opened_from = day - section.history_days
    chances = signals.chances(of, judges.shop, opened_from=opened_from, opened_within_days=section.opened_within_days)
    ordered = of[AccountEvidence.orders] > 0
    anomaly = np.full(len(ordered), np.nan)
    if judges.forest is not None and len(ordered):
        anomaly = np.where(ordered, judges.forest.scores(signals.features(of)), np.nan)
    at_least = len(judges.ranks) - np.searchsorted(judges.ranks, np.nan_to_num(anomaly), side="left")
    chances["outlier"] = np.where(ordered, (at_least + 1) / (len(judges.ranks) + 1), np.nan)
    scores = (section.medium_score, section.high_score, section.blocked_score)
    found = weighed(chances, Thresholds(section.prior_share, section.innocent_share, scores))
    credit = np.full(len(ordered), np.nan)
    if judges.scorecard is not None:
        table = credit_features({name: np.where(ordered, values, np.nan) for name, values in of.items()}, day)
        credit = np.round(credit_score(judges.scorecard, table), 1)
    in_ring = np.nan_to_num(of[AccountEvidence.members]) >= 3
    return {
        Risk.user_id: rows.column(AccountEvidence.user_id),
        Risk.score: np.round(found.score, _DECIMALS),
        Risk.tier: [RISK_TIERS[t] for t in found.tier],
        Risk.reasons: reasons(of, found.factors),
        Risk.signals: _maps({name: np.round(p, _OF_CHANCES) for name, p in chances.items()}),
        Risk.independent_signals: found.independent,
        Risk.ring: pc.if_else(pa.array(in_ring), rows.column(AccountEvidence.ring), pa.scalar(None, pa.int64())),
        Risk.anomaly: pa.array(np.round(anomaly, _DECIMALS), mask=np.isnan(anomaly)),
        Risk.is_anomaly: np.nan_to_num(anomaly) >= judges.unusual,
        Risk.verification_level: found.tier,
        Risk.credit_score: pa.array(credit, mask=np.isnan(credit)),
    }


def _scorecard(ctx: Context[RiskSettings], orders: DataFrame, shop: Shop) -> tuple[LinearModel | None, list[Figure]]:
    """The scorecard, judged on the half of the users that it is not fitted on, then fitted on all. None: no label."""
    section = ctx.settings
    cutoff = _day(ctx) - section.label_days
    if shop.returned is None:
        ctx.note("no credit scores: no order line came back, and no refund is what they would be learnt from")
        return None, []
    before = account_figures(orders.filter(F.col(CheckedOrder.day) < cutoff), quiet_hours=shop.hours.quiet)
    labelled = before.join(refunded_users(orders, from_day=cutoff), AccountFigures.user_id)
    drawn = hashed_sample(labelled, AccountFigures.user_id, at_most=section.sample_users, seed=section.seed)
    rows = drawn.toArrow().sort_by(AccountFigures.user_id)
    refunded = rows.column(REFUNDED).to_numpy()
    if refunded.sum() < section.least_refunds or refunded.all():
        ctx.note(
            f"no credit scores: {int(refunded.sum()):,} users gave back a whole order in the {section.label_days} days "
            f"before {ctx.date}, risk.least_refunds is {section.least_refunds:,}"
        )
        return None, []
    table = credit_features(signals.numbers(rows), cutoff)
    held_out = np.arange(len(rows)) % 2 == 1
    tried = fitted_scorecard(table.rows(~held_out), refunded[~held_out])
    score, bad = credit_score(tried, table.rows(held_out)), refunded[held_out]
    figures = [
        Figure("credit_auc", "holdout", auc(-score, bad), len(bad)),
        Figure("credit_ks", "holdout", kolmogorov_smirnov(score, bad), len(bad)),
        Figure("refunded_share", "holdout", float(bad.mean()), len(bad)),
    ]
    return fitted_scorecard(table, refunded), figures


def _maps(values: dict[str, np.ndarray]) -> pa.Array:
    """Row by row, the values that are known, by name."""
    names = list(values)
    table = np.column_stack([values[name] for name in names])
    known = ~np.isnan(table)
    offsets = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
    keys = pa.array(np.array(names, dtype=object)[np.nonzero(known)[1]], pa.string())
    return pa.MapArray.from_arrays(pa.array(offsets, pa.int32()), keys, pa.array(table[known]))


def _day(ctx: Context[RiskSettings]) -> int:
    return (ctx.date - _EPOCH).days
