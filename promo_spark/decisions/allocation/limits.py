"""The limits that offers fall under: budgets of the day, of mechanics and departments, sums of amounts off baskets,
what a group of users may have of the day's budget, budgets of funds and campaigns, and the stock of single products.

Each is a cap of its own: an offer has to fit into all that it falls under. Money is counted in minor units, stock in
thousandths of a piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.silver import PromotionCalendar, PromotionFunds
from promo_spark.decisions.allocation.user_options import OptionUse
from promo_spark.decisions.valuation import MILLI
from promo_spark.measures.money import minor_per_unit, minor_units
from promo_spark.measures.offers_in_force import approved_offers
from promo_spark.settings.promote import PromoteSettings

DAILY = "daily"
_MECHANIC, _FACE, _FUND, _CAMPAIGN = "mechanic:", "face:", "fund:", "campaign:"
_DEPARTMENT, _GROUP, _STOCK = "department:", "group:", "stock:"


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


def of_department(name: Column) -> Column:
    """The constraint's name of a department's budget; null for no department."""
    return F.concat(F.lit(_DEPARTMENT), name)


def of_group(attribute: str, value: Column) -> Column:
    """The constraint's name of the users who have a value of an attribute."""
    return F.concat(F.lit(f"{_GROUP}{attribute}="), value)


def of_stock(product_id: Column) -> Column:
    """The constraint's name of a product's stock."""
    return F.concat(F.lit(_STOCK), product_id)


def departments_of(constraints: Iterable[str]) -> list[str]:
    """The departments that have a budget.

    >>> departments_of(["daily", "department:TEA", "stock:TEA"])
    ['TEA']
    """
    return [name.removeprefix(_DEPARTMENT) for name in constraints if name.startswith(_DEPARTMENT)]


def attributes_of(constraints: Iterable[str]) -> list[str]:
    """The attributes of users by which there are limits of groups.

    >>> attributes_of(["daily", "group:region=North", "group:region=South = East"])
    ['region']
    """
    groups = (name.removeprefix(_GROUP) for name in constraints if is_of_a_group(name))
    return sorted({group.partition("=")[0] for group in groups})


def product_of(constraint: str) -> str | None:
    """The product whose stock the constraint is; None: it is money.

    >>> product_of("stock:p1"), product_of("daily")
    ('p1', None)
    """
    return constraint.removeprefix(_STOCK) if constraint.startswith(_STOCK) else None


def is_of_stock(constraint: str) -> bool:
    """Whether the constraint is the stock of a product."""
    return constraint.startswith(_STOCK)


def is_of_a_list(constraint: str) -> bool:
    """Whether the constraint is the budget of a fund or a campaign.

    >>> [name for name in ("fund:f", "campaign:c", "department:TEA", "mechanic:coupon") if is_of_a_list(name)]
    ['fund:f', 'campaign:c']
    """
    return constraint.startswith((_FUND, _CAMPAIGN))


def is_of_a_department(constraint: str) -> bool:
    """Whether the constraint is a department's budget."""
    return constraint.startswith(_DEPARTMENT)


def is_of_a_group(constraint: str) -> bool:
    """Whether the constraint is what a group of users may have."""
    return constraint.startswith(_GROUP)


def unit_of(constraint: str) -> str:
    """What decisions.budget states the constraint in.

    >>> unit_of("daily"), unit_of("stock:p1")
    ('currency', 'pieces')
    """
    return "pieces" if is_of_stock(constraint) else "currency"


def parts_of_unit(constraint: str, digits: int) -> int:
    """How many of the whole units in which the constraint is counted make one of what decisions.budget states.

    >>> parts_of_unit("daily", 2), parts_of_unit("stock:p1", 2)
    (100, 1000)
    """
    return MILLI if is_of_stock(constraint) else minor_per_unit(digits)


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
    of_each = [F.when(name.isNotNull(), _use(name, amount)) for name, amount in used]
    return F.array_compact(F.array(*of_each))


def uses_of_departments(departments: Column, cost: Column, constraints: Iterable[str]) -> Column:
    """What an offer uses of the budgets that its departments have, as an array of OptionUse.

    The whole cost counts against each of two departments: how it is shared between them is not known.
    """
    budgeted = F.filter(departments, lambda name: name.isin(departments_of(constraints)))
    return F.transform(budgeted, lambda name: _use(of_department(name), cost))


def uses_of_groups(groups: Column, cost: Column, constraints: Iterable[str]) -> Column:
    """What an offer uses of what the groups of its user may have, as an array of OptionUse."""
    named: Sequence[str] = [name for name in constraints if is_of_a_group(name)]
    return F.transform(F.filter(groups, lambda group: group.isin(named)), lambda group: _use(group, cost))


def uses_of_stock(product_ids: Column, units: Column, constraints: Iterable[str]) -> Column:
    """What an offer uses of the stock of its products, where that is a limit, as an array of OptionUse.

    `units`: of each product, in the same order.
    """
    named: Sequence[str] = [name for name in constraints if is_of_stock(name)]
    uses = F.transform(product_ids, lambda product_id, place: _use(of_stock(product_id), F.get(units, place)))
    return F.filter(uses, lambda use: use[OptionUse.constraint].isin(named))


def _use(constraint: Column, amount: Column) -> Column:
    return F.struct(constraint.alias(OptionUse.constraint), amount.alias(OptionUse.amount))


def limits_in_minor_units(settings: PromoteSettings, digits: int) -> dict[str, int]:
    """Every limit of the settings in whole minor units of a currency with so many digits, by constraint."""
    budgets = {of_mechanic(m): minor_units(budget, digits) for m, budget in settings.mechanic_budgets.items()}
    faces = {f"{_FACE}{m}": minor_units(budget, digits) for m, budget in settings.face_budgets.items()}
    departments = {
        f"{_DEPARTMENT}{d}": minor_units(budget, digits) for d, budget in settings.department_budgets.items()
    }
    return {DAILY: minor_units(settings.daily_budget, digits), **budgets, **faces, **departments}


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
