"""Which kinds of products are about to sell more: what forecasts of products add up to, by what these are."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.supply import DemandTrends
from promo_spark.measures.best_rows import best_rows
from promo_spark.models.forecasts.hints import ExpectedSales

_WHAT = "what"


def demand_trends(expected: DataFrame, products: DataFrame, *, days: int) -> DataFrame:
    """One row per category, kind of attribute and value. ExpectedSales, ProductProfile → DemandTrends.

    Sums over products that are forecast, exact, so that values of which every product has one add up to the category.
    """
    tags = F.transform(F.coalesce(ProductProfile.tags, F.array().cast(T.ArrayType(T.StringType()))), _entry("tag"))
    of_product = [
        _entry(kind)(F.col(column))
        for kind, column in (
            ("category", ProductProfile.category),
            ("subcategory", ProductProfile.subcategory),
            ("brand", ProductProfile.brand),
        )
    ]
    attributes = products.filter(F.col(ProductProfile.category).isNotNull()).select(
        F.col(ProductProfile.product_id).alias(ExpectedSales.item_id),
        ProductProfile.category,
        F.explode(F.concat(F.array(*of_product), tags)).alias(_WHAT),
    )
    of = (DemandTrends.category, DemandTrends.attribute, DemandTrends.value)
    sums = (
        expected.filter(F.col(ExpectedSales.level) == "product")
        .join(attributes, ExpectedSales.item_id)
        .select(DemandTrends.category, f"{_WHAT}.*", ExpectedSales.forecast_units, ExpectedSales.sold_units)
        .filter(F.col(DemandTrends.value).isNotNull())
        .groupBy(*of)
        .agg(
            F.sum(ExpectedSales.forecast_units).alias(DemandTrends.forecast_units),
            F.sum(ExpectedSales.sold_units).alias(DemandTrends.sold_units),
            F.count("*").alias(DemandTrends.products),
        )
    )
    rise = F.col(DemandTrends.forecast_units) - F.col(DemandTrends.sold_units)
    ranked = best_rows(
        sums.withColumn(DemandTrends.rise_units, rise),
        of=[DemandTrends.category, DemandTrends.attribute],
        by=[F.desc(DemandTrends.rise_units), DemandTrends.value],
        keep=KEPT,
        place=DemandTrends.rank,
    )
    units = (DemandTrends.forecast_units, DemandTrends.sold_units, DemandTrends.rise_units)
    return ranked.withColumns({**{name: F.col(name).cast("double") for name in units}, DemandTrends.days: F.lit(days)})


KEPT = 100  # values of a kind in a category


def _entry(kind: str) -> Callable[[Column], Column]:
    return lambda value: F.struct(F.lit(kind).alias(DemandTrends.attribute), value.alias(DemandTrends.value))
