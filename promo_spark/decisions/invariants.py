"""The promises of decisions.promotions, checked on the very frame that is about to be written.

Each rule is stated as its breach, over rows, users or constraints, and counted in one aggregation per kind, all of
them in one query; no rows come to the driver but one example key per broken rule.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable
from decimal import Decimal
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.policy import CLOSED, PAUSED
from promo_spark.contracts.schema import MONEY, Col, Frame, Personal
from promo_spark.decisions.breaches import RuleBreach, breaches, counted, fails
from promo_spark.decisions.budgets import ReservedBudget, reserved
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.held import HeldOffers
from promo_spark.decisions.mechanics import GIFT, OFF_BASKETS, ON_BASKETS
from promo_spark.decisions.offers.pricing import most_basket_amount
from promo_spark.decisions.offers.topics import WHOLE_SHOP
from promo_spark.decisions.policy import InForce, is_paused
from promo_spark.decisions.product_promises import of_excluded, of_gifts, of_prices, of_stock
from promo_spark.decisions.scenarios.inputs import last_valid_day
from promo_spark.errors import InvariantError
from promo_spark.measures.money import minor_per_unit
from promo_spark.settings.promote import PromoteSettings

AMOUNTS = tuple(name for name, column in Promotions.columns().items() if column.type == MONEY)

_PRODUCTS, _CHANNELS = "products", "channels"
_TEXTS = T.ArrayType(T.StringType())


class DecidedUser(Frame):
    """One row per user of the day or of decisions.promotions: what was decided beside what is true of the user."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    rows = Col(T.LongType(), "rows of the user", required=True)
    nones = Col(T.LongType(), "those without an offer", required=True)
    ranks = Col(T.ArrayType(T.LongType()), "their ranks, sorted; null: no rows")
    promotion_ids = Col(T.IntegerType(), "different promotions of the user", required=True)
    on_baskets = Col(T.LongType(), "offers on a basket", required=True)
    held_offers = Col(T.LongType(), "offers of earlier dates that the user still holds", required=True)
    held_ids = Col(T.IntegerType(), "different promotions that the user still holds", required=True)
    revoked = Col(T.LongType(), "promotions that the rows revoke", required=True)
    holds_on_basket = Col(T.BooleanType(), "whether one of those held is on a basket", required=True)
    repeated = Col(T.IntegerType(), "products that are offered or held in two offers", required=True)
    arms = Col(T.ArrayType(T.StringType()), "different arms of the rows; null: no rows")
    consent_marketing = Col(T.BooleanType(), "as in UserEligibility")
    profiled = Col(T.BooleanType(), "as in UserEligibility; null: no user of the day")
    reachable = Col(T.BooleanType(), "whether there is a channel that the user did not refuse", required=True)
    refused = Col(T.IntegerType(), "channels of the rows that the user refused", required=True)
    risk_tier = Col(T.StringType(), "as in UserEligibility")
    arm = Col(T.StringType(), "the arm that was drawn; null: no user of the day")


class ReservedAndStated(Frame):
    """One row per constraint of the budget: what it states beside what the promotions add up to."""

    constraint = Col(T.StringType(), "as in Budget", required=True)
    planned = Col(MONEY, "as in Budget", unit="as there", required=True)
    reserved = Col(MONEY, "as in Budget", unit="as there", required=True)
    offers = Col(T.LongType(), "as in Budget", required=True)
    reserved_by_offers = Col(MONEY, "what the offers add up to", unit="as in Budget", required=True)
    offers_counted = Col(T.LongType(), "number of offers", required=True)


