"""The steps of promote: users, what could be offered, its value, draws, allocation, decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Actions, Frontier, Promotions
from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules, Forecasts, Recommendations, Segments
from promo_spark.contracts.predictions import ItemPropensity, Opportunities, Propensity
from promo_spark.contracts.responses import Uplift, UpliftCurves
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.silver import (
    ChannelConsents,
    Events,
    Holidays,
    OrderLines,
    PromotionCalendar,
    PromotionExclusions,
    PromotionFunds,
    SegmentStrategies,
    Users,
)
from promo_spark.contracts.supply import InventoryPlan
from promo_spark.contracts.withheld import Withheld
from promo_spark.decisions.actions import closed_by_actions, said_before, with_status
from promo_spark.decisions.allocation.limits import (
    DAILY,
    parts_of_unit,
)
from promo_spark.decisions.allocation.policies import by_policy, policy
from promo_spark.decisions.allocation.prices import Allocation, allocated_by_prices
from promo_spark.decisions.budgets import budget, reserved_by_draws, with_bound
from promo_spark.decisions.channels import allowed_by_channel, sending_hours, with_channels
from promo_spark.decisions.eligibility import UserEligibility, eligible, exploring_users, is_eligible, with_eligibility
from promo_spark.decisions.exploration import Draw, drawable_offers, draws, with_arms_as_drawn
from promo_spark.decisions.groups import with_groups
from promo_spark.decisions.held import held_offers, with_held_offers
from promo_spark.decisions.invariants import check_invariants
from promo_spark.decisions.offers.campaigns import campaigns_in_force, with_campaigns
from promo_spark.decisions.offers.exclusions import excluded_products
from promo_spark.decisions.offers.funds import funds_in_force, product_funds, with_funds
from promo_spark.decisions.offers.products import lasting_products, offerable_products
from promo_spark.decisions.offers.strategies import user_strategies
from promo_spark.decisions.offers.targets import best_per_scenario
from promo_spark.decisions.options import user_options
from promo_spark.decisions.policy import InForce
from promo_spark.decisions.promotions import (
    Considered,
    Decision,
    HeldOutOffers,
    chosen_offers,
    explored,
    promotions,
)
from promo_spark.decisions.risk_gate import allowed_by_risk
from promo_spark.decisions.rooms import rooms, rooms_of_holders
from promo_spark.decisions.scenarios import all_targets, scenarios_with_funds_only
from promo_spark.decisions.scenarios.inputs import ScenarioInputs, last_valid_day, lines_of_late, shares_of_yesterday
from promo_spark.decisions.shoppers import shoppers
from promo_spark.decisions.stock import stock_limits
from promo_spark.decisions.users import daily_users
from promo_spark.decisions.valuation import MICRO, ValuedOffer, Valuing, could_be_chosen, curves_of, valued_offers
from promo_spark.decisions.withheld import as_promotions, held_and_withheld, is_held_out, withheld_offers
from promo_spark.flows.promote_inputs import (
    Ctx,
    Today,
    limits_of_the_day,
    limits_within_the_day,
    stock_of_the_day,
)
from promo_spark.installation import launcher
from promo_spark.measures.computed import computed
from promo_spark.measures.consent import unprofiled_users
from promo_spark.measures.money import minor_per_unit


@dataclass(frozen=True)
class Decided:
    """What is written: Promotions, Budget, Explored, Withheld, and rows of Frontier."""

    promotions: DataFrame
    budget: DataFrame
    explored: DataFrame
    withheld: DataFrame
    frontier: list[Mapping[str, Any]]


def users_of_the_day(ctx: Ctx) -> DataFrame:
    """One row per user of the day. → UserEligibility."""
    users = daily_users(
        profiles=ctx.read(UserProfile),
        segments=ctx.read(Segments),
        risk=ctx.read_optional(Risk),
        unprofiled=unprofiled_users(
            ctx.read_everyone(Users), unknown_consent=ctx.business.privacy.unknown_profiling_consent
        ),
        date=ctx.date,
        timezone=ctx.business.timezone,
    )
    reachable = with_channels(users, ctx.read_optional(ChannelConsents))
    exploring = exploring_users(ctx.read_earlier(Promotions), ctx.date, ctx.settings.valid_days)
    return computed(with_eligibility(reachable, ctx.settings, ctx.date, exploring))


def considered(
    ctx: Ctx,
    users: DataFrame,
    policy: InForce,
    everyone: DataFrame | None = None,
    *,
    with_held_out: bool = False,
    today: Today | None = None,
) -> Considered:
    """All that could be offered to users today, with what it would bring; and what explored users draw.

    UserEligibility. `policy`: the one whose settings the context has, see flows/policy.py. `everyone`: all users of the
    day, where `users` are some of them. `with_held_out`: also what those who are held out could be offered. `today`:
    the date is decided already, and these users are decided within it: what is left counts, and nothing is drawn.
    """
    settings = ctx.settings
    asked, earlier = eligible(users), ctx.read_earlier(Promotions)
    held = held_by_asked = computed(held_offers(earlier, ctx.date))
    if out := with_held_out and settings.holdout_share > 0:
        held_out = users.filter(is_held_out())
        withheld = as_promotions(ctx.read_earlier(Withheld), held_out)
        asked, earlier = users.filter(is_eligible() | is_held_out()), earlier.unionByName(withheld)
        held_by_asked = computed(held_and_withheld(held, held_offers(withheld, ctx.date), held_out))
    products = ctx.read(ProductProfile)
    excluded = excluded_products(
        products,
        ctx.read_optional(PromotionExclusions),
        date=ctx.date,
        valid_to=last_valid_day(ctx.date, settings),
    )
    lasting = lasting_products(products, ctx.read_optional(InventoryPlan), most_risk=settings.most_stock_out_risk)
    funds = funds_in_force(ctx.read_optional(PromotionFunds), ctx.date)
    campaigns = campaigns_in_force(ctx.read_optional(PromotionCalendar), ctx.date)
    everyone = users if everyone is None else everyone
    if today:
        budgets = limits_within_the_day(ctx, today, funds, campaigns)
    else:
        budgets = limits_of_the_day(ctx, products, funds, campaigns, everyone)
    inputs = ScenarioInputs(
        computed=computed,
        date=ctx.date,
        currency=ctx.business.currency,
        settings=settings,
        users=computed(asked),
        everyone=eligible(everyone),
        products=computed(offerable_products(lasting, excluded, min_margin=settings.min_margin, digits=_digits(ctx))),
        funds=computed(product_funds(products, funds)),
        item_propensity=ctx.read_optional(ItemPropensity),
        recommendations=ctx.read(Recommendations),
        rules=ctx.read_optional(BasketRules),
        forecasts=ctx.read(Forecasts),
        propensity=today.propensity if today else ctx.read_optional(Propensity),
        opportunities=ctx.read_optional(Opportunities),
        holidays=ctx.read_optional(Holidays),
        shares=shares_of_yesterday(ctx.read_optional(Events), ctx.date),
        order_lines=lines_of_late(ctx.read_optional(OrderLines), ctx.date, settings),
        earlier_promotions=earlier,
    )
    ctx.say(f"proposing offers: {', '.join(settings.scenarios)}")
    targets = allowed_by_channel(all_targets(inputs, settings.scenarios), inputs.users)
    allowed = allowed_by_risk(targets, inputs.users, no_coupon=settings.no_coupon_risk_tiers)
    proposed = with_held_offers(allowed, held_by_asked, max_offers=settings.max_offers_per_user)
    best = best_per_scenario(proposed, keep=settings.candidates_per_scenario)
    ways = with_funds(best, inputs.funds, ctx.date, only_with=scenarios_with_funds_only())
    if not campaigns.isEmpty():  # most days have none: then no user's segment has to be looked up
        ways = with_campaigns(ways, campaigns, inputs.users, products)
    targets = computed(ways)
    ctx.say("telling what each would bring")
    valued = valued_offers(
        targets,
        shoppers=shoppers(
            inputs.users,
            everyone=inputs.everyone,
            uplift=ctx.read_optional(Uplift),
            propensity=inputs.propensity,
            item_propensity=inputs.item_propensity,
            strategies=user_strategies(inputs.users, ctx.read_optional(SegmentStrategies)),
            margin=inputs.margin,
        ),
        elasticity=ctx.read_optional(Elasticity),
        curves=curves_of(ctx.read_optional(UpliftCurves)),
        by=Valuing(
            ctx.date,
            settings.valid_days,
            settings.least_gain,
            settings.usual_elasticity,
            _digits(ctx),
            settings.objective,
            policy,
        ),
    )
    stops = said_before(ctx.read_by_hand(Actions), ctx.date)
    if not today and not stops.isEmpty():  # on most days nobody said anything
        valued = closed_by_actions(valued, stops, ctx.date)
    every = computed(with_groups(valued, inputs.users, settings.group_shares))
    offers = computed(every.join(held_out, ValuedOffer.user_id, "left_anti")) if out else every
    room = computed(
        rooms(
            offers,
            users,
            held,
            max_offers=settings.max_offers_per_user,
            max_offers_of_ring=settings.max_offers_per_ring,
        )
    )
    held_out_offers = None
    if out:
        rooms_of_held_out = rooms_of_holders(held_by_asked, max_offers=settings.max_offers_per_user)
        held_out_offers = HeldOutOffers(every.join(held_out, ValuedOffer.user_id, "left_semi"), rooms_of_held_out)
    stock = stock_of_the_day(ctx, inputs.products, today.promotions if today else None)
    limits = budgets | limits_of_stock(ctx, offers, users, stock, budgets)
    drawn = Draw.frame(ctx.spark) if today else computed(explored_users(ctx, offers, users, room, limits))
    return Considered(
        targets=targets,
        offers=offers,
        users=with_arms_as_drawn(users, drawn),
        held=held,
        rooms=room,
        draws=drawn,
        excluded=excluded,
        products=inputs.products,
        stock=stock,
        limits=limits,
        policy=policy,
        held_out=held_out_offers,
    )


def limits_of_stock(
    ctx: Ctx, offers: DataFrame, users: DataFrame, stock: DataFrame, budgets: Mapping[str, int]
) -> dict[str, int]:
    """The products whose stock could be a limit of what may be chosen or drawn, in thousandths of a piece.

    ValuedOffer, UserEligibility, StockLeft.
    """
    if stock.isEmpty():
        return {}
    drawable = offers_to_draw_from(ctx, offers, users, budgets)
    return stock_limits(offers.filter(could_be_chosen()).unionByName(drawable), stock)


def offers_to_draw_from(ctx: Ctx, offers: DataFrame, users: DataFrame, limits: Mapping[str, int]) -> DataFrame:
    """The offers that explored users may draw. ValuedOffer, UserEligibility → ValuedOffer."""
    arm = eligible(users).filter(F.col(UserEligibility.arm) == "explore").select(UserEligibility.user_id)
    of_arm = offers.join(arm, UserEligibility.user_id, "left_semi")
    return drawable_offers(of_arm, limits, ctx.settings.explore_budget_share)


def explored_users(
    ctx: Ctx, offers: DataFrame, users: DataFrame, room: DataFrame, limits: Mapping[str, int]
) -> DataFrame:
    """One row per explored user. ValuedOffer, UserEligibility, Room → Draw."""
    settings = ctx.settings
    could_be_made = offers_to_draw_from(ctx, offers, users, limits)
    return draws(
        user_options(could_be_made, room, max_offers=settings.max_offers_per_user, digits=_digits(ctx), limits=limits),
        limits=limits,
        share=settings.explore_budget_share,
        key=settings.holdout_key,
        date=ctx.date,
    )


def allocated(ctx: Ctx, of: Considered) -> Allocation:
    """The offers of those who are not explored, under what explored users leave of all limits."""
    ctx.say("allocating the budget")
    settings = ctx.settings
    spent = reserved_by_draws(of, _digits(ctx))
    others = of.offers.join(of.draws, Draw.user_id, "left_anti")
    options = computed(options_of(ctx, others, of.rooms, of.limits))
    left = {name: limit - spent.get(name, 0) for name, limit in of.limits.items()}
    best = allocated_by_prices(options, left, sample_users=settings.sample_users, frontier_of=DAILY)
    chooses = policy(settings.policy)
    return best if chooses is None else by_policy(best, chooses(options, left), options, settings.policy)


def options_of(ctx: Ctx, offers: DataFrame, rooms: DataFrame, limits: Mapping[str, int]) -> DataFrame:
    """What users could be given where nothing is drawn for them. ValuedOffer, Room → UserOptions."""
    return user_options(
        offers.filter(could_be_chosen()),
        rooms,
        max_offers=ctx.settings.max_offers_per_user,
        digits=_digits(ctx),
        limits=limits,
        keep=ctx.settings.candidates_per_user,
    )


def decided(ctx: Ctx, of: Considered, allocation: Allocation) -> Decided:
    """The day's promotions, what they reserve, what was explored, and what other budgets would bring."""
    decision = decision_of_date(ctx)
    unit = minor_per_unit(_digits(ctx))
    rows = promotions_of(ctx, of, allocation.offers, decision)
    prices = {
        one.name: one.price * parts_of_unit(one.name, _digits(ctx)) / MICRO
        for one in allocation.limits
        if one.price > 0
    }
    budgets = budget(rows, of, prices=prices, decision=decision)
    bounded = with_bound(budgets, bound_micro=allocation.bound_micro, value_micro=allocation.value_micro)
    frontier: list[Mapping[str, Any]] = [
        {
            Frontier.daily_budget: Decimal(point.most) / unit,
            Frontier.incremental_margin: (Decimal(point.bound_micro) / MICRO).quantize(Decimal("0.01")),
            Frontier.dual_price: point.price * unit / MICRO,
        }
        for point in allocation.frontier(DAILY)
    ]
    return Decided(rows, computed(bounded), explored(of, decision), _withheld(ctx, of, allocation, decision), frontier)


