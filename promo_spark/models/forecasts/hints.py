"""What else may be wanted when something is forecast to sell more, by what is bought together: a rule of thumb."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.models import BasketRules, DemandHints, Forecasts
from promo_spark.contracts.schema import Col, Frame
from promo_spark.measures.exact_sums import EXACT, exact


class ExpectedSales(Frame):
    """One row per item that is forecast: what is forecast for some days, and what it sold in as many before."""

    level = Col(T.StringType(), "product, subcategory, category or store", required=True)
    item_id = Col(T.StringType(), "the item", required=True)
    forecast_units = Col(EXACT, "forecast from the date on", unit="units", required=True)
    sold_units = Col(EXACT, "sold before the date", unit="units", required=True)


_ITEM = (ExpectedSales.level, ExpectedSales.item_id)
_UNITS = (ExpectedSales.forecast_units, ExpectedSales.sold_units)


def expected_sales(
    forecasts: DataFrame, sales: DataFrame, products: DataFrame, *, as_of: datetime.date, days: int
) -> DataFrame:
    """One row per item that is forecast. Forecasts, DailySales, ProductProfile → ExpectedSales.

    A subcategory has no series of its own: it is the sum of those of its products that have one.
    """
    from_date = F.date_diff(Forecasts.day, F.lit(as_of))
    ahead = forecasts.filter(F.col(Forecasts.champion) & (from_date < days)).groupBy(*_ITEM)
    past = sales.filter(from_date.between(-days, -1)).groupBy(*_ITEM)
    of_series = (
        ahead.agg(F.sum(exact(Forecasts.units)).alias(ExpectedSales.forecast_units))
        .join(past.agg(F.sum(exact(DailySales.units)).alias(ExpectedSales.sold_units)), [*_ITEM], "left")
        .fillna(0, subset=[ExpectedSales.sold_units])
    )
    subcategory = products.select(
        F.col(ProductProfile.product_id).alias(ExpectedSales.item_id), ProductProfile.subcategory
    )
    of_subcategories = (
        of_series.filter(F.col(ExpectedSales.level) == "product")
        .join(subcategory.filter(F.col(ProductProfile.subcategory).isNotNull()), ExpectedSales.item_id, "inner")
        .groupBy(F.lit("subcategory").alias(ExpectedSales.level), F.col(ProductProfile.subcategory))
        .agg(*[F.sum(units).alias(units) for units in _UNITS])
        .withColumnRenamed(ProductProfile.subcategory, ExpectedSales.item_id)
    )
    return ExpectedSales.shaped(of_series.unionByName(of_subcategories))


def demand_hints(expected: DataFrame, rules: DataFrame, *, days: int) -> DataFrame:
    """One row per rule whose antecedent is forecast to sell more. ExpectedSales, BasketRules → DemandHints.

    Of rules with one item before the arrow, as no series tells of baskets with several, and a lift above 1.
    """
    of_one = (F.size(BasketRules.antecedent) == 1) & (F.size(BasketRules.consequent) == 1)
    hinting = rules.filter(of_one & (F.col(BasketRules.lift) > 1)).select(
        F.col(BasketRules.level).alias(DemandHints.level),
        F.get(BasketRules.antecedent, F.lit(0)).alias(DemandHints.antecedent),
        F.get(BasketRules.consequent, F.lit(0)).alias(DemandHints.item_id),
        F.col(BasketRules.confidence).alias(DemandHints.confidence),
    )
    rise = F.col(ExpectedSales.forecast_units) - F.col(ExpectedSales.sold_units)
    rising = expected.filter(rise > 0).withColumnRenamed(ExpectedSales.item_id, DemandHints.antecedent)
    return hinting.join(rising, [DemandHints.level, DemandHints.antecedent], "inner").withColumns(
        {
            DemandHints.hint_units: rise.cast("double") * F.col(DemandHints.confidence),
            DemandHints.days: F.lit(days),
            DemandHints.basis: F.lit("heuristic"),
            **{units: F.col(units).cast("double") for units in _UNITS},
        }
    )
