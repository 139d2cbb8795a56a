"""Which series are parts of which: products of a category, categories and stores of all that is sold.

Only products of most revenue have a series, and of stores those of most revenue. So what is left of a whole is a series
of its own: the other products of a category, whatever has no category, the other stores. With it the parts add up.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.schema import QUANTITY, Col, Frame
from promo_spark.models.forecasts.series import OTHERS, SalesSeries

_OTHERS = dict(zip(("product", "category", "store"), OTHERS, strict=True))
ALL = "all:all"
_DAILY, _SERIES = DailySales.columns(), SalesSeries.columns()
_TAKEN, _REVENUE, _LEFT, _FIRST = "taken", "revenue_taken", "left", "first"


class SeriesPart(Frame):
    """One row per series that is a part of another one."""

    series_id = _DAILY[DailySales.series_id]
    whole_id = Col(T.StringType(), "series_id of the whole", required=True)
    parts = Col(T.StringType(), "what it is cut into: products, categories or stores, by their level", required=True)


def series_parts(series: DataFrame, products: DataFrame) -> DataFrame:
    """One row per series whose whole has a series too. SalesSeries, ProductProfile → SeriesPart.

    A product is a part of its category, categories and stores of all that is sold.
    """
    of_product = products.select(F.col(ProductProfile.product_id).alias(SalesSeries.item_id), ProductProfile.category)
    level = F.col(SalesSeries.level)
    whole = F.when(level == "product", F.concat(F.lit("category:"), ProductProfile.category)).when(
        level.isin("category", "store"), F.lit(ALL)
    )
    names = series.select(SalesSeries.series_id, SalesSeries.level, SalesSeries.item_id)
    parts = names.join(of_product, SalesSeries.item_id, "left").select(
        SalesSeries.series_id, whole.alias(SeriesPart.whole_id), level.alias(SeriesPart.parts)
    )
    wholes = series.select(F.col(SalesSeries.series_id).alias(SeriesPart.whole_id))
    return SeriesPart.shaped(parts.join(F.broadcast(wholes), SeriesPart.whole_id, "left_semi"))


def other_series(series: DataFrame, parts: DataFrame) -> DataFrame:
    """One row per whole and what it is cut into: what its parts leave. SalesSeries, SeriesPart → SalesSeries.

    Where nothing is left there is no row. Of the others nobody knows prices, displays and stock. They begin with their
    first sale.
    """
    # days are counted back from yesterday, on which all series end
    taken = (
        series.join(F.broadcast(parts), SalesSeries.series_id)
        .groupBy(SeriesPart.whole_id, SeriesPart.parts)
        .agg(
            F.collect_list(F.reverse(SalesSeries.units)).alias(_TAKEN),
            F.sum(SalesSeries.revenue).alias(_REVENUE),
        )
    )
    whole = F.col(SalesSeries.units)
    none = F.transform(whole, lambda _: F.lit(0.0))
    sold = F.aggregate(_TAKEN, none, lambda sums, units: F.zip_with(sums, units, _added))
    units = F.reverse(F.zip_with(F.reverse(whole), sold, lambda of, part: F.round(of - part, QUANTITY.scale)))
    first = F.array_position(F.transform(units, lambda of: of > 0), True)  # from 1; 0: nothing is left
    joined = series.join(taken, F.col(SalesSeries.series_id) == F.col(SeriesPart.whole_id))
    of_days = joined.withColumn(_LEFT, units).withColumn(_FIRST, first.cast("int")).filter(F.col(_FIRST) > 0)
    known = {
        SalesSeries.series_id: other_id(),
        SalesSeries.level: _other_level(),
        SalesSeries.item_id: F.col(SalesSeries.item_id),
        SalesSeries.revenue: (F.col(SalesSeries.revenue) - F.col(_REVENUE)).cast(_SERIES[SalesSeries.revenue].type),
        SalesSeries.days_before: F.col(SalesSeries.days_before) + F.col(_FIRST) - 1,
        SalesSeries.units: F.slice(_LEFT, F.col(_FIRST), F.size(_LEFT)),
    }
    unknown = {name: F.lit(None).cast(of.type) for name, of in _SERIES.items() if name not in known}
    return of_days.select(*[column.alias(name) for name, column in (known | unknown).items()])


def _added(sums: Column, units: Column) -> Column:
    """A part is not older than its whole."""
    return sums + F.coalesce(units, F.lit(0.0))


def with_other_parts(parts: DataFrame) -> DataFrame:
    """The same rows, and per whole one of what its parts leave. SeriesPart → SeriesPart.

    There is a row also where `other_series` finds nothing left.
    """
    others = parts.select(SeriesPart.whole_id, SeriesPart.parts).distinct().withColumn(SeriesPart.series_id, other_id())
    return SeriesPart.shaped(parts.unionByName(others))


def other_id() -> Column:
    """series_id of what the parts of a SeriesPart's whole leave."""
    return F.concat_ws(":", _other_level(), _whole_item())


def _other_level() -> Column:
    level = F.lit(None).cast("string")
    for parts, others in _OTHERS.items():
        level = F.when(F.col(SeriesPart.parts) == parts, others).otherwise(level)
    return level


def _whole_item() -> Column:
    """The item of the whole: what follows the first colon."""
    return F.regexp_replace(SeriesPart.whole_id, "^[^:]*:", "")
