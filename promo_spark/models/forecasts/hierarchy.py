"""Which series are parts of which: products of a category, categories and stores of all that is sold.

Only products of most revenue have a series, and of stores those of most revenue. So what is left of a whole is a series
of its own: the other products of a category, whatever has no category, the other stores. With it the parts add up.
"""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.forecasts.series import OTHERS

_OTHERS = dict(zip(("product", "category", "store"), OTHERS, strict=True))
ALL = "all:all"
_DAILY, _FIRST = DailySales.columns(), "first_day"


class SeriesPart(Frame):
    """One row per series that is a part of another one."""

    series_id = _DAILY[DailySales.series_id]
    whole_id = Col(T.StringType(), "series_id of the whole", required=True)
    parts = Col(T.StringType(), "what it is cut into: products, categories or stores, by their level", required=True)


def series_parts(sales: DataFrame, products: DataFrame, *, as_of: datetime.date) -> DataFrame:
    """One row per series whose whole has a series too. DailySales, ProductProfile → SeriesPart.

    A product is a part of its category, categories and stores of all that is sold.
    """
    last = F.col(DailySales.day) == F.lit(as_of - datetime.timedelta(1))  # every series has it
    series = sales.filter(last).select(DailySales.series_id, DailySales.level, DailySales.item_id)
    of_product = products.select(F.col(ProductProfile.product_id).alias(DailySales.item_id), ProductProfile.category)
    level = F.col(DailySales.level)
    whole = F.when(level == "product", F.concat(F.lit("category:"), ProductProfile.category)).when(
        level.isin("category", "store"), F.lit(ALL)
    )
    parts = series.join(of_product, DailySales.item_id, "left").select(
        DailySales.series_id, whole.alias(SeriesPart.whole_id), level.alias(SeriesPart.parts)
    )
    wholes = series.select(F.col(DailySales.series_id).alias(SeriesPart.whole_id))
    return SeriesPart.shaped(parts.join(wholes, SeriesPart.whole_id, "left_semi"))


def with_others(sales: DataFrame, parts: DataFrame) -> DataFrame:
    """The same rows, and per whole those of what its parts leave. DailySales, SeriesPart → DailySales.

    Of the others nobody knows prices, displays and stock. They begin with their first sale; where the parts are all
    that the whole sells there are none.
    """
    of_parts = sales.join(F.broadcast(parts), DailySales.series_id)
    cut = parts.select(F.col(SeriesPart.whole_id).alias(DailySales.series_id), SeriesPart.parts).distinct()
    of_wholes = sales.join(F.broadcast(cut), DailySales.series_id)
    of = (SeriesPart.whole_id, SeriesPart.parts)
    whole = of_wholes.select(
        F.col(DailySales.series_id).alias(SeriesPart.whole_id),
        SeriesPart.parts,
        DailySales.day,
        DailySales.units,
        DailySales.revenue,
    )
    taken = of_parts.select(
        *of,
        DailySales.day,
        (-F.col(DailySales.units)).alias(DailySales.units),
        (-F.col(DailySales.revenue)).alias(DailySales.revenue),
    )
    left = (
        whole.unionByName(taken)
        .groupBy(*of, DailySales.day)
        .agg(*[F.sum(name).cast(_DAILY[name].type).alias(name) for name in (DailySales.units, DailySales.revenue)])
    )
    sold = F.when(F.col(DailySales.units) > 0, F.col(DailySales.day))
    left = left.withColumn(_FIRST, F.min(sold).over(Window.partitionBy(*of)))
    left = left.filter(F.col(DailySales.day) >= F.col(_FIRST))
    others = left.select(
        other_id().alias(DailySales.series_id),
        _other_level().alias(DailySales.level),
        _whole_item().alias(DailySales.item_id),
        DailySales.day,
        DailySales.units,
        DailySales.revenue,
    )
    return sales.unionByName(others, allowMissingColumns=True)


def with_other_parts(parts: DataFrame) -> DataFrame:
    """The same rows, and per whole one of what its parts leave. SeriesPart → SeriesPart.

    There is a row also where `with_others` finds nothing left.
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
