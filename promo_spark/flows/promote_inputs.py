"""What promote decides by: the tables, what is computed once, and the limits of the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import BasketRules
from promo_spark.contracts.policy import Policy
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
)
from promo_spark.contracts.supply import InventoryPlan
from promo_spark.decisions.allocation.limits import DAILY, limits_in_minor_units, limits_of_lists
from promo_spark.decisions.eligibility import eligible
from promo_spark.decisions.groups import group_limits
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.stock import StockLeft, stock_left
from promo_spark.measures.computed import computed
from promo_spark.measures.offers_in_force import offers_in_force
from promo_spark.runtime.job import Context, Earlier
from promo_spark.settings.promote import PromoteSettings

Ctx = Context[PromoteSettings]

# What offers follow from beside profiles, segments, recommendations and forecasts, where it is there.
DECIDED_BY = (
    BasketRules,
    Uplift,
    UpliftCurves,
    Propensity,
    ItemPropensity,
    Opportunities,
    Elasticity,
    Risk,
    InventoryPlan,
    ChannelConsents,
    Holidays,
    Events,
    OrderLines,
    PromotionExclusions,
    SegmentStrategies,
    PromotionFunds,
    PromotionCalendar,
    Policy,
    Earlier(Policy),
    Earlier(Promotions),
)


@dataclass(frozen=True)
class Today:
    """What is known within a date that is decided: offers of it that stay, Promotions; what is likely now, Propensity.

    `limits`: what is left of them, without stock, in minor units by constraint.
    """

    promotions: DataFrame
    propensity: DataFrame
    limits: Mapping[str, int]


def limits_of_the_day(
    ctx: Ctx, products: DataFrame, funds: DataFrame, campaigns: DataFrame, users: DataFrame
) -> dict[str, int]:
    """What the day's offers may reserve of each budget at most, in minor units, by constraint.

    ProductProfile, PromotionFunds and PromotionCalendar in force, UserEligibility. A campaign's budget lies within all
    others. Says which departments no product has: a typing error bounds nothing.
    """
    named = ctx.settings.department_budgets
    if named:
        of_named = products.filter(F.col(ProductProfile.department).isin(list(named)))
        there = {name for (name,) in of_named.select(ProductProfile.department).distinct().collect()}
        if missing := sorted(named.keys() - there):
            ctx.note(
                f"no product of features.product_profile has a department of promote.department_budgets: "
                f"{', '.join(missing)}. Nothing falls under it; names must be written as the products have them"
            )
    of_lists = limits_of_lists(funds, campaigns, ctx.read_earlier(Promotions), digits_of(ctx.business.currency))
    of_settings = limits_in_minor_units(ctx.settings, digits_of(ctx.business.currency))
    of_groups = group_limits(eligible(users), ctx.settings.group_shares, of_settings[DAILY])
    return of_settings | of_groups | of_lists


def limits_within_the_day(ctx: Ctx, today: Today, funds: DataFrame, campaigns: DataFrame) -> dict[str, int]:
    """What is left of the limits of the morning; nothing of funds and campaigns that were listed since.

    PromotionFunds and PromotionCalendar in force.
    """
    of_lists = limits_of_lists(funds, campaigns, ctx.read_earlier(Promotions), digits_of(ctx.business.currency))
    return {**dict.fromkeys(of_lists, 0), **today.limits}


def stock_of_the_day(ctx: Ctx, products: DataFrame, made: DataFrame | None = None) -> DataFrame:
    """One row per product whose stock is known; none where it is to bound nothing. OfferableProduct → StockLeft.

    `made`: offers of the date itself that are made already. Promotions.
    """
    share = ctx.settings.stock_share
    if not share or products.filter(F.col(OfferableProduct.on_hand).isNotNull()).isEmpty():
        return StockLeft.frame(ctx.spark)  # earlier promotions need not be read
    before = ctx.read_earlier(Promotions)
    made = before if made is None else before.unionByName(made)
    return computed(stock_left(products, offers_in_force(made, ctx.date), share))
