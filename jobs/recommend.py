"""Rank products for every user: silver.order_lines, features.* and models.segments → models.recommendations.

First each recommender is measured: fitted on all but the last `holdout_days`, asked what was bought in them
(models.metrics: als, blend, buy_again, popularity; `:new` of products not bought before; as the policy
`bought` would publish them). Then the best under the policy is fitted on everything and published. Users with
fewer than `min_orders` get what is popular in their segment, users without a segment what is popular. Users who
may not be profiled get nothing, and nothing is learnt from what they bought.
"""

from __future__ import annotations

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Metrics, Recommendations, Segments
from promo_spark.contracts.silver import Events, OrderLines
from promo_spark.flows.recommend import measured_figures, model_figures, published_figures, published_model
from promo_spark.measures.metric_rows import figure_rows
from promo_spark.models.recommenders.holdout import best_recommender
from promo_spark.models.recommenders.recommendations import recommendations, recommended_items
from promo_spark.models.recommenders.strengths import purchases
from promo_spark.runtime.job import Context, job, main
from promo_spark.settings.recommend import RecommendSettings


@job(
    reads=[OrderLines, UserProfile, ProductProfile, Segments],
    optional=[Events],
    writes=[Recommendations, Metrics],
    settings=RecommendSettings,
)
def run(ctx: Context[RecommendSettings]) -> None:
    settings = ctx.settings
    days = settings.history_days + settings.holdout_days
    bought = ctx.keep(purchases(ctx.read(OrderLines), before=ctx.date, days=days))
    ctx.say(f"measuring recommenders on the last {settings.holdout_days} days")
    measured = measured_figures(ctx, bought)
    best = best_recommender(measured, settings.bought)

    ctx.say(f"recommending by {best}")
    model = published_model(ctx, bought)
    entries = recommended_items(
        model.users, model.items, recommender=best, repeat_weight=settings.repeat_weight, top_n=settings.top_n
    )
    lists = recommendations(entries, model.catalogue, popular_days=settings.popular_days)
    rows = ctx.write(Recommendations, lists).rows
    figures = [*measured, *published_figures(measured, best, settings.bought), *model_figures(model, rows)]
    ctx.metrics(figure_rows(ctx.spark, figures))


if __name__ == "__main__":
    main(run)
