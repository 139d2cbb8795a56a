"""The steps of recommend: whether the stored product vectors are kept, and how others are fitted and measured."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import ItemFactors, Segments
from promo_spark.contracts.predictions import RankingModels
from promo_spark.contracts.silver import OrderLines
from promo_spark.features.users.tastes import most_repurchases, user_repurchases
from promo_spark.flows.propensity.models import model_rows, worst_decile_drift
from promo_spark.flows.recommend.ranking import (
    RankingOfDate,
    fitted_ranking,
    ranking_of_stored,
)
from promo_spark.flows.recommend.relevance import relevance_of, with_limits
from promo_spark.flows.recommend.sessions import with_what_was_met
from promo_spark.flows.recommend.stage import SECOND_STAGE, Stage, stage_of_date
from promo_spark.flows.registry import Fit
from promo_spark.measures.behaviour_segments import by_behaviour
from promo_spark.measures.kept_purchases import repeated_days
from promo_spark.measures.metric_rows import Figure
from promo_spark.measures.refitting import refit_reason
from promo_spark.measures.stock import not_sold_out
from promo_spark.models.recommenders import holdout
from promo_spark.models.recommenders.als import als_factors
from promo_spark.models.recommenders.candidates import RankedItems
from promo_spark.models.recommenders.factors import Factors
from promo_spark.models.recommenders.first_stage.interface import FirstStage
from promo_spark.models.recommenders.fold_in import folded_in_factors
from promo_spark.models.recommenders.item_model import ItemModel
from promo_spark.models.recommenders.lists import BY_VECTORS, Recommender
from promo_spark.models.recommenders.ranking_metrics import sparsity
from promo_spark.models.recommenders.recommendations import item_model, users_with_purchases, with_segment
from promo_spark.models.recommenders.stored import (
    ModelledProducts,
    StoredModel,
    drift,
    factor_rows,
    modelled_products,
    stored_model,
)
from promo_spark.models.recommenders.strengths import (
    ModelPair,
    Purchase,
    Strength,
    catalogue,
    due_again,
    model_pairs,
    own_products,
    popularity,
    purchases,
    strengths,
    taken_back,
)
from promo_spark.models.recommenders.user_batches import Policy
from promo_spark.models.recommenders.vector_search import VectorSearch, require_faiss
from promo_spark.runtime.job import Context
from promo_spark.settings.recommend import RecommendSettings

_OF_MODEL, _OF_STORED, _OF_PUBLISHED = "model", "stored", "published"  # slices of figures


@dataclass(frozen=True)
class ListModel:
    """What lists are made from at a date: the catalogue, the products' vectors, the users, and the pairs of theirs."""

    catalogue: DataFrame
    items: ItemModel
    users: DataFrame
    pairs: DataFrame


@dataclass(frozen=True)
class RecommenderOfDate:
    """What the lists of the date are made by, and what of it is stored (ItemFactors, RankingModels).

    `figures` tell how good it is; `reason` is why it was fitted, "" if it was kept.
    """

    model: ListModel
    recommender: Recommender
    factors: DataFrame
    stage: Stage
    ranking: RankingOfDate
    figures: list[Figure]
    reason: str

    @property
    def ranking_models(self) -> DataFrame:
        """One row per model of the second stage. → RankingModels."""
        return model_rows(self.factors.sparkSession, self.ranking.models, RankingModels)


def recommender_of_date(ctx: Context[RecommendSettings]) -> RecommenderOfDate:
    """By the stored vectors of the newest earlier date where these are to be kept, else by newly fitted ones."""
    settings = ctx.settings
    require_faiss(settings.als.probes)
    days = settings.history_days + settings.holdout_days
    bought = ctx.keep(purchases(ctx.read(OrderLines), before=ctx.date, days=days))
    items = _catalogue_of_date(ctx, bought)
    stage = stage_of_date(ctx)
    stored, ranking = stored_model(ctx.earlier(ItemFactors)), ranking_of_stored(ctx, stage.learning)
    reason: str | None = "there was none of an earlier date"
    figures: list[Figure] = []
    if stored is not None and ranking is not None:
        products = modelled_products(stored.factors, items, min_buyers=settings.min_buyers, rank=settings.rank)
        reason, figures = _judged(ctx, stored, products, ranking)
        if reason is None:
            ctx.say(f"recommending by {stored.recommender}, with the product vectors of {stored.trained_on}")
            fold_in = partial(folded_in_factors, items=products.items, vectors=products.vectors, settings=settings)
            model = _model_of_date(ctx, bought, items, fold_in, stage, ranking, stored.recommender)
            figures += _model_figures(model)
            return RecommenderOfDate(model, stored.recommender, stored.factors, stage, ranking, figures, "")
    champion = stored.recommender if stored is not None else None
    return _newly_fitted(ctx, bought, items, stage, figures, reason or "", champion)