def check_invariants(
    promotions: DataFrame,
    budget: DataFrame,
    users: DataFrame,
    held: DataFrame,
    excluded: DataFrame,
    products: DataFrame,
    stock: DataFrame,
    *,
    date: datetime.date,
    settings: PromoteSettings,
    limits: Collection[str],
    currency: str,
    policy: InForce,
) -> None:
    """Passes silently, or raises InvariantError with every broken rule, its rows and an example.

    Promotions, Budget, UserEligibility of all users of the day, HeldOffers, ExcludedProduct, OfferableProduct,
    StockLeft; `limits`: the constraints of the day; `settings`: those in force, by `policy`.
    """
    digits = digits_of(currency)
    key = F.concat_ws("/", Promotions.user_id, Promotions.promotion_id)
    found = [
        counted(promotions, row_rules(date, settings, digits, policy), key),
        counted(decided_users(promotions, users, held), user_rules(settings), F.col(DecidedUser.user_id)),
        counted(
            reserved_and_stated(promotions, budget, users, products, limits),
            budget_rules(),
            F.col(ReservedAndStated.constraint),
        ),
        _unstated(budget, limits),
        of_excluded(promotions, excluded, key),
        of_prices(promotions),
        of_gifts(promotions, products, settings, digits, key),
        of_stock(promotions, stock),
        of_rings(promotions, users, held, settings.max_offers_per_ring),
    ]
    broken = reduce(DataFrame.unionByName, found).filter(F.col(RuleBreach.rows) > 0).collect()  # one per rule
    if broken:
        told = "\n  ".join(f"{rule}: broken by {rows}, such as {example}" for rule, rows, example in broken)
        raise InvariantError(
            f"decisions.promotions for {date} would break its promises, so nothing was written:\n  {told}"
            "\nThis is a fault of the decisions, not of your data: please report it with these lines."
        )


def _unstated(budget: DataFrame, constraints: Iterable[str]) -> DataFrame:
    """One row: the constraints of the day of which the budget has no row. Budget → RuleBreach."""
    names = budget.sparkSession.createDataFrame([(name,) for name in constraints], f"{Budget.constraint} string")
    missing = names.join(budget, Budget.constraint, "left_anti")
    return breaches(missing, [("every constraint has a budget row", F.count("*"), F.min(Budget.constraint))])


def _is_a_number(pieces: Column) -> Column:
    return F.coalesce(pieces >= 0, F.lit(False))


