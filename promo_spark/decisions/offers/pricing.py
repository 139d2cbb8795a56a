"""Prices of offers, in exact decimals and the currency's own digits: below what is charged now, never below the floor.

An offer can be made at several depths, its rungs: from the least to the greatest that the settings allow, step by step,
and the deepest that the margin floor leaves. What each would bring decides between them. Nothing is random, and the
price charged now (see ProductProfile.charged_price) is the same for everyone: an offer lowers it.
"""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import MONEY, RATE, Col, Frame
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.money import half_up, minor_per_unit, minor_units
from promo_spark.settings.promote import PromoteSettings


class Rung(Frame):
    """One depth of an offer: an entry of OfferTarget.rungs."""

    rate = Col(
        RATE,
        "share off what it applies to: the products together, or the minimum spend; of a gift its price as a share of "
        "the minimum spend, or of twice the price where that is more",
        required=True,
    )
    off = Col(MONEY, "amount off the same; of a gift its cost", unit="currency", required=True)


RUNG = Rung.struct()


class PricedOffer(Frame):
    """One row per offer on products: the prices that `with_item_rungs` starts from, and what it adds."""

    charged_price = Col(MONEY, "price of the products together that is charged now", unit="currency", required=True)
    unit_cost = Col(MONEY, "cost of the products together", unit="currency", required=True)
    margin_floor = Col(MONEY, "lowest price that keeps the minimum margin", unit="currency", required=True)
    rungs = Col(T.ArrayType(RUNG), "the depths at which it could be made, least first", required=True)


class BasketOffer(Frame):
    """One row per offer on a basket: what `with_basket_rungs` adds."""

    min_spend = Col(MONEY, "amount to spend before the offer counts", unit="currency", required=True)
    rungs = Col(T.ArrayType(RUNG), "the amounts that it could take off, least first", required=True)


class ShopMargin(Frame):
    """One row: the margin of the whole shop at the prices charged now."""

    margin_share = Col(RATE, "margin as a share of sales; null: no product has a price", unit="share")
    margin_is_assumed = Col(T.BooleanType(), "true: some cost in it follows from an assumed margin", required=True)


def margin_floor(unit_cost: Column, min_margin: float, digits: int) -> Column:
    """The lowest price of which min_margin still remains above cost: cost / (1 − min_margin), up to the minor unit."""
    keep = F.lit(1 - Decimal(str(min_margin)))
    return (F.ceil(unit_cost * minor_per_unit(digits) / keep) / minor_per_unit(digits)).cast(MONEY)


def depth(eagerness: Column, bounds: tuple[float, float]) -> Column:
    """Share off for an eagerness from 0 to 1 (null counts as 0), in whole percents within the bounds."""
    least, greatest = (Decimal(str(b)) for b in bounds)
    clipped = F.least(F.greatest(F.coalesce(eagerness, F.lit(0.0)), F.lit(0.0)), F.lit(1.0)).cast(RATE)
    percents = F.round(F.lit(least) + clipped * F.lit(greatest - least), 2)
    return F.least(F.greatest(percents, F.lit(least)), F.lit(greatest)).cast(RATE)


def depths_between(bounds: tuple[float, float], step: float) -> list[Decimal]:
    """The shares off from the least to the greatest.

    >>> [str(share) for share in depths_between((0.05, 0.18), 0.05)]
    ['0.05', '0.10', '0.15', '0.18']
    """
    least, greatest, by = Decimal(str(bounds[0])), Decimal(str(bounds[1])), Decimal(str(step))
    steps = int((greatest - least) / by)
    return sorted({least + by * n for n in range(steps + 1)} | {greatest})


def rungs(base: Column, *, most: Column, bounds: tuple[float, float], step: float, digits: int) -> Column:
    """The depths of an offer on an amount, as an array of Rung: those that take something off, up to `most`.

    `most` is the greatest share that may come off, and is a rung itself; where it is below the least depth there is
    none.
    """
    ladder = F.array(*[F.lit(share).cast(RATE) for share in depths_between(bounds, step)])
    least = F.lit(Decimal(str(bounds[0])))
    deepest = F.least(most, F.lit(Decimal(str(bounds[1])))).cast(RATE)
    shares = F.filter(
        F.array_distinct(F.concat(F.filter(ladder, lambda share: share < deepest), F.array(deepest))),
        lambda share: share >= least,
    )

    def rung(share: Column) -> Column:
        off = base - half_up(base * (1 - share), digits)
        return F.struct(share.cast(RATE).alias(Rung.rate), off.cast(MONEY).alias(Rung.off))

    return F.filter(F.transform(shares, rung), lambda one: one[Rung.off] > 0)