def fits_of_date(ctx: Context[RecommendSettings], of_date: RecommenderOfDate) -> list[Fit]:
    """What was fitted on the date."""
    if not of_date.reason:
        return []
    settings, figures = ctx.settings, of_date.figures
    recommender = Fit(
        "recommender",
        of_date.recommender,
        settings.refit,
        of_date.reason,
        rows=next(f.n for f in figures if (f.metric, f.slice) == ("pairs", _OF_MODEL)),
        days=(ctx.date - datetime.timedelta(settings.history_days), ctx.date - datetime.timedelta(1)),
        features=["order", *sorted(settings.event_weights)],
        state=ItemFactors,
        metrics={f.metric: f.value for f in figures if f.slice == _OF_PUBLISHED and f.value is not None},
    )
    return [recommender, *of_date.ranking.fits]


def _measured(
    ctx: Context[RecommendSettings],
    bought: DataFrame,
    stage: Stage,
    ranking: RankingOfDate,
    champion: Recommender | None,
) -> tuple[list[Figure], ListModel | None, Recommender]:
    """The metrics of all contenders on the holdout, what was fitted before it, and which of them is to be published.

    Nothing was measured or fitted where the holdout has no users.
    """
    settings, cutoff = ctx.settings, ctx.date - datetime.timedelta(days=ctx.settings.holdout_days)
    past, later = holdout.split_at(bought, cutoff)
    measured = ctx.keep(holdout.users_on_both_sides(past, later, at_most=settings.evaluation_users))
    if measured.isEmpty():
        return [], None, holdout.best_recommender([], settings.bought)
    days = repeated_days(past.join(measured, Purchase.user_id, "left_semi"))
    repurchases = user_repurchases(days, kept=most_repurchases(ctx.read(UserProfile)))
    items = _catalogue(ctx, past, cutoff)
    models = stage.first_stage(cutoff, settings.models)
    model = _list_model(
        ctx,
        past,
        partial(als_factors, settings=settings),
        items=items,
        ranked=_ranked(ctx, stage, ranking, cutoff, models, measured, items),
        users=measured.withColumn(Segments.segment_id, F.lit(0)),
        due=due_again(repurchases, as_of=cutoff, lead_days=settings.due_lead_days),
        refused=Strength.frame(ctx.spark),
        segments=Segments.frame(ctx.spark),
        as_of=cutoff,
        searched=True,
    )
    truth = holdout.holdout_purchases(later, ctx.read(ProductProfile), model.catalogue, measured)
    audience = holdout.audience_of(model.catalogue, ctx.read(ProductProfile), _users(past))
    per_user = ctx.keep(
        holdout.user_metrics(
            model.users.join(F.broadcast(truth), Purchase.user_id),
            model.items,
            contenders=holdout.contenders([*models, *([SECOND_STAGE] if ranking.ranker is not None else [])]),
            repeat_weight=settings.repeat_weight,
            audience=audience,
        )
    )
    figures = [Figure(*row) for row in holdout.holdout_metrics(per_user, model.catalogue.count()).collect()]
    best = holdout.best_recommender(figures, settings.bought, champion=champion, margin=settings.switch_margin)
    of_best, segments = f"{best}:{settings.bought}", by_behaviour(ctx.read(Segments))
    of_segments = holdout.segment_metrics(per_user, segments, of_best, _OF_PUBLISHED)
    figures += [Figure(*row) for row in of_segments.collect()]  # a few per contender and segment
    return [*figures, *holdout.ndcg_intervals(per_user, settings.seed)], model, best