def row_rules(date: datetime.date, settings: PromoteSettings, digits: int, policy: InForce) -> dict[str, Column]:
    """Breaches that one row shows."""
    col = F.col
    is_none = col(Promotions.scenario) == "none"
    with_products = ~is_none & (F.size(Promotions.product_ids) > 0)
    gift, coupon = col(Promotions.mechanic) == GIFT, col(Promotions.mechanic) == "coupon"
    on_products = with_products & ~gift
    off_basket = col(Promotions.mechanic).isin(list(OFF_BASKETS))
    units = col(Promotions.expected_units)
    charged, offer_price = col(Promotions.charged_price), col(Promotions.offer_price)
    price = F.round(charged * (1 - col(Promotions.discount_rate)), digits)
    ordered = (
        (col(Promotions.margin_floor) <= offer_price)
        & (offer_price < charged)
        & (charged <= col(Promotions.list_price))
    )
    least_gain = Decimal(str(settings.least_gain)) - Decimal(1) / (2 * minor_per_unit(digits))  # it is rounded
    has_digits = [F.coalesce(F.round(c, digits) == col(c), F.lit(True)) for c in AMOUNTS]
    most_amounts = {name: F.lit(most_basket_amount(settings, name, digits)) for name in OFF_BASKETS}
    within = [
        (col(Promotions.mechanic) == m) & (col(Promotions.coupon_amount) <= most) for m, most in most_amounts.items()
    ]
    takes_off = [
        col(c).isNotNull()
        for c in (
            Promotions.category,
            Promotions.discount_rate,
            Promotions.coupon_amount,
            Promotions.list_price,
            Promotions.charged_price,
            Promotions.offer_price,
            Promotions.margin_floor,
        )
    ]
    one_given = (
        (F.size(Promotions.product_ids) == 1) & (col(Promotions.min_spend) > 0) & ~reduce(Column.__or__, takes_off)
    )
    last_day = F.lit(last_valid_day(date, settings))
    dates = (col(Promotions.valid_from) >= col(Promotions.date)) & (
        col(Promotions.valid_to) >= col(Promotions.valid_from)
    )
    promises = (
        (col(Promotions.mechanic) != "none")
        | (F.size(Promotions.product_ids) > 0)
        | (col(Promotions.expected_cost) != 0)
        | (col(Promotions.expected_margin) != 0)
        | (F.coalesce(col(Promotions.incremental_margin), F.lit(0)) != 0)
        | (col(Promotions.text) != "")
        | col(Promotions.valid_from).isNotNull()
        | col(Promotions.coupon_amount).isNotNull()
        | col(Promotions.offer_price).isNotNull()
        | col(Promotions.fund_id).isNotNull()
        | col(Promotions.campaign_id).isNotNull()
    )
    paused, closed = (
        is_paused(policy, mechanic=col(Promotions.mechanic), scenario=col(Promotions.scenario), least=least)
        for least in (PAUSED, CLOSED)
    )
    empty_reason = F.exists(Promotions.reason_codes, lambda code: code.isNull() | (code == ""))
    return {
        "every row is of the date": fails(col(Promotions.date) == F.lit(date)),
        "margin floor ≤ price < charged price ≤ list price": on_products & fails(ordered),
        "the price is the charged price less the rate, half-up": on_products & fails(offer_price == price),
        f"amounts have at most {digits} digits after the point": ~reduce(Column.__and__, has_digits),
        "an amount off a basket is something, and less than the minimum spend": off_basket
        & fails((col(Promotions.coupon_amount) > 0) & (col(Promotions.coupon_amount) < col(Promotions.min_spend))),
        "an amount off a basket is at most promote.coupon_max_budget_share of its budget": off_basket
        & fails(reduce(Column.__or__, within)),
        "an offer is of products, off a basket or a gift, as its mechanic is": ~is_none & (with_products == off_basket),
        "a gift is one product with an order of a minimum spend, and takes nothing off": gift & fails(one_given),
        "an offer on products says how many pieces of each it is expected to sell, and no other does": F.when(
            with_products, fails((F.size(units) == F.size(Promotions.product_ids)) & F.forall(units, _is_a_number))
        ).otherwise(units.isNotNull()),
        "a coupon has a code, and nothing else has": coupon == col(Promotions.coupon_code).isNull(),
        "an offer holds promote.valid_days at most": ~is_none & fails(col(Promotions.valid_to) <= last_day),
        "an offer's dates are in order": ~is_none & fails(dates),
        "but for the explore arm an offer brings promote.least_gain": ~is_none
        & (col(Promotions.arm) != "explore")
        & fails(col(Promotions.objective_value) >= F.lit(least_gain)),
        "but for the explore arm and clearance no offer loses margin": ~is_none
        & (col(Promotions.arm) != "explore")
        & fails((col(Promotions.objective) == "clearance") | (col(Promotions.incremental_margin) >= 0)),
        "but for the explore arm an offer reserves at least the smallest amount": ~is_none
        & (col(Promotions.arm) != "explore")
        & fails(col(Promotions.expected_cost) + F.coalesce(Promotions.fund_cost, F.lit(0)) > 0),
        "a fund pays for offers with products only, and its part is known": (
            col(Promotions.fund_id).isNull() != col(Promotions.fund_cost).isNull()
        )
        | (col(Promotions.fund_id).isNotNull() & ~with_products),
        "an action's probability is a share above 0": fails(
            (col(Promotions.action_propensity) > 0) & (col(Promotions.action_propensity) <= 1)
        ),
        "an offer is a sentence without empty slots": ~is_none
        & fails((col(Promotions.text) != "") & ~col(Promotions.text).rlike(r"[{}]")),
        "an offer has a status, and none has none": is_none == col(Promotions.status).isNotNull(),
        "none promises nothing": is_none & F.coalesce(promises, F.lit(True)),
        "every row has a reason": fails((F.size(Promotions.reason_codes) > 0) & ~empty_reason),
        "what the policy in force pauses is given to explored users only, and what it closes to nobody": ~is_none
        & (closed | (paused & (col(Promotions.arm) != "explore"))),
        "nobody in the holdout gets an offer": (col(Promotions.arm) == "holdout") & ~is_none,
    }


