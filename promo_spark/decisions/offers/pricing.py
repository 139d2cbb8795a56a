"""Prices of offers, in exact decimals: half-up to the cent, never above list, never below the margin floor.

Depth, the share off, is a deterministic function of an eagerness between 0 and 1 (how deal-prone the user is,
or how far a product's forecast falls): least + eagerness × (greatest − least), in whole percents. Nothing is
random, and the list price is the same for everyone: an offer can only lower it.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import MONEY, RATE


def margin_floor(unit_cost: Column, min_margin: float) -> Column:
    """The lowest price of which min_margin still remains above cost: cost / (1 − min_margin), up to the cent."""
    keep = F.lit(1 - Decimal(str(min_margin)))
    return (F.ceil(unit_cost * 100 / keep) / 100).cast(MONEY)


def depth(eagerness: Column, bounds: tuple[float, float]) -> Column:
    """Share off for an eagerness from 0 to 1 (null counts as 0), in whole percents within the bounds."""
    least, greatest = (Decimal(str(b)) for b in bounds)
    clipped = F.least(F.greatest(F.coalesce(eagerness, F.lit(0.0)), F.lit(0.0)), F.lit(1.0)).cast(RATE)
    percents = F.round(F.lit(least) + clipped * F.lit(greatest - least), 2)
    return F.least(F.greatest(percents, F.lit(least)), F.lit(greatest)).cast(RATE)


def item_prices(df: DataFrame, eagerness: Column, bounds: tuple[float, float], min_margin: float) -> DataFrame:
    """Rows with list_price and unit_cost → the same with floor, rate and offer price.

    The wanted depth shrinks to what the margin floor leaves, in whole percents; a row that cannot be given
    even the least depth, or where the cent swallows the discount, is dropped.
    """
    floor, listed = F.col("margin_floor"), F.col("list_price")
    room = (F.floor((listed - floor) * 100 / listed) / 100).cast(RATE)
    return (
        df.withColumn("margin_floor", margin_floor(F.col("unit_cost"), min_margin))
        .withColumn("discount_rate", F.least(depth(eagerness, bounds), room))
        .withColumn("offer_price", F.round(listed * (1 - F.col("discount_rate")), 2).cast(MONEY))
        .filter((F.col("discount_rate") >= F.lit(Decimal(str(bounds[0])))) & (F.col("offer_price") < listed))
    )


def greatest_coupon_share(margin_share: Column, min_margin: float) -> Column:
    """The largest share of the minimum spend that a coupon may take off: 1 − (1 − margin) / (1 − min_margin).

    Zero where the margin itself is below the minimum.
    """
    share = 1 - (1 - margin_share) / F.lit(1 - Decimal(str(min_margin)))
    return F.greatest(share, F.lit(Decimal(0)))


def margin_of_shop(products: DataFrame) -> DataFrame:
    """One row: margin_share of what the shop sells at list price, and whether any cost in it is assumed.

    Weighted by units of the last 28 days, or equally where nothing sold. Null share: no product has a price.
    """
    weight = F.greatest(F.col("units_28d"), F.lit(Decimal(0)))
    sold = F.sum(weight * F.col("list_price"))
    cost = F.sum(weight * F.col("unit_cost"))
    plain = 1 - F.sum("unit_cost") / F.sum("list_price")
    return products.agg(
        F.coalesce(1 - cost / F.when(sold > 0, sold), plain).cast(RATE).alias("margin_share"),
        F.coalesce(F.bool_or("cost_is_assumed"), F.lit(False)).alias("margin_is_assumed"),
    )


def cents(amount: float) -> int:
    """An amount of the settings in whole cents; what is below a cent is cut, so a budget never grows."""
    return int((Decimal(str(amount)) * 100).to_integral_value(ROUND_DOWN))