def _users(bought: DataFrame) -> int:
    return int(bought.agg(F.count_distinct(Purchase.user_id)).collect()[0][0])


def _judged(
    ctx: Context[RecommendSettings], stored: StoredModel, products: ModelledProducts, ranking: RankingOfDate
) -> tuple[str | None, list[Figure]]:
    """Why stored vectors and models are fitted again, None if they are kept; and figures of how well they still do."""
    settings, without_vector = ctx.settings, products.share_without_vector()
    reason = refit_reason(
        settings.refit,
        date=ctx.date,
        trained_on=stored.trained_on,
        same_maker=stored.made_by == ctx.made_by,
        drifted=drift(
            without_vector,
            (ctx.date - stored.trained_on).days,
            most_without_vector=1.0 if stored.recommender == SECOND_STAGE else settings.refit_without_vector,
            most_days=settings.refit_after_days,
        )
        or worst_decile_drift(ranking.figures, settings.refit_worst_decile),
    )
    figure = Figure("without_vector", _OF_STORED, without_vector, int(products.recent_buyers.sum()))
    return reason, [figure, *ranking.figures]


def _newly_fitted(
    ctx: Context[RecommendSettings],
    bought: DataFrame,
    items: DataFrame,
    stage: Stage,
    figures: list[Figure],
    reason: str,
    champion: Recommender | None,
) -> RecommenderOfDate:
    """The best recommender of the holdout, or the champion of before, fitted on all purchases before the date.

    Where that is the second stage, products keep the vectors of the holdout: they are for reasons in words alone, which
    are not worth a second fit.
    """
    settings = ctx.settings
    ctx.say("fitting the second stage")
    ranking = fitted_ranking(ctx, stage.learning, reason)
    ctx.say(f"fitting, and measuring recommenders on the last {settings.holdout_days} days")
    measured, past, best = _measured(ctx, bought, stage, ranking, champion)
    ctx.say(f"recommending by {best}")
    factors_of: Callable[[DataFrame], Factors] = partial(als_factors, settings=settings)
    factors = _factor_rows(ctx, past, best) if best == SECOND_STAGE and past is not None else None
    if factors is not None:
        products = modelled_products(factors, items, min_buyers=settings.min_buyers, rank=settings.rank)
        factors_of = partial(folded_in_factors, items=products.items, vectors=products.vectors, settings=settings)
    model = _model_of_date(ctx, bought, items, factors_of, stage, ranking, best)
    factors = factors if factors is not None else _factor_rows(ctx, model, best)
    published = _published_figures(measured, best, settings.bought)
    figures = [*figures, *ranking.figures, *measured, *published, *_model_figures(model)]
    return RecommenderOfDate(model, best, factors, stage, ranking, figures, reason)


def _factor_rows(ctx: Context[RecommendSettings], of: ListModel, best: Recommender) -> DataFrame:
    """One row per product with a vector. → ItemFactors, of a fit on the date."""
    vectors = of.items.vectors
    return factor_rows(
        of.catalogue, of.items.items, vectors, recommender=best, trained_on=ctx.date, made_by=ctx.made_by
    )


def _model_figures(model: ListModel) -> Iterator[Figure]:
    """How much the model of the date rests on."""
    pairs, users, products = model.pairs.agg(
        F.count("*"), F.count_distinct(ModelPair.user_id), F.count_distinct(ModelPair.item)
    ).collect()[0]
    yield Figure("sparsity", _OF_MODEL, sparsity(pairs, users, products), pairs)
    for metric, count in {"pairs": pairs, "users": users, "products": products}.items():
        yield Figure(metric, _OF_MODEL, float(count), count)


def _published_figures(measured: Iterable[Figure], best: Recommender, policy: Policy) -> Iterator[Figure]:
    """The figures of the recommender that is published, once more under the slice `published`."""
    return (figure._replace(slice=_OF_PUBLISHED) for figure in measured if figure.slice == f"{best}:{policy}")


