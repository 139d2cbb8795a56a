"""How widely an item was on display and in the mailer each day, from the promo calendar."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.silver import PromoCalendar
from promo_spark.features.series.wanted import SERIES, of_series

_PERIOD = [PromoCalendar.start_date, PromoCalendar.end_date]


def with_promo_exposure(
    sales: DataFrame,
    calendar: DataFrame,
    products: DataFrame,
    wanted: DataFrame,
    *,
    as_of: datetime.date,
    levels: Sequence[str],
) -> DataFrame:
    """The series' days with display_share and mailer_share. PromoCalendar → the drivers of DailySales.

    Of a product: the share of the stores in the period's calendar that displayed it. Of a category: the
    mean of that share over its products in the calendar. Of a store: the share of its products in the
    calendar. 0 where the calendar covers the day but not the item; null where it does not cover the day, or
    not the store.

    The calendar is the largest table there is: its rows are counted per product and per store and period,
    and only the counts of wanted series are spread over days.
    """
    known = calendar.filter(F.col(PromoCalendar.start_date) < F.lit(as_of))
    per_store = _displays(known, PromoCalendar.store_id)
    stores = per_store.groupBy(*_PERIOD).agg(F.count("*").alias("stores"))
    counted = []
    if "store" in levels:
        counted.append(_per_series(per_store, products, wanted, ["store"]).withColumn("places", F.col("listed")))
    if of_products := [level for level in levels if level != "store"]:
        per_product = _displays(known, PromoCalendar.product_id).withColumn("listed", F.lit(1))
        per_item = _per_series(per_product, products, wanted, of_products).join(F.broadcast(stores), _PERIOD, "inner")
        counted.append(per_item.withColumn("places", F.col("listed") * F.col("stores")).drop("stores"))
    periods = counted[0] if len(counted) == 1 else counted[0].unionByName(counted[1])
    exposure = (
        _by_day(periods, as_of)
        .groupBy(*SERIES, DailySales.day)
        .agg(_share("displayed").alias(DailySales.display_share), _share("mailed").alias(DailySales.mailer_share))
    )
    # with its count, so that this is the frame joined above: without, the calendar would be scanned once more
    covered = _by_day(stores, as_of).groupBy(DailySales.day).agg(F.max("stores").alias("stores"))
    elsewhere = F.when((F.col("stores") > 0) & (F.col(DailySales.level) != "store"), 0.0)
    return (
        sales.join(exposure, [*SERIES, DailySales.day], "left")
        .join(F.broadcast(covered), DailySales.day, "left")
        .withColumns({c: F.coalesce(c, elsewhere) for c in (DailySales.display_share, DailySales.mailer_share)})
    )


def _displays(calendar: DataFrame, item: str) -> DataFrame:
    """One row per item and period: calendar rows, and those on display and in the mailer."""
    return calendar.groupBy(item, *_PERIOD).agg(
        F.count("*").alias("listed"),
        F.count(PromoCalendar.display).alias("displayed"),
        F.count(PromoCalendar.mailer).alias("mailed"),
    )


def _per_series(displays: DataFrame, products: DataFrame, wanted: DataFrame, levels: Sequence[str]) -> DataFrame:
    """One row per level, item and period."""
    counts = [F.sum(c).alias(c) for c in ("listed", "displayed", "mailed")]
    return of_series(displays, products, wanted, levels).groupBy(*SERIES, *_PERIOD).agg(*counts)


def _by_day(periods: DataFrame, as_of: datetime.date) -> DataFrame:
    """Each period once per day before the date."""
    last = F.least(F.col(PromoCalendar.end_date), F.date_sub(F.lit(as_of), 1))
    days = F.when(last >= F.col(PromoCalendar.start_date), F.sequence(PromoCalendar.start_date, last))
    return periods.select("*", F.explode(days).alias(DailySales.day))


def _share(counted: str) -> Column:
    return F.least(F.sum(counted) / F.sum("places"), F.lit(1.0))