def decided_users(promotions: DataFrame, users: DataFrame, held: DataFrame) -> DataFrame:
    """One row per user of the first two frames. Promotions, UserEligibility, HeldOffers → DecidedUser."""
    is_none = F.col(Promotions.scenario) == "none"
    products = F.flatten(F.collect_list(Promotions.product_ids))
    decided = promotions.groupBy(Promotions.user_id).agg(
        F.count("*").alias(DecidedUser.rows),
        F.count(F.when(is_none, 1)).alias(DecidedUser.nones),
        F.sort_array(F.collect_list(F.col(Promotions.rank).cast("long"))).alias(DecidedUser.ranks),
        F.size(F.collect_set(Promotions.promotion_id)).alias(DecidedUser.promotion_ids),
        F.count_if(F.col(Promotions.mechanic).isin(list(ON_BASKETS))).alias(DecidedUser.on_baskets),
        F.sum(_size(Promotions.revokes)).alias(DecidedUser.revoked),
        products.alias(_PRODUCTS),
        F.collect_set(Promotions.channel).alias(_CHANNELS),
        F.collect_set(Promotions.arm).alias(DecidedUser.arms),
    )
    drawn = users.select(
        UserEligibility.user_id,
        UserEligibility.consent_marketing,
        UserEligibility.profiled,
        UserEligibility.channel,
        UserEligibility.refused_channels,
        UserEligibility.risk_tier,
        UserEligibility.arm,
    )
    counts = [
        DecidedUser.rows,
        DecidedUser.nones,
        DecidedUser.promotion_ids,
        DecidedUser.on_baskets,
        DecidedUser.revoked,
    ]
    all_products = F.concat(*[F.coalesce(c, F.array().cast(_TEXTS)) for c in (_PRODUCTS, HeldOffers.held_products)])
    holds_on_basket = F.array_contains(HeldOffers.held_topics, WHOLE_SHOP)
    return DecidedUser.shaped(
        decided.join(drawn, DecidedUser.user_id, "full")
        .join(held, DecidedUser.user_id, "left")
        .na.fill(0, [*counts, DecidedUser.held_offers])
        .withColumns(
            {
                DecidedUser.reachable: F.col(UserEligibility.channel).isNotNull()
                | (_size(UserEligibility.refused_channels) == 0),
                DecidedUser.refused: _size(F.array_intersect(_CHANNELS, UserEligibility.refused_channels)),
                DecidedUser.held_ids: _size(HeldOffers.held_ids),
                DecidedUser.holds_on_basket: F.coalesce(holds_on_basket, F.lit(False)),
                DecidedUser.repeated: F.size(all_products) - F.size(F.array_distinct(all_products)),
            }
        )
    )


def _size(texts: str | Column) -> Column:
    """How many texts there are; 0 where null."""
    return F.size(F.coalesce(texts, F.array().cast(_TEXTS)))


