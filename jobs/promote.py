"""Decides who gets which offer for the date, and who gets none and why, within the budgets.

Scenarios propose candidates for every user who may be targeted; observed response says how often such an offer
is taken up; a greedy allocation by expected margin per cost picks offers under the daily budget, the budgets of
the mechanics and the most offers per user. An offer of an earlier date that still holds counts against that most, and
is not made again. A keyed-hash holdout gets nothing, nor do users who may not be
profiled: their `none` says so. All promises of decisions.promotions are checked before anything is written.
"""

from __future__ import annotations

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules, Forecasts, Metrics, Recommendations, Segments
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions, Users
from promo_spark.decisions.metrics import decision_metrics
from promo_spark.decisions.users import with_profile
from promo_spark.flows import promote as flow
from promo_spark.runtime.job import Context, Earlier, Everyone, job, main
from promo_spark.settings.promote import PromoteSettings


@job(
    reads=[UserProfile, ProductProfile, Segments, Recommendations, Forecasts, OrderLines],
    optional=[
        BasketRules,
        Campaigns,
        Contacts,
        Redemptions,
        Earlier(Promotions),
        Everyone(Users, why="whoever may not be profiled gets a `none` that says so"),
    ],
    writes=[Promotions, Budget, Metrics],
    settings=PromoteSettings,
)
def run(ctx: Context[PromoteSettings]) -> None:
    users = flow.users_of_the_day(ctx)
    inputs = flow.scenario_inputs(ctx, users)
    rates = flow.observed_response(ctx, inputs=inputs, users=users)
    held = flow.offers_that_hold(ctx)
    candidates = flow.proposed_offers(ctx, inputs=inputs, rates=rates, held=held)
    allocation = flow.allocated_offers(ctx, candidates)
    promotions, budget = flow.decided(ctx, users=users, candidates=candidates, held=held, allocation=allocation)
    flow.checked(ctx, promotions, budget, users=users, held=held)
    figures = decision_metrics(
        promotions=promotions, budget=budget, candidates=candidates, rates=rates, users=with_profile(users)
    )
    totals = flow.totals_beside_random_order(ctx, candidates=candidates, allocation=allocation)
    ctx.metrics(figures.unionByName(totals))
    # The offers come last: where they stand, the budget they were given under stands too.
    ctx.write_few(Budget, budget)
    ctx.write(Promotions, promotions)


if __name__ == "__main__":
    main(run)
