"""The steps of the recommend job: fit on purchases before a date, measure on a holdout, and count what was fitted."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.silver import Events, OrderLines
from promo_spark.features.users.tastes import most_repurchases, user_repurchases
from promo_spark.measures.metric_rows import Figure
from promo_spark.measures.stock import not_sold_out
from promo_spark.models.recommenders import holdout
from promo_spark.models.recommenders.als import als_factors
from promo_spark.models.recommenders.lists import ItemModel, Recommender
from promo_spark.models.recommenders.ranking_metrics import sparsity
from promo_spark.models.recommenders.recommendations import banned, item_model, users_with_purchases, with_segment
from promo_spark.models.recommenders.strengths import (
    DueProduct,
    ModelPair,
    Purchase,
    Strength,
    catalogue,
    days_bought,
    due_again,
    model_pairs,
    own_products,
    popularity,
    strengths,
    taken_back,
    with_events,
)
from promo_spark.runtime.job import Context
from promo_spark.settings.recommend import RecommendSettings


@dataclass(frozen=True)
class FittedModel:
    """What lists are made from at a date: the catalogue, the products' vectors, the users, and the pairs fitted on."""

    catalogue: DataFrame
    items: ItemModel
    users: DataFrame
    pairs: DataFrame


def published_model(ctx: Context[RecommendSettings], bought: DataFrame) -> FittedModel:
    """The model that the day's lists are made by: fitted on all purchases before the date.

    Where no promotable product was bought, that is said, and its catalogue is empty.
    """
    settings, profiles, segments = ctx.settings, ctx.read(UserProfile), ctx.read(Segments)
    due = due_again(profiles, as_of=ctx.date, lead_days=settings.due_lead_days)
    users = with_segment(profiles, segments)
    items = _catalogue(ctx, bought, ctx.date)
    if items.isEmpty():
        ctx.note(
            "no recommendations: no user who may be profiled bought a promotable product in the "
            f"{settings.history_days} days before {ctx.date}; check --date, recommend.history_days and "
            "business.excluded_*"
        )
    days = settings.history_days + settings.holdout_days
    refused = taken_back(ctx.read(OrderLines), bought, before=ctx.date, days=days)
    return _fitted(ctx, bought, items=items, users=users, due=due, refused=refused, segments=segments, as_of=ctx.date)


def measured_figures(ctx: Context[RecommendSettings], bought: DataFrame) -> list[Figure]:
    """The metrics of all contenders on the holdout; none where the holdout has no users."""
    settings, cutoff = ctx.settings, ctx.date - datetime.timedelta(days=ctx.settings.holdout_days)
    past, later = holdout.split_at(bought, cutoff)
    measured = ctx.keep(holdout.users_on_both_sides(past, later, at_most=settings.evaluation_users))
    if measured.isEmpty():
        return []
    days = days_bought(past.join(measured, Purchase.user_id, "left_semi"))
    repurchases = user_repurchases(days, kept=most_repurchases(ctx.read(UserProfile)))
    model = _fitted(
        ctx,
        past,
        items=_catalogue(ctx, past, cutoff),
        users=measured.withColumn(Segments.segment_id, F.lit(0)),
        due=due_again(repurchases, as_of=cutoff, lead_days=settings.due_lead_days),
        refused=Strength.frame(ctx.spark),
        segments=Segments.frame(ctx.spark),
        as_of=cutoff,
    )
    truth = holdout.holdout_purchases(later, ctx.read(ProductProfile), model.catalogue, measured)
    per_user = holdout.user_metrics(
        model.users.join(F.broadcast(truth), Purchase.user_id),
        model.items,
        contenders=holdout.contenders(settings.bought),
        repeat_weight=settings.repeat_weight,
    )
    metrics = holdout.holdout_metrics(per_user, model.catalogue.count())
    return [Figure(*row) for row in metrics.collect()]  # a few per contender


def model_figures(model: FittedModel, rows: int) -> Iterator[Figure]:
    """How much the published model rests on, and how many rows of recommendations it made."""
    pairs, users, products = model.pairs.agg(
        F.count("*"), F.count_distinct(ModelPair.user_id), F.count_distinct(ModelPair.item)
    ).collect()[0]
    yield Figure("sparsity", "model", sparsity(pairs, users, products), pairs)
    for metric, count in {"pairs": pairs, "users": users, "products": products, "rows": rows}.items():
        yield Figure(metric, "model", float(count), count)


def published_figures(measured: Iterable[Figure], best: Recommender, policy: str) -> Iterator[Figure]:
    """The figures of the recommender that is published, once more under the slice `published`."""
    return (figure._replace(slice="published") for figure in measured if figure.slice == f"{best}:{policy}")


def _catalogue(ctx: Context[RecommendSettings], bought: DataFrame, as_of: datetime.date) -> DataFrame:
    """One row per promotable product bought in the history before the date. Purchase → CatalogueItem.

    What is sold out is not shown on the date itself; of a day in the past only the stock of today is known.
    """
    products, days = ctx.read(ProductProfile), ctx.settings.popular_days
    if as_of == ctx.date:
        products = products.filter(not_sold_out())
    return ctx.keep(catalogue(_history(ctx, bought, as_of), products, as_of=as_of, popular_days=days))


def _history(ctx: Context[RecommendSettings], bought: DataFrame, as_of: datetime.date) -> DataFrame:
    """The purchases of the history before a date."""
    _, recent = holdout.split_at(bought, as_of - datetime.timedelta(days=ctx.settings.history_days))
    return recent


def _fitted(
    ctx: Context[RecommendSettings],
    bought: DataFrame,
    *,
    items: DataFrame,
    users: DataFrame,
    due: DataFrame,
    refused: DataFrame,
    segments: DataFrame,
    as_of: datetime.date,
) -> FittedModel:
    """ALS on the purchases before a date, and all that turns it into lists. `refused`: what users kept nothing of."""
    settings, bought = ctx.settings, _history(ctx, bought, as_of)
    pairs = ctx.keep(strengths(bought, as_of=as_of, half_life_days=settings.half_life_days))
    tied = pairs
    if ctx.exists(Events) and settings.event_weights:
        weights, half_life = settings.event_weights, settings.half_life_days
        tied = with_events(pairs, ctx.read_optional(Events), weights=weights, as_of=as_of, half_life_days=half_life)
    modelled = ctx.keep(
        model_pairs(tied, bought, items, min_orders=settings.min_orders, min_buyers=settings.min_buyers)
    )
    factors = als_factors(modelled, settings)
    popular_since = as_of - datetime.timedelta(days=settings.popular_days)
    popular = popularity(bought, items, segments, since=popular_since)
    with_due = pairs.unionByName(refused).join(due, [Strength.user_id, DueProduct.product_id], "left")
    own = own_products(with_due, items, banned(settings.bought))
    ready = users_with_purchases(users, own, factors, blocks=settings.blocks)
    return FittedModel(items, item_model(factors, popular), ready, modelled)
