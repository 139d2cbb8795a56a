"""The limits that offers fall under: the daily budget, and a budget of each mechanic."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.decisions.allocation.user_options import OptionUse
from promo_spark.measures.money import minor_units
from promo_spark.settings.promote import PromoteSettings

DAILY = "daily"
_MECHANIC = "mechanic:"


def of_mechanic(mechanic: str) -> str:
    """The constraint's name of a mechanic's budget.

    >>> of_mechanic("coupon")
    'mechanic:coupon'
    """
    return f"{_MECHANIC}{mechanic}"


def constraints_of(mechanic: Column) -> Column:
    """The names of all constraints that an offer of the mechanic falls under, as an array."""
    return F.array(F.lit(DAILY), F.concat(F.lit(_MECHANIC), mechanic))


def uses_of(mechanic: Column, amount: Column) -> Column:
    """What an offer uses of each constraint that it falls under, as an array of OptionUse."""
    return F.transform(
        constraints_of(mechanic),
        lambda name: F.struct(name.alias(OptionUse.constraint), amount.cast("long").alias(OptionUse.amount)),
    )


def limits_in_minor_units(settings: PromoteSettings, digits: int) -> dict[str, int]:
    """Every constraint's limit in whole minor units of a currency with so many digits, by name."""
    budgets = {of_mechanic(m): minor_units(budget, digits) for m, budget in settings.mechanic_budgets.items()}
    return {DAILY: minor_units(settings.daily_budget, digits), **budgets}