def decision_of_date(ctx: Ctx) -> Decision:
    """What every row of the date carries."""
    hours = sending_hours(ctx.date, ctx.settings.quiet_hours, ctx.business.timezone) or (None, None)
    return Decision(
        date=ctx.date,
        currency=ctx.business.currency,
        policy_version=ctx.settings.policy_version,
        language=ctx.settings.language,
        code_key=ctx.settings.holdout_key,
        objective=ctx.settings.objective,
        send_from=hours[0],
        send_until=hours[1],
        status="proposed" if ctx.settings.approval == "required" else "active",
        explore_budget_share=ctx.settings.explore_budget_share,
    )


def promotions_of(ctx: Ctx, of: Considered, offers: DataFrame, decision: Decision) -> DataFrame:
    """The offers that are made, and `none` for the other users, with their status. AllocatedOffer → Promotions."""
    made = promotions(of, chosen_offers(offers, of.draws), decision)
    return computed(with_status(made, ctx.read_by_hand(Actions)))


def say_what_waits(ctx: Ctx, made: DataFrame) -> None:
    """Tells of offers that hold for nobody before somebody approves them. Promotions."""
    if ctx.settings.approval == "required" and (waiting := made.filter(F.col(Promotions.status) == "proposed").count()):
        ctx.note(
            f"{waiting:,} offers of {ctx.date} are proposed: they hold from when somebody has looked at them and runs "
            f"{launcher()} approve --date {ctx.date}"
        )


