"""The limits that offers fall under: budgets of the day and of mechanics, sums of amounts off baskets, and those of
funds and campaigns.

Each is a cap of its own: an offer has to fit into all that it falls under.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.silver import PromotionCalendar, PromotionFunds
from promo_spark.decisions.allocation.user_options import OptionUse
from promo_spark.measures.money import minor_per_unit, minor_units
from promo_spark.measures.offers_in_force import approved_offers
from promo_spark.settings.promote import PromoteSettings

DAILY = "daily"
_MECHANIC, _FACE, _FUND, _CAMPAIGN = "mechanic:", "face:", "fund:", "campaign:"


def of_mechanic(mechanic: str) -> str:
    """The constraint's name of a mechanic's budget.

    >>> of_mechanic("coupon")
    'mechanic:coupon'
    """
    return f"{_MECHANIC}{mechanic}"


def of_fund(fund_id: Column) -> Column:
    """The constraint's name of a fund's budget; null for no fund."""
    return F.concat(F.lit(_FUND), fund_id)


def of_campaign(campaign_id: Column) -> Column:
    """The constraint's name of a campaign's budget; null for no campaign."""
    return F.concat(F.lit(_CAMPAIGN), campaign_id)


def is_of_a_list(constraint: str) -> bool:
    """Whether a marketer's list has the constraint, and not the settings.

    >>> is_of_a_list("fund:f1"), is_of_a_list("campaign:c1"), is_of_a_list("mechanic:coupon")
    (True, True, False)
    """
    return constraint.startswith((_FUND, _CAMPAIGN))


def uses_of(
    mechanic: Column, cost: Column, *, off_basket: Column, fund_id: Column, fund_cost: Column, campaign_id: Column
) -> Column:
    """What an offer uses of each constraint that it falls under, as an array of OptionUse; amounts are as given.

    The shop's part counts against all but the fund's own budget, the fund's part against that alone. `off_basket`, what
    it takes off one basket and null for others, counts against the sum of such amounts.
    """
    used = (
        (F.lit(DAILY), cost),
        (F.concat(F.lit(_MECHANIC), mechanic), cost),
        (F.when(off_basket.isNotNull(), F.concat(F.lit(_FACE), mechanic)), off_basket),
        (of_fund(fund_id), fund_cost),
        (of_campaign(campaign_id), cost),
    )
    of_each = [
        F.when(name.isNotNull(), F.struct(name.alias(OptionUse.constraint), amount.alias(OptionUse.amount)))
        for name, amount in used
    ]
    return F.array_compact(F.array(*of_each))


def limits_in_minor_units(settings: PromoteSettings, digits: int) -> dict[str, int]:
    """Every limit of the settings in whole minor units of a currency with so many digits, by constraint."""
    budgets = {of_mechanic(m): minor_units(budget, digits) for m, budget in settings.mechanic_budgets.items()}
    faces = {f"{_FACE}{m}": minor_units(budget, digits) for m, budget in settings.face_budgets.items()}
    return {DAILY: minor_units(settings.daily_budget, digits), **budgets, **faces}


def limits_of_lists(funds: DataFrame, campaigns: DataFrame, earlier: DataFrame, digits: int) -> dict[str, int]:
    """What funds and campaigns with a budget have left, by constraint, in whole minor units.

    PromotionFunds and PromotionCalendar in force, Promotions of earlier dates. What those reserved is gone, whether
    they still hold or not, but for what nobody approved; where it is more than the list now allows, nothing is left.
    """
    rows = _budgets(funds, campaigns).collect()  # a row per fund and campaign with a budget
    if not rows:
        return {}  # earlier promotions need not be read
    spent = {name: Decimal(amount) for name, amount in _reserved(earlier, [row[0] for row in rows]).collect()}
    left = {name: max(budget - spent.get(name, Decimal(0)), Decimal(0)) for name, budget in rows}
    return {name: int((most * minor_per_unit(digits)).to_integral_value(ROUND_DOWN)) for name, most in left.items()}


def _budgets(funds: DataFrame, campaigns: DataFrame) -> DataFrame:
    """One row per fund and campaign with a budget: constraint, amount."""
    of_funds = funds.select(of_fund(F.col(PromotionFunds.fund_id)), PromotionFunds.budget)
    of_campaigns = campaigns.select(of_campaign(F.col(PromotionCalendar.campaign_id)), PromotionCalendar.budget)
    return of_funds.union(of_campaigns).filter(F.col(PromotionFunds.budget).isNotNull())


def _reserved(earlier: DataFrame, constraints: list[str]) -> DataFrame:
    """One row per constraint that earlier offers fell under: what they reserved. Promotions → constraint, amount."""
    return (
        approved_offers(earlier)
        .filter(F.coalesce(Promotions.fund_id, Promotions.campaign_id).isNotNull())
        .select(F.inline(uses_of_promotions()))
        .filter(F.col(OptionUse.constraint).isin(constraints))
        .groupBy(OptionUse.constraint)
        .agg(F.sum(OptionUse.amount))
    )


def uses_of_promotions() -> Column:
    """What an offer of decisions.promotions uses of each constraint, in currency, as an array of OptionUse."""
    return uses_of(
        F.col(Promotions.mechanic),
        F.col(Promotions.expected_cost),
        off_basket=F.col(Promotions.coupon_amount),
        fund_id=F.col(Promotions.fund_id),
        fund_cost=F.col(Promotions.fund_cost),
        campaign_id=F.col(Promotions.campaign_id),
    )
