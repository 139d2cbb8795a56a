"""Sales per day on a full calendar: what forecasts are made from."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.schema import Col, Frame
from promo_spark.features.series.promo_exposure import with_promo_exposure
from promo_spark.features.series.wanted import SERIES, of_series
from promo_spark.features.sold_days import SoldDay
from promo_spark.measures.ratios import ratio, share

_DAILY = DailySales.columns()


class SalesDay(Frame):
    """One row per series and day with order lines; days without any may be there, as DailySales has them."""

    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]
    day = _DAILY[DailySales.day]
    units = _DAILY[DailySales.units]
    revenue = _DAILY[DailySales.revenue]
    price = _DAILY[DailySales.price]
    discount_depth = _DAILY[DailySales.discount_depth]


class SalesSpan(Frame):
    """One row per series and day of sale, with the days up to the next one."""

    sale_day = Col(T.DateType(), "the day of sale", required=True)
    days = Col(T.ArrayType(T.DateType()), "that day and those after it without a sale", required=True)


def daily_sales(
    per_day: DataFrame,
    *,
    products: DataFrame,
    calendar: DataFrame,
    wanted: DataFrame,
    as_of: datetime.date,
    levels: Sequence[str],
) -> DataFrame:
    """One row per series and day, first sale to the day before `as_of`. SalesDay, PromoCalendar → DailySales.

    A day without lines has 0 units and revenue. The price is the mean paid per unit purchased that day, else that of
    the last such day, null before the first. There is no stock table, so `stock_out` is null (inventory row A06).
    `wanted` are the WantedSeries of the same levels; they are read twice: keep them.
    """
    sales = _on_full_calendar(per_day, as_of)
    return with_promo_exposure(sales, calendar, products, wanted, as_of=as_of, levels=levels).withColumns(
        {
            DailySales.series_id: F.concat_ws(":", *SERIES),
            DailySales.stock_out: F.lit(None).cast("boolean"),
        }
    )


def sales_days(
    by_product: DataFrame, by_store: DataFrame, products: DataFrame, wanted: DataFrame, levels: Sequence[str]
) -> DataFrame:
    """One row per wanted series and day with order lines. SoldDay of products and of stores → SalesDay.

    Units and revenue are net of returns and sum to those of the series' order lines.
    """
    sums = [c for c in SoldDay.columns() if c != SoldDay.order_date]
    of_products = [level for level in levels if level != "store"]
    sold = [of_series(by_product, products, wanted, of_products)] if of_products else []
    sold += [of_series(by_store, products, wanted, ["store"])] if "store" in levels else []
    rows = functools.reduce(DataFrame.union, [rows.select(*SERIES, SoldDay.order_date, *sums) for rows in sold])
    day = F.col(SoldDay.order_date).alias(SalesDay.day)
    summed = rows.groupBy(*SERIES, day).agg(*[F.sum(c).alias(c) for c in sums])
    price = ratio(F.col(SoldDay.bought_amount), F.col(SoldDay.bought_units))
    depth = share(F.col(SoldDay.discount), F.col(SoldDay.list_amount))
    return SalesDay.shaped(summed.withColumns({SalesDay.price: price, SalesDay.discount_depth: depth}))


def carried_days(sales: DataFrame, *, before: datetime.date) -> DataFrame:
    """One row per series and day before a day, of sales or not. DailySales of an earlier date → SalesDay."""
    return SalesDay.shaped(sales.filter(F.col(DailySales.day) < F.lit(before)))


def _on_full_calendar(per_day: DataFrame, as_of: datetime.date) -> DataFrame:
    """One row per series and day: each day of sale fills the days up to the next one.

    So the days between are made without a join, and the price is carried over days of sale only.
    """
    in_order = Window.partitionBy(*SERIES).orderBy(DailySales.day)
    until = F.coalesce(F.lead(DailySales.day).over(in_order), F.lit(as_of))
    spans = per_day.select(
        *SERIES,
        F.col(DailySales.day).alias(SalesSpan.sale_day),
        DailySales.units,
        DailySales.revenue,
        F.last(DailySales.price, ignorenulls=True).over(in_order).alias(DailySales.price),
        F.coalesce(DailySales.discount_depth, F.lit(0.0)).alias(DailySales.discount_depth),
        F.sequence(F.col(DailySales.day), F.date_sub(until, 1)).alias(SalesSpan.days),
    )
    on_sale_day = F.col(DailySales.day) == F.col(SalesSpan.sale_day)
    return spans.withColumn(DailySales.day, F.explode(SalesSpan.days)).withColumns(
        {
            c: F.when(on_sale_day, F.col(c)).otherwise(F.lit(0))
            for c in (DailySales.units, DailySales.revenue, DailySales.discount_depth)
        }
    )
