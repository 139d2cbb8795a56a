"""Rank products for every user: silver.order_lines, features.* and models.segments → models.recommendations.

First each recommender is measured: fitted on all but the last `holdout_days`, asked what was bought in them
(models.metrics: als, blend, buy_again, popularity; `:new` of products not bought before; as the policy
`bought` would publish them). Then the best under the policy is fitted on everything and published. Users with
fewer than `min_orders` get what is popular in their segment, users without a segment what is popular. Users who
may not be profiled get nothing, and nothing is learnt from what they bought.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Metrics, Recommendations, Segments
from promo_spark.contracts.silver import OrderLines
from promo_spark.errors import MissingDataError
from promo_spark.features.users.tastes import user_repurchases
from promo_spark.models.recommenders import holdout
from promo_spark.models.recommenders import recommendations as lists
from promo_spark.models.recommenders import strengths as purchase
from promo_spark.models.recommenders.als import als_factors
from promo_spark.models.recommenders.lists import Recommender, Shelf
from promo_spark.models.recommenders.ranking_metrics import sparsity
from promo_spark.runtime.job import Context, job
from promo_spark.settings import RecommendSettings

Metric = dict[str, Any]  # metric, slice, value, n

_BEFORE_MEASUREMENT: Recommender = "blend"  # published where the holdout has nobody to measure on


@dataclass(frozen=True)
class Fitted:
    """What is known at a date: catalogue, shelf, and the users with their purchases and vectors."""

    items: DataFrame
    shelf: Shelf
    users: DataFrame
    figures: dict[str, int]


@job(
    reads=[OrderLines, UserProfile, ProductProfile, Segments],
    writes=[Recommendations, Metrics],
    settings=RecommendSettings,
)
def run(ctx: Context[RecommendSettings]) -> None:
    s, as_of = ctx.settings, ctx.date
    lines = ctx.read(OrderLines)
    bought = ctx.keep(purchase.purchases(lines, before=as_of, days=s.history_days + s.holdout_days))
    users = lists.with_segment(ctx.read(UserProfile), ctx.read(Segments))
    ctx.say(f"measuring recommenders on the last {s.holdout_days} days")
    measured = _measured(ctx, bought)
    best = _best(measured, s.bought)

    ctx.say(f"recommending by {best}")
    due = purchase.due_again(ctx.read(UserProfile), as_of=as_of, lead_days=s.due_lead_days)
    fitted = _fitted(ctx, bought, users, due, ctx.read(Segments), as_of)
    entries = lists.recommended_items(
        fitted.users, fitted.shelf, recommender=best, repeat_weight=s.repeat_weight, top_n=s.top_n
    )
    told = lists.recommendations(entries, fitted.items, popular_days=s.popular_days)
    written = ctx.write(Recommendations, told.withColumn(Recommendations.as_of, F.lit(as_of)))
    sizes = {**fitted.figures, "rows": written.rows}
    ctx.metrics(
        Metrics.frame(
            ctx.spark,
            [
                *measured,
                *(m | {"slice": "published"} for m in measured if m["slice"] == f"{best}:{s.bought}"),
                {
                    "metric": "sparsity",
                    "slice": "model",
                    "n": sizes["pairs"],
                    "value": sparsity(sizes["pairs"], sizes["users"], sizes["products"]),
                },
                *({"metric": m, "slice": "model", "value": float(v), "n": v} for m, v in sizes.items()),
            ],
        )
    )


def _measured(ctx: Context[RecommendSettings], bought: DataFrame) -> list[Metric]:
    """The metrics of all candidates on the holdout; none where nobody can be measured."""
    s, cutoff = ctx.settings, ctx.date - datetime.timedelta(days=ctx.settings.holdout_days)
    past = bought.filter(F.col(OrderLines.order_date) < F.lit(cutoff))
    later = bought.filter(F.col(OrderLines.order_date) >= F.lit(cutoff))
    promotable = ctx.read(ProductProfile).filter(ProductProfile.promotable)
    known = ctx.keep(
        holdout.sample_by_hash(
            past.join(later, OrderLines.user_id, "left_semi").select(OrderLines.user_id).distinct(), s.evaluation_users
        )
    )
    if known.isEmpty():
        return []
    days = purchase.days_bought(past.join(known, OrderLines.user_id, "left_semi"))
    again = user_repurchases(days, kept=_repurchases_kept(ctx))
    due = purchase.due_again(again, as_of=cutoff, lead_days=s.due_lead_days)
    nobody = Segments.frame(ctx.spark)
    fitted = _fitted(ctx, past, known.withColumn("segment_id", F.lit(0)), due, nobody, cutoff)
    truth = holdout.bought_later(later, promotable, fitted.items, known)
    per_user = holdout.figures_per_user(
        fitted.users.join(F.broadcast(truth), OrderLines.user_id),
        fitted.shelf,
        measured=holdout.candidates(s.bought),
        repeat_weight=s.repeat_weight,
    )
    measured = holdout.measured_metrics(per_user, fitted.items.count())
    return [row.asDict() for row in measured.orderBy("metric", "slice").collect()]  # as many as there are candidates


def _fitted(
    ctx: Context[RecommendSettings],
    bought: DataFrame,
    users: DataFrame,
    due: DataFrame,
    segments: DataFrame,
    as_of: datetime.date,
) -> Fitted:
    """ALS on the purchases before a date, and all that turns it into lists."""
    s = ctx.settings
    since = as_of - datetime.timedelta(days=s.history_days)
    bought = bought.filter(F.col(OrderLines.order_date) >= F.lit(since))
    items = ctx.keep(purchase.catalogue(bought, ctx.read(ProductProfile), as_of=as_of, popular_days=s.popular_days))
    if as_of == ctx.date and items.isEmpty():
        raise MissingDataError(
            f"no promotable product was bought in the {s.history_days} days before {as_of}: check --date, "
            "recommend.history_days and business.excluded_*"
        )
    pairs = ctx.keep(purchase.strengths(bought, as_of=as_of, half_life_days=s.half_life_days))
    modelled = ctx.keep(purchase.model_pairs(pairs, bought, items, min_orders=s.min_orders, min_buyers=s.min_buyers))
    factors = als_factors(
        modelled,
        rank=s.rank,
        iterations=s.iterations,
        regularisation=s.regularisation,
        alpha=s.alpha,
        blocks=s.blocks,
        seed=s.seed,
    )
    popular_since = as_of - datetime.timedelta(days=s.popular_days)
    popular = purchase.popularity(bought, items, segments, since=popular_since)
    own = purchase.own_products(
        pairs.join(due, [OrderLines.user_id, OrderLines.product_id], "left"),
        items,
        lists.banned(s.bought, F.col("due")),
    )
    sizes = modelled.agg(
        F.count("*").alias("pairs"),
        F.count_distinct(OrderLines.user_id).alias("users"),
        F.count_distinct("item").alias("products"),
    ).collect()[0]
    ready = lists.users_with_purchases(users, own, factors, blocks=s.blocks)
    return Fitted(items, lists.shelf(factors, popular), ready, sizes.asDict())


def _repurchases_kept(ctx: Context[RecommendSettings]) -> int:
    """How many repurchases the profile keeps per user, so that the holdout has no more than what is published."""
    found = ctx.read(UserProfile).agg(F.max(F.size(UserProfile.repurchases)).alias("n")).collect()[0]
    return int(found.n or 0)


def _best(measured: Sequence[Metric], policy: str) -> Recommender:
    """The recommender with the highest nDCG under the policy; the name decides a tie."""
    ndcg = {m["slice"]: m["value"] for m in measured if m["metric"] == f"ndcg@{holdout.DEPTH}"}
    rivals = {c.slice: c.recommender for c in holdout.candidates(policy) if c.bans == "policy" and c.slice in ndcg}
    return rivals[min(rivals, key=lambda name: (-ndcg[name], name))] if rivals else _BEFORE_MEASUREMENT
