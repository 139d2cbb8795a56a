"""The steps of promote: users, response, candidates, allocation, decisions. Each frame is computed once."""

from __future__ import annotations

from pyspark.sql import DataFrame

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules, Forecasts, Recommendations, Segments
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions, Users
from promo_spark.decisions.allocation.greedy import Allocation, allocate, greedy_pass, user_choices
from promo_spark.decisions.allocation.limits import limits_in_minor_units
from promo_spark.decisions.eligibility import eligible, with_eligibility
from promo_spark.decisions.held import held_offers, with_held_offers
from promo_spark.decisions.invariants import check_invariants
from promo_spark.decisions.metrics import expected_totals
from promo_spark.decisions.offers.candidates import best_per_scenario
from promo_spark.decisions.offers.products import offerable_products
from promo_spark.decisions.promotions import Decision, budget, promotions
from promo_spark.decisions.response import coupon_trials, item_trials, purchases, response_rates
from promo_spark.decisions.scenarios import all_candidates
from promo_spark.decisions.scenarios.inputs import ScenarioInputs, last_valid_day
from promo_spark.decisions.users import daily_users, with_profile
from promo_spark.decisions.valuation import valued_candidates
from promo_spark.measures.consent import unprofiled_users
from promo_spark.runtime.job import Context
from promo_spark.settings.promote import PromoteSettings


def computed(df: DataFrame) -> DataFrame:
    """The frame computed now, once, without the plan that led to it.

    So what was checked is what is written. A persisted frame would do that too, but its whole plan stands in
    the plan of every frame that uses it, twice at each use; after the six steps here plans outgrow the driver.
    """
    return df.localCheckpoint(eager=True)


def users_of_the_day(ctx: Context[PromoteSettings]) -> DataFrame:
    """One row per user of the day. → UserEligibility."""
    users = daily_users(
        profiles=ctx.read(UserProfile),
        segments=ctx.read(Segments),
        unprofiled=unprofiled_users(
            ctx.read_everyone(Users), unknown_consent=ctx.business.privacy.unknown_profiling_consent
        ),
        date=ctx.date,
        timezone=ctx.business.timezone,
    )
    return computed(with_eligibility(users, ctx.settings))


def scenario_inputs(ctx: Context[PromoteSettings], users: DataFrame) -> ScenarioInputs:
    """What scenarios draw on. UserEligibility → ScenarioInputs."""
    settings = ctx.settings
    return ScenarioInputs(
        date=ctx.date,
        currency=ctx.business.currency,
        settings=settings,
        users=eligible(users),
        products=computed(
            offerable_products(ctx.read(ProductProfile), min_margin=settings.min_margin, digits=_digits(ctx))
        ),
        purchases=computed(purchases(ctx.read(OrderLines), date=ctx.date, settings=settings)),
        recommendations=ctx.read(Recommendations),
        rules=ctx.read_optional(BasketRules),
        forecasts=ctx.read(Forecasts),
        earlier_promotions=ctx.read_earlier(Promotions),
    )


def offers_that_hold(ctx: Context[PromoteSettings]) -> DataFrame:
    """One row per user with offers of earlier dates that still hold. → HeldOffers."""
    return computed(held_offers(ctx.read_earlier(Promotions), ctx.date))


def observed_response(ctx: Context[PromoteSettings], *, inputs: ScenarioInputs, users: DataFrame) -> DataFrame:
    """One row per kind of response and segment. UserEligibility → ResponseRate."""
    ctx.say("observing how users responded so far")
    coupons = coupon_trials(
        contacts=ctx.read_optional(Contacts),
        campaigns=ctx.read_optional(Campaigns),
        redemptions=ctx.read_optional(Redemptions),
        date=ctx.date,
        window_days=ctx.settings.response_window_days,
    )
    items = item_trials(inputs.purchases, inputs.products)
    return computed(response_rates(coupons.unionByName(items), with_profile(users), ctx.settings))


def proposed_offers(
    ctx: Context[PromoteSettings], *, inputs: ScenarioInputs, rates: DataFrame, held: DataFrame
) -> DataFrame:
    """One row per user and offer that could be made beside those held. ResponseRate, HeldOffers → ValuedCandidate."""
    settings = ctx.settings
    ctx.say(f"proposing offers: {', '.join(settings.scenarios)}")
    candidates = best_per_scenario(
        with_held_offers(all_candidates(inputs, settings.scenarios), held, max_offers=settings.max_offers_per_user),
        keep=settings.candidates_per_scenario,
    )
    return computed(
        valued_candidates(
            candidates,
            users=inputs.users,
            rates=rates,
            purchases=inputs.purchases,
            date=ctx.date,
            digits=inputs.digits,
        )
    )


def allocated_offers(ctx: Context[PromoteSettings], candidates: DataFrame) -> Allocation:
    """The offers under all limits. ValuedCandidate → AllocatedOffer."""
    ctx.say("allocating the budget")
    choices = computed(user_choices(candidates, digits=_digits(ctx)))
    return allocate(
        choices, limits=limits_in_minor_units(ctx.settings, _digits(ctx)), max_offers=ctx.settings.max_offers_per_user
    )


def decided(
    ctx: Context[PromoteSettings],
    *,
    users: DataFrame,
    candidates: DataFrame,
    held: DataFrame,
    allocation: Allocation,
) -> tuple[DataFrame, DataFrame]:
    """The day's promotions and what they reserve. UserEligibility, ValuedCandidate, HeldOffers → Promotions, Budget."""
    decision = Decision(
        date=ctx.date,
        valid_to=last_valid_day(ctx.date, ctx.settings),
        currency=ctx.business.currency,
        policy_version=ctx.settings.policy_version,
    )
    rows = computed(
        promotions(candidates=candidates, offers=allocation.offers, users=users, held=held, decision=decision)
    )
    limits = limits_in_minor_units(ctx.settings, _digits(ctx))
    return rows, computed(budget(rows, limits=limits, break_items=allocation.break_items, decision=decision))


def checked(
    ctx: Context[PromoteSettings], promotions: DataFrame, budget: DataFrame, *, users: DataFrame, held: DataFrame
) -> None:
    """Every promise of decisions.promotions, before anything is written. Raises InvariantError."""
    ctx.say("checking every promise of decisions.promotions")
    check_invariants(
        promotions, budget, users, held, date=ctx.date, settings=ctx.settings, currency=ctx.business.currency
    )


def totals_beside_random_order(
    ctx: Context[PromoteSettings], *, candidates: DataFrame, allocation: Allocation
) -> DataFrame:
    """Expected margin and cost of the allocation, and of the same limits filled in random order, as a baseline.

    ValuedCandidate → MetricRow.
    """
    ctx.say("comparing with the same budget given in random order")
    choices = computed(user_choices(candidates, digits=_digits(ctx), by_ratio=False))
    limits = limits_in_minor_units(ctx.settings, _digits(ctx))
    random = greedy_pass(choices, limits=limits, max_offers=ctx.settings.max_offers_per_user)
    return expected_totals(candidates, allocation.offers, order="greedy", digits=_digits(ctx)).unionByName(
        expected_totals(candidates, random.offers, order="random_order", digits=_digits(ctx))
    )


def _digits(ctx: Context[PromoteSettings]) -> int:
    """The digits of the currency after the decimal point."""
    return digits_of(ctx.business.currency)
