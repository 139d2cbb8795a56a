"""How widely an item was on display and in the mailer each day, and how far reduced, from the promo calendar."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import PromoCalendar
from promo_spark.features.series.wanted import SERIES, of_series

_DAILY = DailySales.columns()
_LEVELS = ("product", "category", "store", "all")
DRIVERS = (DailySales.display_share, DailySales.mailer_share, DailySales.announced_depth)
_PERIOD = [PromoCalendar.start_date, PromoCalendar.end_date]


class PromoCount(Frame):
    """One row per item (a product, store or series) and period of the promo calendar, or per series and day."""

    listed = Col(T.LongType(), "rows of the calendar; of products: products", required=True)
    displayed = Col(T.LongType(), "of those, on display", required=True)
    mailed = Col(T.LongType(), "of those, in the mailer", required=True)
    reduced = Col(T.DecimalType(28, 6), "sum of their announced reductions; null: of none is one said", unit="share")
    places = Col(T.LongType(), "where it could have been displayed or mailed: what shares are of", required=True)


_COUNTS = PromoCount.columns()


class PlannedDay(Frame):
    """One row per series and day to come: how widely it will be shown; null where no plan says."""

    series_id = _DAILY[DailySales.series_id]
    day = _DAILY[DailySales.day]
    display_share = _DAILY[DailySales.display_share]
    mailer_share = _DAILY[DailySales.mailer_share]
    announced_depth = _DAILY[DailySales.announced_depth]


class CalendarStores(Frame):
    """One row per period of the promo calendar, or per day."""

    stores = Col(T.LongType(), "stores in the calendar", required=True)


def with_promo_exposure(
    sales: DataFrame,
    calendar: DataFrame,
    products: DataFrame,
    wanted: DataFrame,
    *,
    as_of: datetime.date,
    levels: Sequence[str],
) -> DataFrame:
    """The series' days with display_share, mailer_share and announced_depth. PromoCalendar → the drivers of DailySales.

    Of a product: the share of the stores in the period's calendar that displayed it. Of a category, and of all
    that is sold: the mean of that share over its products in the calendar. Of a store: the share of its products in
    the calendar. 0 where the calendar covers the day but not the item; null where it does not cover the day, or
    not the store. Reductions are told as shares of list price, and averaged as displays are counted.

    The calendar is the largest table there is: its rows are counted per product and per store and period,
    and only the counts of wanted series are spread over days.
    """
    past = calendar.filter(F.col(PromoCalendar.start_date) < F.lit(as_of))
    per_store = displays(past, PromoCalendar.store_id)
    stores = per_store.groupBy(*_PERIOD).agg(F.count("*").alias(CalendarStores.stores))
    counts = []
    if "store" in levels:
        of_stores = _per_series(per_store, products, wanted, ["store"])
        counts.append(of_stores.withColumn(PromoCount.places, F.col(PromoCount.listed)))
    if of_products := [level for level in levels if level != "store"]:
        per_product = displays(past, PromoCalendar.product_id).withColumn(PromoCount.listed, F.lit(1))
        per_item = _per_series(per_product, products, wanted, of_products).join(F.broadcast(stores), _PERIOD, "inner")
        places = F.col(PromoCount.listed) * F.col(CalendarStores.stores)
        counts.append(per_item.withColumn(PromoCount.places, places).drop(CalendarStores.stores))
    periods = counts[0] if len(counts) == 1 else counts[0].unionByName(counts[1])
    exposure = (
        _by_day(periods, as_of)
        .groupBy(*SERIES, DailySales.day)
        .agg(
            _share_of_places(PromoCount.displayed).alias(DailySales.display_share),
            _share_of_places(PromoCount.mailed).alias(DailySales.mailer_share),
            _share_of_places(PromoCount.reduced).alias(DailySales.announced_depth),
        )
    )
    # with its count, so that this is the frame joined above: without, the calendar would be scanned once more
    most_stores = F.max(CalendarStores.stores).alias(CalendarStores.stores)
    covered = _by_day(stores, as_of).groupBy(DailySales.day).agg(most_stores)
    not_listed = F.when((F.col(CalendarStores.stores) > 0) & (F.col(DailySales.level) != "store"), 0.0)
    return (
        sales.join(exposure, [*SERIES, DailySales.day], "left")
        .join(F.broadcast(covered), DailySales.day, "left")
        .withColumns({c: F.coalesce(c, not_listed) for c in DRIVERS})
    )


def planned_exposure(
    sales: DataFrame, calendar: DataFrame, products: DataFrame, *, as_of: datetime.date, days: int
) -> DataFrame:
    """One row per series and day to come, `as_of` being the first. DailySales, PromoCalendar → PlannedDay.

    `products`: any frame with product_id and category. Shares are told as those of the past are.
    """
    wanted = sales.select(DailySales.series_id, *SERIES).distinct()
    until = as_of + datetime.timedelta(days)
    to_come = F.explode(F.sequence(F.lit(as_of), F.lit(until - datetime.timedelta(1)))).alias(PlannedDay.day)
    coming = calendar.filter(F.col(PromoCalendar.end_date) >= F.lit(as_of))
    planned = with_promo_exposure(
        wanted.select("*", to_come), coming, products, wanted.select(*SERIES), as_of=until, levels=_LEVELS
    )
    return PlannedDay.shaped(planned)


def displays(calendar: DataFrame, item: str) -> DataFrame:
    """One row per item and period: calendar rows, and those on display and in the mailer."""
    return calendar.groupBy(item, *_PERIOD).agg(
        F.count("*").alias(PromoCount.listed),
        F.count(PromoCalendar.display).alias(PromoCount.displayed),
        F.count(PromoCalendar.mailer).alias(PromoCount.mailed),
        F.sum(PromoCalendar.discount_depth).cast(_COUNTS[PromoCount.reduced].type).alias(PromoCount.reduced),
    )


def _per_series(displays: DataFrame, products: DataFrame, wanted: DataFrame, levels: Sequence[str]) -> DataFrame:
    """One row per level, item and period."""
    columns = (PromoCount.listed, PromoCount.displayed, PromoCount.mailed, PromoCount.reduced)
    counts = [F.sum(c).cast(_COUNTS[c].type).alias(c) for c in columns]
    return of_series(displays, products, wanted, levels).groupBy(*SERIES, *_PERIOD).agg(*counts)


def _by_day(periods: DataFrame, as_of: datetime.date) -> DataFrame:
    """Each period once per day before the date."""
    last = F.least(F.col(PromoCalendar.end_date), F.date_sub(F.lit(as_of), 1))
    days = F.when(last >= F.col(PromoCalendar.start_date), F.sequence(PromoCalendar.start_date, last))
    return periods.select("*", F.explode(days).alias(DailySales.day))


def _share_of_places(count: str) -> Column:
    of_places = F.coalesce(F.sum(count).cast("double"), F.lit(0.0)) / F.sum(PromoCount.places)
    return F.least(of_places, F.lit(1.0))