def _withheld(ctx: Ctx, of: Considered, allocation: Allocation, decision: Decision) -> DataFrame:
    """What users who are held out would be given at the allocation's prices. → Withheld.

    A policy of another package has no prices, so of it nothing is told.
    """
    if of.held_out is None or ctx.settings.policy != "prices":
        return Withheld.frame(ctx.spark)
    options = options_of(ctx, of.held_out.offers, of.held_out.rooms, of.limits)
    return withheld_offers(of, of.held_out, allocation.offers_beside(options), decision)


def checked(ctx: Ctx, decided: Decided, of: Considered) -> None:
    """Every promise of decisions.promotions, before anything is written. Raises InvariantError."""
    check_promises(ctx, decided.promotions, decided.budget, of)


def check_promises(ctx: Ctx, made: DataFrame, reserved: DataFrame, of: Considered) -> None:
    """The same of some rows, and what they reserve. Promotions, Budget."""
    ctx.say("checking every promise of decisions.promotions")
    check_invariants(
        made,
        reserved,
        of.users,
        of.held,
        of.excluded,
        of.products,
        of.stock,
        date=ctx.date,
        settings=ctx.settings,
        limits=of.limits,
        currency=ctx.business.currency,
        policy=of.policy,
    )


def _digits(ctx: Ctx) -> int:
    """The digits of the currency after the decimal point."""
    return digits_of(ctx.business.currency)