def _catalogue_of_date(ctx: Context[RecommendSettings], bought: DataFrame) -> DataFrame:
    """The catalogue that the day's lists are made of. Purchase → CatalogueItem. That it is empty, is said."""
    items = _catalogue(ctx, bought, ctx.date)
    if items.isEmpty():
        ctx.note(
            "no recommendations: no user who may be profiled bought a promotable product in the "
            f"{ctx.settings.history_days} days before {ctx.date}; check --date, recommend.history_days and "
            "business.excluded_*"
        )
    return items


def _model_of_date(
    ctx: Context[RecommendSettings],
    bought: DataFrame,
    items: DataFrame,
    factors_of: Callable[[DataFrame], Factors],
    stage: Stage,
    ranking: RankingOfDate,
    recommender: Recommender,
) -> ListModel:
    """What the day's lists are made from: all purchases before the date, vectors by `factors_of` (ModelPair)."""
    settings, profiles, segments = ctx.settings, ctx.read(UserProfile), by_behaviour(ctx.read(Segments))
    days = settings.history_days + settings.holdout_days
    return _list_model(
        ctx,
        bought,
        factors_of,
        items=items,
        users=with_segment(profiles, segments),
        due=due_again(profiles, as_of=ctx.date, lead_days=settings.due_lead_days),
        refused=taken_back(ctx.read(OrderLines), bought, before=ctx.date, days=days),
        segments=segments,
        ranked=_ranked(
            ctx, stage, ranking, ctx.date, _needed(stage, recommender, ctx.date, settings.models), profiles, items
        ),
        as_of=ctx.date,
        searched=recommender in BY_VECTORS,
    )


def _needed(
    stage: Stage, recommender: Recommender, as_of: datetime.date, names: Sequence[str]
) -> dict[str, FirstStage]:
    """Of the first stage what lists by a recommender are made of."""
    if recommender not in names:
        return {}
    models = stage.first_stage(as_of, names if recommender == "hybrid" else [recommender])
    return {name: model for name, model in models.items() if name == recommender}


def _ranked(
    ctx: Context[RecommendSettings],
    stage: Stage,
    ranking: RankingOfDate,
    as_of: datetime.date,
    models: Mapping[str, FirstStage],
    users: DataFrame,
    items: DataFrame,
) -> DataFrame:
    """One row per user with a history: what the second stage and `models` say as of a date. → RankedItems."""
    if ranking.ranker is None and not models:
        return RankedItems.frame(ctx.spark)
    return stage.ranked(ranking.ranker, models, as_of, users, items)


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


def _list_model(
    ctx: Context[RecommendSettings],
    bought: DataFrame,
    factors_of: Callable[[DataFrame], Factors],
    *,
    items: DataFrame,
    users: DataFrame,
    due: DataFrame,
    refused: DataFrame,
    segments: DataFrame,
    ranked: DataFrame,
    as_of: datetime.date,
    searched: bool,
) -> ListModel:
    """Vectors by the purchases before a date, and all that turns them into lists.

    `factors_of` makes Factors of ModelPair. `refused`: what users kept nothing of. `searched`: lists are made by
    vectors.
    """
    settings, bought = ctx.settings, _history(ctx, bought, as_of)
    pairs = ctx.keep(strengths(bought, as_of=as_of, half_life_days=settings.half_life_days))
    tied = with_what_was_met(ctx, pairs, as_of)
    modelled = ctx.keep(
        model_pairs(tied, bought, items, min_orders=settings.min_orders, min_buyers=settings.min_buyers)
    )
    factors = factors_of(modelled)
    search = None
    if searched and settings.als.probes:
        search = VectorSearch.of(factors.vectors, probes=settings.als.probes, seed=settings.seed)
    popular_since = as_of - datetime.timedelta(days=settings.popular_days)
    popular = popularity(bought, items, segments, since=popular_since)
    own = own_products(pairs.unionByName(refused), items, due, as_of=as_of, days=settings.bought_days)
    ready = users_with_purchases(with_limits(ctx, users), own, factors, ranked, blocks=settings.blocks)
    return ListModel(items, item_model(factors, popular, relevance_of(ctx, items), search), ready, modelled)
