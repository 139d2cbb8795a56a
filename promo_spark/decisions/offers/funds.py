"""Supplier money: funds that pay a share of what offers on their products give.

An offer takes one fund at most: of those that name all its products and last as long as it holds, the one that pays the
largest share, and of equals the first by fund_id. Where that fund has a budget, the same offer competes without it too,
so that it can still be made with the shop's own money when the fund is used up.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import PromotionFunds
from promo_spark.decisions.offers.names import entries_by_product, with_entries_of_all_products
from promo_spark.decisions.offers.targets import FUND, Fund, OfferTarget

_ORDER = "order"
_IN_ORDER = T.StructType([T.StructField(_ORDER, T.DecimalType(9, 6)), *FUND.fields])


class ProductFunds(Frame):
    """One row per product that a fund names."""

    product_id = Col(T.StringType(), "the product", required=True)
    funds = Col(T.ArrayType(_IN_ORDER), "its funds: the largest share first, then by fund_id", required=True)


def funds_in_force(funds: DataFrame, date: datetime.date) -> DataFrame:
    """The funds by which offers of the date may be paid. PromotionFunds → PromotionFunds."""
    begun = F.coalesce(F.col(PromotionFunds.start_date) <= F.lit(date), F.lit(True))
    return funds.filter(begun & F.coalesce(F.col(PromotionFunds.end_date) >= F.lit(date), F.lit(True)))


def product_funds(products: DataFrame, funds: DataFrame) -> DataFrame:
    """One row per product that a fund names. ProductProfile, PromotionFunds in force → ProductFunds."""
    entry = F.struct(
        (-F.col(PromotionFunds.cost_share)).alias(_ORDER),
        *[F.col(c) for c in (Fund.fund_id, Fund.partner, Fund.cost_share, Fund.end_date)],
        F.col(PromotionFunds.budget).isNotNull().alias(Fund.limited),
    ).cast(_IN_ORDER)
    return ProductFunds.shaped(entries_by_product(products, funds, entry, ProductFunds.funds))


def best_fund(funds: Column, last_day: Column) -> Column:
    """The fund that an offer until that day takes, as Fund; null: none. Of ProductFunds.funds."""
    lasting = F.filter(funds, lambda fund: F.coalesce(fund[Fund.end_date] >= last_day, F.lit(True)))
    best = F.get(lasting, F.lit(0))
    return F.when(best.isNotNull(), F.struct(*[best[c].alias(c) for c in Fund.columns()])).cast(FUND)


def with_funds(targets: DataFrame, funds: DataFrame, date: datetime.date, *, only_with: Sequence[str]) -> DataFrame:
    """One row per target and way to pay it: with its fund, and without. OfferTarget, ProductFunds → OfferTarget.

    Only without where no fund names all its products; only with where the fund has no budget, as nothing then speaks
    for the shop's own money. What a scenario of `only_with` proposes is dropped where there is no fund.
    """
    last_day = F.date_add(F.lit(date), F.col(OfferTarget.days) - 1)
    fund, nothing = F.col(_FUND), F.lit(None).cast(FUND)
    needs_fund = F.col(OfferTarget.scenario).isin(list(only_with))
    ways = (
        F.when(needs_fund | ~F.coalesce(fund[Fund.limited], F.lit(True)), F.array(fund))
        .when(fund.isNull(), F.array(nothing))
        .otherwise(F.array(fund, nothing))
    )
    return OfferTarget.shaped(
        with_entries_of_all_products(targets, funds, ProductFunds.funds)
        .withColumn(_FUND, best_fund(F.col(ProductFunds.funds), last_day))
        .filter(~needs_fund | F.col(_FUND).isNotNull())
        .withColumn(OfferTarget.fund, F.explode(ways))
    )


_FUND = "fund_of_products"
