"""What was sold, announced and out of stock per product and week, from order lines, promo calendar and inventory."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.schema import MONEY, QUANTITY, Col, Frame
from promo_spark.contracts.silver import Inventory, OrderLines, PromoCalendar
from promo_spark.measures.order_lines import is_purchase
from promo_spark.models.elasticity.frames import ProductWeek

WEEK = 7
_TEXT = T.StringType()
_WEEK = T.IntegerType()
_KEY = [ProductWeek.product_id, ProductWeek.week]


@dataclass(frozen=True)
class Weeks:
    """The whole weeks that are looked at, the last of them over before the date."""

    first: datetime.date
    count: int

    @property
    def end(self) -> datetime.date:
        """The day after the last of them."""
        return self.first + datetime.timedelta(self.count * WEEK)

    def number(self, day: Column | str) -> Column:
        """The week of a day; below 0 or from `count` on: not one of them."""
        return F.floor(F.date_diff(day, F.lit(self.first)) / WEEK).cast(_WEEK)

    def holds(self, day: Column | str) -> Column:
        """Whether a day is in one of them."""
        of_day = F.col(day) if isinstance(day, str) else day
        return (of_day >= F.lit(self.first)) & (of_day < F.lit(self.end))


class SegmentUnits(Frame):
    """One row per product, week and segment."""

    product_id = Col(_TEXT, "the product", required=True)
    week = Col(_WEEK, "the week", required=True)
    segment_id = Col(T.IntegerType(), "the segment", required=True)
    units = Col(QUANTITY, "units bought by its users", unit="units", required=True)


class CalendarSums(Frame):
    """One row per product and period of the promo calendar."""

    displayed = Col(T.LongType(), "stores with a display", required=True)
    mailed = Col(T.LongType(), "stores in whose mailer it stood", required=True)
    depth = Col(T.DecimalType(38, 6), "sum over stores of the announced reduction", required=True)
    days = Col(T.IntegerType(), "days of the period in the week", required=True)


def weeks_before(date: datetime.date, *, weekday: int, most: int, first_sale: datetime.date | None) -> Weeks:
    """The whole weeks before a date that begin on a weekday (Monday is 0), from the first sale's week on.

    >>> weeks_before(datetime.date(2024, 6, 1), weekday=0, most=2, first_sale=None)
    Weeks(first=datetime.date(2024, 5, 13), count=2)
    >>> weeks_before(datetime.date(2024, 6, 1), weekday=0, most=9, first_sale=datetime.date(2024, 5, 22)).count
    1
    """
    last_end = date - datetime.timedelta((date.weekday() - weekday) % WEEK)
    count = most
    if first_sale is not None:
        count = max(min(most, -(-(last_end - first_sale).days // WEEK)), 0)
    return Weeks(last_end - datetime.timedelta(count * WEEK), count)


def first_weekday(calendar: DataFrame) -> int:
    """The weekday on which most periods of the promo calendar begin, Monday is 0; without a calendar Monday."""
    weekday = F.weekday(PromoCalendar.start_date)
    counts = calendar.groupBy(weekday.alias(CalendarSums.days)).count().collect()
    return min(((-row["count"], row[CalendarSums.days]) for row in counts), default=(0, 0))[1]


def product_weeks(
    lines: DataFrame,
    profiled: DataFrame,
    *,
    products: DataFrame,
    segments: DataFrame,
    calendar: DataFrame,
    inventory: DataFrame,
    weeks: Weeks,
) -> DataFrame:
    """One row per product and week with a sale, an announcement or a day without stock. → ProductWeek.

    `lines` are the OrderLines of everybody, `profiled` of those who may be profiled; ProductProfile, Segments,
    PromoCalendar and Inventory of the date. Returns do not count: they follow sales of other weeks. A product without
    any price, which so has no cost either, is left out.
    """
    joined = (
        _sold(lines, weeks)
        .join(_announced(calendar, weeks), _KEY, "outer")
        .join(_out_of_stock(inventory, weeks), _KEY, "outer")
        .join(_by_segment(profiled, segments, weeks), _KEY, "left")
    )
    category = F.coalesce(ProductProfile.category, ProductProfile.department, F.lit("unknown"))
    has_price = F.col(ProductProfile.first_sale).isNotNull() & F.col(ProductProfile.unit_cost).isNotNull()
    of_products = products.filter(has_price).select(
        ProductProfile.product_id,
        category.alias(ProductWeek.category),
        F.coalesce(ProductProfile.subcategory, category).alias(ProductWeek.competitors),
        F.col(ProductProfile.unit_cost).cast("double").alias(ProductWeek.unit_cost),
        ProductProfile.cost_is_assumed,
        F.date_diff(ProductProfile.first_sale, F.lit(weeks.first)).cast("long").alias(ProductWeek.first_day),
    )
    return ProductWeek.shaped(joined.join(of_products, ProductWeek.product_id))


def orders_by_day(lines: DataFrame, weeks: Weeks) -> DataFrame:
    """One row per day with purchases: day and orders. OrderLines → order_date, count."""
    bought = lines.filter(is_purchase() & weeks.holds(OrderLines.order_date))
    return bought.groupBy(OrderLines.order_date).agg(F.count_distinct(OrderLines.order_id).alias(ORDERS))


ORDERS = "orders"


def _sold(lines: DataFrame, weeks: Weeks) -> DataFrame:
    shelf = F.col(OrderLines.amount_paid) + F.col(OrderLines.discount_coupon_match)
    return (
        lines.filter(is_purchase() & weeks.holds(OrderLines.order_date))
        .groupBy(OrderLines.product_id, weeks.number(OrderLines.order_date).alias(ProductWeek.week))
        .agg(
            F.sum(OrderLines.quantity).cast("double").alias(ProductWeek.units),
            F.sum(OrderLines.list_amount).cast("double").alias(ProductWeek.listed),
            F.sum(shelf.cast(MONEY)).cast("double").alias(ProductWeek.shelf),
        )
    )


def _by_segment(profiled: DataFrame, segments: DataFrame, weeks: Weeks) -> DataFrame:
    summed = (
        profiled.filter(is_purchase() & weeks.holds(OrderLines.order_date))
        .join(segments.select(Segments.user_id, Segments.segment_id), OrderLines.user_id)
        .groupBy(
            OrderLines.product_id,
            weeks.number(OrderLines.order_date).alias(SegmentUnits.week),
            SegmentUnits.segment_id,
        )
        .agg(F.sum(OrderLines.quantity).cast("double").alias(SegmentUnits.units))
    )
    entries = F.sort_array(F.collect_list(F.struct(SegmentUnits.segment_id, SegmentUnits.units)))
    return summed.groupBy(*_KEY).agg(F.map_from_entries(entries).alias(ProductWeek.by_segment))


def _announced(calendar: DataFrame, weeks: Weeks) -> DataFrame:
    """Display, mailer and depth per product and week: shares of the calendar's stores and the week's days."""
    held = calendar.filter(
        (F.col(PromoCalendar.end_date) >= F.lit(weeks.first)) & (F.col(PromoCalendar.start_date) < F.lit(weeks.end))
    )
    stores = held.agg(F.count_distinct(PromoCalendar.store_id).alias(STORES))
    depth = F.coalesce(F.col(PromoCalendar.discount_depth), F.lit(0))
    periods = held.groupBy(PromoCalendar.product_id, PromoCalendar.start_date, PromoCalendar.end_date).agg(
        F.count(PromoCalendar.display).alias(CalendarSums.displayed),
        F.count(PromoCalendar.mailer).alias(CalendarSums.mailed),
        F.sum(depth).alias(CalendarSums.depth),
    )
    first, last = (
        F.greatest(weeks.number(PromoCalendar.start_date), F.lit(0)),
        F.least(weeks.number(PromoCalendar.end_date), F.lit(weeks.count - 1)),
    )
    begin = F.date_add(F.lit(weeks.first), F.col(ProductWeek.week) * WEEK)
    days = (
        F.date_diff(
            F.least(PromoCalendar.end_date, F.date_add(begin, WEEK - 1)), F.greatest(PromoCalendar.start_date, begin)
        )
        + 1
    )
    by_week = periods.withColumn(ProductWeek.week, F.explode(F.sequence(first, last))).withColumn(
        CalendarSums.days, days
    )
    places = F.max(STORES) * WEEK

    def share(count: str) -> Column:
        return (F.sum(F.col(count) * F.col(CalendarSums.days)) / places).cast("double")

    return (
        by_week.join(F.broadcast(stores))
        .groupBy(*_KEY)
        .agg(
            share(CalendarSums.displayed).alias(ProductWeek.display_share),
            share(CalendarSums.mailed).alias(ProductWeek.mailer_share),
            share(CalendarSums.depth).alias(ProductWeek.announced_depth),
        )
    )


STORES = "stores"


def _out_of_stock(inventory: DataFrame, weeks: Weeks) -> DataFrame:
    """Days on which all stores that tell of a product had none. A day of which nobody tells had some."""
    by_day = (
        inventory.filter(weeks.holds(Inventory.day))
        .groupBy(Inventory.product_id, Inventory.day)
        .agg(F.sum(Inventory.on_hand).alias(Inventory.on_hand))
        .filter(F.col(Inventory.on_hand) <= 0)
    )
    return by_day.groupBy(Inventory.product_id, weeks.number(Inventory.day).alias(ProductWeek.week)).agg(
        F.count("*").alias(ProductWeek.days_out)
    )
