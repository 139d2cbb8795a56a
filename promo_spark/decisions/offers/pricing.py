"""Prices of offers, in exact decimals: half-up to the cent, never above list, never below the margin floor.

Depth, the share off, is a deterministic function of an eagerness between 0 and 1 (how deal-prone the user is,
or how far a product's forecast falls): least + eagerness × (greatest − least), in whole percents. Nothing is
random, and the list price is the same for everyone: an offer can only lower it.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import MONEY, RATE, Col, Frame


class PricedOffer(Frame):
    """One row per offer on products: the prices that `item_prices` starts from, and those that it adds."""

    list_price = Col(MONEY, "price of the products together before the offer", unit="currency", required=True)
    unit_cost = Col(MONEY, "cost of the products together", unit="currency", required=True)
    margin_floor = Col(MONEY, "lowest price that keeps the minimum margin", unit="currency", required=True)
    discount_rate = Col(RATE, "share off the list price", unit="share", required=True)
    offer_price = Col(MONEY, "price with the offer", unit="currency", required=True)


class ShopMargin(Frame):
    """One row: the margin of the whole shop at list prices."""

    margin_share = Col(RATE, "margin as a share of sales; null: no product has a price", unit="share")
    margin_is_assumed = Col(T.BooleanType(), "true: some cost in it follows from an assumed margin", required=True)


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


def item_prices(offers: DataFrame, *, eagerness: Column, bounds: tuple[float, float], min_margin: float) -> DataFrame:
    """Rows with list_price and unit_cost → the same with floor, rate and offer price, see PricedOffer.

    The depth shrinks to what the margin floor leaves, in whole percents. A row that cannot be given even the
    least depth, or whose price rounding leaves at the list price, is dropped.
    """
    floor, list_price = F.col(PricedOffer.margin_floor), F.col(PricedOffer.list_price)
    rate, offer_price = F.col(PricedOffer.discount_rate), F.col(PricedOffer.offer_price)
    room = (F.floor((list_price - floor) * 100 / list_price) / 100).cast(RATE)
    return (
        offers.withColumn(PricedOffer.margin_floor, margin_floor(F.col(PricedOffer.unit_cost), min_margin))
        .withColumn(PricedOffer.discount_rate, F.least(depth(eagerness, bounds), room))
        .withColumn(PricedOffer.offer_price, F.round(list_price * (1 - rate), 2).cast(MONEY))
        .filter((rate >= F.lit(Decimal(str(bounds[0])))) & (offer_price < list_price))
    )


def greatest_coupon_share(margin_share: Column, min_margin: float) -> Column:
    """The largest share of the minimum spend that a coupon may take off: 1 − (1 − margin) / (1 − min_margin).

    Zero where the margin itself is below the minimum.
    """
    share = 1 - (1 - margin_share) / F.lit(1 - Decimal(str(min_margin)))
    return F.greatest(share, F.lit(Decimal(0)))


def margin_of_shop(products: DataFrame) -> DataFrame:
    """One row. Products with units_28d, list_price, unit_cost and cost_is_assumed → ShopMargin.

    Products weigh by their units of the last 28 days, or equally where nothing sold.
    """
    list_price, unit_cost = F.col(ProductProfile.list_price), F.col(ProductProfile.unit_cost)
    weight = F.greatest(F.col(ProductProfile.units_28d), F.lit(Decimal(0)))
    sales, cost = F.sum(weight * list_price), F.sum(weight * unit_cost)
    unweighted = 1 - F.sum(unit_cost) / F.sum(list_price)
    return products.agg(
        F.coalesce(1 - cost / F.when(sales > 0, sales), unweighted).cast(RATE).alias(ShopMargin.margin_share),
        F.coalesce(F.bool_or(ProductProfile.cost_is_assumed), F.lit(False)).alias(ShopMargin.margin_is_assumed),
    )


def cents(amount: float) -> int:
    """An amount of the settings in whole cents; fractions of a cent are cut off, so that a budget never grows.

    >>> cents(0.29), cents(1.999), cents(500.0)
    (29, 199, 50000)
    """
    return int((Decimal(str(amount)) * 100).to_integral_value(ROUND_DOWN))


def exact_amount(amount: float) -> Column:
    """An amount of the settings as an exact decimal in whole cents."""
    return F.lit(Decimal(cents(amount)) / 100).cast(MONEY)
