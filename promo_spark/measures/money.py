"""Amounts of money in the digits of their currency: rounded, counted in minor units, written as text.

The minor unit is the smallest amount there is: a cent of a euro, one yen.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.schema import MONEY


def minor_per_unit(digits: int) -> int:
    """How many minor units make one unit of a currency with so many digits.

    >>> minor_per_unit(2), minor_per_unit(0)
    (100, 1)
    """
    return int(10**digits)


def half_up(amount: Column, digits: int) -> Column:
    """The amount to the nearest minor unit, half up."""
    return F.round(amount, digits).cast(MONEY)


def rounded_up(amount: Column, digits: int) -> Column:
    """The amount up to the next minor unit."""
    return (F.ceil(amount * minor_per_unit(digits)) / minor_per_unit(digits)).cast(MONEY)


def rounded_down(amount: Column, digits: int) -> Column:
    """The amount down to the last minor unit."""
    return (F.floor(amount * minor_per_unit(digits)) / minor_per_unit(digits)).cast(MONEY)


def minor_units(amount: float, digits: int) -> int:
    """An amount of the settings in minor units; fractions of one are cut off, so that a budget never grows.

    >>> minor_units(0.29, 2), minor_units(1.999, 2), minor_units(500.0, 0)
    (29, 199, 500)
    """
    return int((Decimal(str(amount)) * minor_per_unit(digits)).to_integral_value(ROUND_DOWN))


def exact_amount(amount: float, digits: int) -> Column:
    """An amount of the settings as an exact decimal in whole minor units."""
    return F.lit(Decimal(minor_units(amount, digits)) / minor_per_unit(digits)).cast(MONEY)


def of_minor_units(count: Column, digits: int) -> Column:
    """So many minor units as an amount."""
    return (count.cast("decimal(18,0)") / minor_per_unit(digits)).cast(MONEY)


def written(amount: Column, currency: str) -> Column:
    """An amount as people read it, in the currency's own digits, such as 3.99 USD or 765 JPY."""
    return F.concat(amount.cast(f"decimal(18,{digits_of(currency)})").cast("string"), F.lit(f" {currency}"))