def with_item_rungs(
    offers: DataFrame,
    *,
    bounds: tuple[float, float],
    step: float,
    min_margin: float,
    digits: int,
    greatest: Column | None = None,
) -> DataFrame:
    """Rows with charged_price and unit_cost → the same with floor and rungs, see PricedOffer.

    The deepest rung shrinks to what the margin floor leaves, in whole percents, and to `greatest` where there is one.
    A row that cannot be given even the least depth, or whose price rounding leaves as it is now, is dropped.
    """
    floor, charged = F.col(PricedOffer.margin_floor), F.col(PricedOffer.charged_price)
    room = (F.floor((charged - floor) * 100 / charged) / 100).cast(RATE)
    most = room if greatest is None else F.least(room, greatest)
    return (
        offers.withColumn(PricedOffer.margin_floor, margin_floor(F.col(PricedOffer.unit_cost), min_margin, digits))
        .withColumn(PricedOffer.rungs, rungs(charged, most=most, bounds=bounds, step=step, digits=digits))
        .filter(F.size(PricedOffer.rungs) > 0)
    )


def with_basket_rungs(
    users: DataFrame,
    margin_share: Column,
    *,
    bounds: tuple[float, float],
    step: float,
    min_margin: float,
    stretch: float,
    most_amount: Decimal,
    digits: int,
) -> DataFrame:
    """Rows with basket_median → the same with min_spend and rungs: amounts off a basket that is larger than usual.

    The minimum spend is the user's median basket × `stretch`, up to the whole unit of currency, so that the offer
    stretches the basket. The amounts are shares of it, cut to what the shop's margin floor leaves and to `most_amount`.
    A row where the least share is more than that, and one without a basket, is dropped.
    """
    min_spend = stretched_basket(stretch, digits)
    room = F.floor(greatest_coupon_share(margin_share, min_margin) * 100) / 100
    most = F.least(room, F.floor(F.lit(most_amount) * 100 / min_spend) / 100)
    return (
        users.filter(F.col(DailyUser.basket_median) > 0)
        .withColumn(BasketOffer.min_spend, min_spend)
        .withColumn(BasketOffer.rungs, rungs(min_spend, most=most, bounds=bounds, step=step, digits=digits))
        .filter(F.size(BasketOffer.rungs) > 0)
    )


def stretched_basket(stretch: float, digits: int) -> Column:
    """The user's median basket × `stretch`, up to the whole unit of currency. Of DailyUser."""
    basket = half_up(F.col(DailyUser.basket_median).cast("decimal(18,6)"), digits)
    return F.ceil(basket * F.lit(Decimal(str(stretch)))).cast(MONEY)


def greatest_coupon_share(margin_share: Column, min_margin: float) -> Column:
    """The largest share of the minimum spend that a coupon may take off: 1 − (1 − margin) / (1 − min_margin).

    Zero where the margin itself is below the minimum.
    """
    share = 1 - (1 - margin_share) / F.lit(1 - Decimal(str(min_margin)))
    return F.greatest(share, F.lit(Decimal(0)))


def margin_of_shop(products: DataFrame) -> DataFrame:
    """One row. Products with units_28d, charged_price, unit_cost and cost_is_assumed → ShopMargin.

    Products weigh by their units of the last 28 days, or equally where nothing sold.
    """
    charged, unit_cost = F.col(ProductProfile.charged_price), F.col(ProductProfile.unit_cost)
    weight = F.greatest(F.col(ProductProfile.units_28d), F.lit(Decimal(0)))
    sales, cost = F.sum(weight * charged), F.sum(weight * unit_cost)
    unweighted = 1 - F.sum(unit_cost) / F.sum(charged)
    return products.agg(
        F.coalesce(1 - cost / F.when(sales > 0, sales), unweighted).cast(RATE).alias(ShopMargin.margin_share),
        F.coalesce(F.bool_or(ProductProfile.cost_is_assumed), F.lit(False)).alias(ShopMargin.margin_is_assumed),
    )


def most_basket_amount(settings: PromoteSettings, mechanic: str, digits: int) -> Decimal:
    """The most that one offer on a basket may take off, or give: a share of the smallest budget that it falls under.

    A budget reserves the expected cost, which is a small share of what such an offer may cost: without this bound a
    single use could cost more than the budget of the day.
    """
    budget = min(settings.daily_budget, settings.mechanic_budgets.get(mechanic, settings.daily_budget))
    share = Decimal(str(settings.coupon_max_budget_share))
    return Decimal(minor_units(float(Decimal(str(budget)) * share), digits)) / minor_per_unit(digits)