def user_rules(settings: PromoteSettings) -> dict[str, Column]:
    """Breaches that the rows of one user show together, from DecidedUser."""
    rows, nones = F.col(DecidedUser.rows), F.col(DecidedUser.nones)
    offers, max_offers = rows - nones, settings.max_offers_per_user
    tier = F.col(DecidedUser.risk_tier)
    blocked, warned = (
        F.coalesce(tier.isin(list(tiers)), F.lit(False))
        for tiers in (settings.blocked_risk_tiers, settings.no_coupon_risk_tiers)
    )
    consents = F.coalesce(F.col(DecidedUser.consent_marketing), F.lit(settings.unknown_consent == "eligible"))
    profiled, arm = F.col(DecidedUser.profiled), F.col(DecidedUser.arm)
    one_to_last = F.sequence(F.lit(1).cast("long"), rows)
    one_set = ((nones == 0) & (offers > 0)) | ((nones == 1) & (offers == 0))
    return {
        "every user has exactly one decision set, offers or one none": ~one_set,
        "only users of the day are decided for": arm.isNull(),
        "ranks count from 1 without a gap": (rows > 0) & fails(F.col(DecidedUser.ranks) == one_to_last),
        f"nobody gets more than {max_offers} offers, those that still hold included": (offers > 0)
        & (offers + F.col(DecidedUser.held_offers) > max_offers),
        "a user's offers keep the margin floor together: one on a basket stands alone": (offers > 0)
        & (
            F.col(DecidedUser.holds_on_basket)
            | ((F.col(DecidedUser.on_baskets) > 0) & (offers + F.col(DecidedUser.held_offers) > 1))
        ),
        "a promotion is given to a user once": F.col(DecidedUser.promotion_ids) != rows,
        "a product is offered to a user once, those that still hold included": (offers > 0)
        & (F.col(DecidedUser.repeated) > 0),
        "whoever withdrew holds no offer any more, and nobody else's is revoked": (rows > 0)
        & fails(
            F.col(DecidedUser.revoked)
            == F.when(consents & F.coalesce(profiled, F.lit(True)) & F.col(DecidedUser.reachable), 0).otherwise(
                F.col(DecidedUser.held_ids)
            )
        ),
        "nobody without consent is targeted": ~consents & (offers > 0),
        "nobody is sent an offer by a channel that they refused, or by none": (offers > 0)
        & ((F.col(DecidedUser.refused) > 0) | ~F.col(DecidedUser.reachable)),
        "nobody without profile is targeted": ~F.coalesce(profiled, F.lit(True)) & (offers > 0),
        "a blocked risk tier gets nothing": blocked & (offers > 0),
        "a risk tier of promote.no_coupon_risk_tiers gets no offer on a basket": warned
        & (F.col(DecidedUser.on_baskets) > 0),
        "the arm is the one that was drawn": (rows > 0) & fails(F.col(DecidedUser.arms) == F.array(arm)),
    }


def of_rings(promotions: DataFrame, users: DataFrame, held: DataFrame, most: int) -> DataFrame:
    """One row: rings of linked accounts with too many offers.

    Promotions, UserEligibility, HeldOffers → RuleBreach.
    """
    ring, made, held_offers = UserEligibility.ring, "made", HeldOffers.held_offers
    offers = promotions.filter(F.col(Promotions.scenario) != "none").groupBy(Promotions.user_id)
    of_ring = (
        users.filter(F.col(ring).isNotNull())
        .select(UserEligibility.user_id, ring)
        .join(offers.agg(F.count("*").alias(made)), Promotions.user_id, "left")
        .join(held.select(HeldOffers.user_id, held_offers), HeldOffers.user_id, "left")
        .na.fill(0, [made, held_offers])
        .groupBy(ring)
        .agg(F.sum(made).alias(made), F.sum(held_offers).alias(held_offers))
    )
    too_many = (F.col(made) > 0) & (F.col(made) + F.col(held_offers) > most)
    rule = f"linked accounts get no more than {most} offers together, those that still hold included"
    return counted(of_ring, {rule: too_many}, F.concat(F.lit("ring "), F.col(ring).cast("string")))


def reserved_and_stated(
    promotions: DataFrame, budget: DataFrame, users: DataFrame, products: DataFrame, limits: Collection[str]
) -> DataFrame:
    """One row per constraint. Promotions, Budget, UserEligibility, OfferableProduct → ReservedAndStated."""
    sums = reserved(promotions, users, products, limits).select(
        ReservedBudget.constraint,
        F.col(ReservedBudget.reserved).alias(ReservedAndStated.reserved_by_offers),
        F.col(ReservedBudget.offers).alias(ReservedAndStated.offers_counted),
    )
    return ReservedAndStated.shaped(
        budget.join(sums, Budget.constraint, "left").withColumns(
            {
                column: F.coalesce(column, F.lit(0))
                for column in (ReservedAndStated.reserved_by_offers, ReservedAndStated.offers_counted)
            }
        )
    )


def budget_rules() -> dict[str, Column]:
    """Breaches that one constraint shows, from ReservedAndStated."""
    used, offers = F.col(ReservedAndStated.reserved_by_offers), F.col(ReservedAndStated.offers_counted)
    states_both = (used == F.col(Budget.reserved)) & (offers == F.col(Budget.offers))
    return {
        "no budget is exceeded": fails(used <= F.col(Budget.planned)),
        "a budget reserves the sum of its offers' costs, or of the pieces that they sell": fails(states_both),
    }
