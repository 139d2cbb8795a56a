"""Decides who gets which offer for the date, and who gets none and why, within the budgets.

Scenarios propose candidates for every user who may be targeted; observed response says how often such an offer
is taken up; a greedy allocation by expected margin per cost picks offers under the daily budget, the budgets of
the mechanics and the most offers per user. A keyed-hash holdout gets nothing, nor
do users who may not be profiled: their `none` says so. All promises of
decisions.promotions are checked before anything is written.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules, Forecasts, Metrics, Recommendations, Segments
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions, Users
from promo_spark.decisions import eligibility, invariants, response, scenarios, users
from promo_spark.decisions import metrics as quality
from promo_spark.decisions import promotions as decided
from promo_spark.decisions.allocation import greedy as allocation
from promo_spark.decisions.offers import candidates, pricing, products
from promo_spark.decisions.scenarios import inputs as world
from promo_spark.measures.consent import unprofiled_users
from promo_spark.runtime.job import Context, Earlier, Everyone, job
from promo_spark.settings import PromoteSettings


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
    settings = ctx.settings
    judged = _settled(
        eligibility.verdicts(
            users.with_unprofiled(
                users.users_in_segments(ctx.read(UserProfile), ctx.read(Segments)),
                _unprofiled(ctx),
                date=ctx.date,
                timezone=ctx.business.timezone,
            ),
            unknown_consent=settings.unknown_consent,
            blocked_risk_tiers=settings.blocked_risk_tiers,
            holdout_share=settings.holdout_share,
            holdout_key=settings.holdout_key,
        )
    )
    here = _world(ctx, judged)

    ctx.say("observing how users responded so far")
    rates = _settled(_response(ctx, here, judged))

    ctx.say(f"proposing offers: {', '.join(settings.scenarios)}")
    valued = _settled(_valued(ctx, here, rates))

    ctx.say("allocating the budget")
    limits = _limits(settings)
    allocated = allocation.allocate(
        _settled(allocation.choices(valued)), limits=limits, max_offers=settings.max_offers_per_user
    )
    promotions = _settled(
        decided.promotions(
            valued,
            allocated.offers,
            judged,
            date=ctx.date,
            valid_to=here.valid_to,
            currency=ctx.business.currency,
            policy_version=settings.policy_version,
            run_id=ctx.run_id,
        )
    )
    budget = _settled(decided.budget(promotions, date=ctx.date, limits=limits, closed=allocated.closed))

    ctx.say("checking every promise of decisions.promotions")
    invariants.check_invariants(
        promotions,
        budget,
        judged,
        date=ctx.date,
        limits=limits,
        max_offers=settings.max_offers_per_user,
        unknown_consent=settings.unknown_consent,
        blocked_risk_tiers=settings.blocked_risk_tiers,
    )
    ctx.say("comparing with the same budget given in random order")
    shuffled = allocation.filled(
        _settled(allocation.choices(valued, by_ratio=False)), limits=limits, max_offers=settings.max_offers_per_user
    )
    ctx.metrics(
        quality.decision_metrics(promotions, budget, valued, rates, judged.filter(users.PROFILED))
        .unionByName(quality.expected_totals(valued, allocated.offers, "greedy"))
        .unionByName(quality.expected_totals(valued, shuffled.offers, "random_order"))
    )
    # The offers come last: where they stand, the budget they were given under stands too.
    ctx.write(Budget, budget)
    ctx.write(Promotions, promotions)


def _unprofiled(ctx: Context[PromoteSettings]) -> DataFrame:
    return unprofiled_users(ctx.read_everyone(Users), unknown_consent=ctx.business.privacy.unknown_profiling_consent)


def _world(ctx: Context[PromoteSettings], judged: DataFrame) -> world.World:
    settings = ctx.settings
    lines = ctx.read(OrderLines)
    return world.World(
        date=ctx.date,
        currency=ctx.business.currency,
        settings=settings,
        users=eligibility.eligible(judged),
        products=_settled(products.priced_products(ctx.read(ProductProfile), min_margin=settings.min_margin)),
        purchases=_settled(
            response.purchases(
                lines, date=ctx.date, window_days=settings.response_window_days, valid_days=settings.valid_days
            )
        ),
        recommendations=ctx.read(Recommendations),
        rules=ctx.read_optional(BasketRules),
        forecasts=ctx.read(Forecasts),
        welcomed=ctx.read_earlier(Promotions).filter(F.col(Promotions.scenario) == "new_user_welcome"),
    )


def _response(ctx: Context[PromoteSettings], here: world.World, judged: DataFrame) -> DataFrame:
    coupons = response.coupon_trials(
        ctx.read_optional(Contacts),
        ctx.read_optional(Campaigns),
        ctx.read_optional(Redemptions),
        date=ctx.date,
        window_days=ctx.settings.response_window_days,
    )
    return response.response_rates(
        coupons.unionByName(response.item_trials(here.purchases, here.products)),
        judged.filter(users.PROFILED),
        prior_strength=ctx.settings.response_prior_strength,
        unknown_response=ctx.settings.unknown_response,
    )


def _valued(ctx: Context[PromoteSettings], here: world.World, rates: DataFrame) -> DataFrame:
    proposed = candidates.best_per_scenario(
        scenarios.all_candidates(here, ctx.settings.scenarios), ctx.settings.candidates_per_scenario
    )
    in_segments = proposed.join(here.users.select("user_id", "segment_id"), "user_id", "inner")
    return candidates.valued(in_segments, rates.select("kind", "segment_id", "rate", "basis"), here.purchases, ctx.date)


def _settled(df: DataFrame) -> DataFrame:
    """The frame computed now, once, and cut off from how it came about.

    What was checked is then what is written. A persisted frame would do that too, but its whole plan stands in
    the plan of whatever uses it, twice at each use; through the six stages here, plans outgrow the driver.
    """
    return df.localCheckpoint(eager=True)


def _limits(settings: PromoteSettings) -> dict[str, int]:
    """Every constraint's limit in cents."""
    mechanics = {allocation.of_mechanic(m): pricing.cents(b) for m, b in settings.mechanic_budgets.items()}
    return {allocation.DAILY: pricing.cents(settings.daily_budget), **mechanics}
