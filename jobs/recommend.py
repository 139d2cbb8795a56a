"""Rank products for every user: silver.order_lines, features.* and models.segments → models.recommendations.

First each recommender is measured: fitted on all but the last `holdout_days`, asked what was bought in them
(models.metrics: als, blend, buy_again, popularity, ranked, and those of `models`; `:new` of products not bought before;
as each policy for what was bought would publish them). `ranked` is the second stage: candidates by the probability
that they are bought within 28 days, told from earlier windows. Then the best under the policy `bought` is fitted on
everything and published. Users with fewer than `min_orders` get what is popular in their segment, users without a
segment what is popular; the second stage knows both by what is popular of late. Users who may not be profiled get
nothing, and nothing is learnt from what they bought.

The same models, and one of the days of an offer, say of each user's own and recommended products how likely they are
bought without an offer (models.item_propensity).

On dates without a fit (recommend.refit) products keep their stored vectors, and the recommender stays. The lists
are made anew, from what users have bought by then.
"""

from __future__ import annotations

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules, ItemFactors, Metrics, Recommendations, Registry, Segments
from promo_spark.contracts.predictions import ItemPropensity, RankingModels
from promo_spark.contracts.silver import Events, OrderLines, PromoCalendar, Users
from promo_spark.flows.recommend.item_propensities import item_propensities
from promo_spark.flows.recommend.recommender import fits_of_date, recommender_of_date
from promo_spark.flows.recommend.sessions import session_figures
from promo_spark.flows.registry import registry_rows
from promo_spark.measures.metric_rows import Figure, figure_entries
from promo_spark.models.recommenders.recommendations import recommendations, recommended_items
from promo_spark.runtime.job import Context, Earlier, Where, job, main
from promo_spark.settings.recommend import RecommendSettings


@job(
    reads=[OrderLines, UserProfile, ProductProfile, Segments],
    optional=[
        Users,
        Events,
        PromoCalendar,
        Where(BasketRules, asked=lambda settings: "rules" in settings.models),
        Earlier(ItemFactors),
        Earlier(RankingModels),
    ],
    writes=[Recommendations, ItemPropensity, ItemFactors, RankingModels, Registry, Metrics],
    settings=RecommendSettings,
)
def run(ctx: Context[RecommendSettings]) -> None:
    settings, of_date = ctx.settings, recommender_of_date(ctx)
    model, recommender = of_date.model, of_date.recommender
    entries = recommended_items(
        model.users,
        model.items,
        recommender=recommender,
        policy=settings.bought,
        repeat_weight=settings.repeat_weight,
        top_n=settings.top_n,
    )
    lists = recommendations(entries, model.catalogue, popular_days=settings.popular_days)
    rows = ctx.write(Recommendations, lists).rows
    ctx.write(ItemPropensity, item_propensities(ctx, of_date.stage, of_date.ranking))
    ctx.write(ItemFactors, of_date.factors)
    ctx.write(RankingModels, of_date.ranking_models)
    ctx.write(Registry, registry_rows(ctx, *fits_of_date(ctx, of_date)))
    figures = [*of_date.figures, Figure("rows", "model", float(rows), rows), *session_figures(ctx)]
    ctx.metrics(figure_entries(figures))


if __name__ == "__main__":
    main(run)
