"""Sales per day on a full calendar: what forecasts are made from."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.schema import MONEY, QUANTITY, Col, Frame
from promo_spark.contracts.silver import OrderLines
from promo_spark.features.series.promo_exposure import with_promo_exposure
from promo_spark.features.series.wanted import SERIES, of_series
from promo_spark.measures.order_lines import lines_before, of_purchases, total_discount
from promo_spark.measures.ratios import ratio, share


class SalesSpan(Frame):
    """One row per series and day of sale, with the days up to the next one."""

    sale_day = Col(T.DateType(), "the day of sale", required=True)
    days = Col(T.ArrayType(T.DateType()), "that day and those after it without a sale", required=True)


def daily_sales(
    lines: DataFrame,
    *,
    products: DataFrame,
    calendar: DataFrame,
    wanted: DataFrame,
    as_of: datetime.date,
    levels: Sequence[str],
) -> DataFrame:
    """One row per series and day, first sale to the day before `as_of`. OrderLines, PromoCalendar → DailySales.

    Units and revenue are net of returns and sum to those of the series' order lines; a day without lines has
    0 of both. The price is the mean paid per unit purchased that day, else that of the last such day, null
    before the first. There is no stock table, so `stock_out` is null (inventory row A06). `wanted` are the
    WantedSeries of the same levels; they are read twice: keep them.
    """
    sold = of_series(lines_before(lines, as_of), products, wanted, levels)
    sales = _on_full_calendar(_per_day(sold), as_of)
    return with_promo_exposure(sales, calendar, products, wanted, as_of=as_of, levels=levels).withColumns(
        {
            DailySales.series_id: F.concat_ws(":", *SERIES),
            DailySales.stock_out: F.lit(None).cast("boolean"),
        }
    )


def _per_day(sold: DataFrame) -> DataFrame:
    """One row per series and day with order lines."""
    paid = F.sum(of_purchases(OrderLines.amount_paid))
    return sold.groupBy(*SERIES, F.col(OrderLines.order_date).alias(DailySales.day)).agg(
        F.sum(OrderLines.quantity).cast(QUANTITY).alias(DailySales.units),
        F.sum(OrderLines.amount_paid).cast(MONEY).alias(DailySales.revenue),
        ratio(paid, F.sum(of_purchases(OrderLines.quantity))).alias(DailySales.price),
        share(F.sum(of_purchases(total_discount())), F.sum(of_purchases(OrderLines.list_amount))).alias(
            DailySales.discount_depth
        ),
    )


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
