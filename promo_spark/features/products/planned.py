"""How widely each product is on display and in the mailer in some days: planned ones, and ones that are over."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import PromoCalendar
from promo_spark.features.labels.batches import Catalogue
from promo_spark.features.labels.histories import Floats, Ints
from promo_spark.features.series.promo_exposure import CalendarStores, PromoCount, displays
from promo_spark.measures.arrow_lists import in_one_piece

_FIRST = datetime.date(1970, 1, 1)


class PlannedPeriod(Frame):
    """One row per product and period of the promo calendar."""

    product_id = Col(T.StringType(), "the product", required=True)
    first = Col(T.IntegerType(), "first day of the period, counted from 1970-01-01", required=True)
    last = Col(T.IntegerType(), "its last day", required=True)
    display_share = Col(T.DoubleType(), "share of the calendar's stores that display it", unit="share", required=True)
    mailer_share = Col(T.DoubleType(), "share of them in whose mailer it stands", unit="share", required=True)


def planned_periods(calendar: DataFrame, *, since: datetime.date, until: datetime.date) -> DataFrame:
    """One row per product and period that touches the days. PromoCalendar → PlannedPeriod."""
    first, last = PromoCalendar.start_date, PromoCalendar.end_date
    touched = calendar.filter((F.col(first) <= F.lit(until)) & (F.col(last) >= F.lit(since)))
    stores = touched.groupBy(first, last).agg(F.count_distinct(PromoCalendar.store_id).alias(CalendarStores.stores))
    return (
        displays(touched, PromoCalendar.product_id)
        .join(F.broadcast(stores), [first, last])
        .select(
            PromoCalendar.product_id,
            F.date_diff(first, F.lit(_FIRST)).alias(PlannedPeriod.first),
            F.date_diff(last, F.lit(_FIRST)).alias(PlannedPeriod.last),
            (F.col(PromoCount.displayed) / F.col(CalendarStores.stores)).alias(PlannedPeriod.display_share),
            (F.col(PromoCount.mailed) / F.col(CalendarStores.stores)).alias(PlannedPeriod.mailer_share),
        )
    )


@dataclass(frozen=True)
class Planned:
    """Periods of products by number; no row: nobody plans anything, or no calendar is delivered."""

    product: Ints
    first: Ints
    last: Ints
    display: Floats
    mailer: Floats
    products: int

    @staticmethod
    def of(periods: DataFrame, catalogue: Catalogue) -> Planned:
        """PlannedPeriod → arrays on the driver, bounded by products × periods; in an order of their own."""
        rows = periods.toArrow()
        number = catalogue.numbers(in_one_piece(rows[PlannedPeriod.product_id]))
        first, last = (rows[c].to_numpy().astype(np.int64) for c in (PlannedPeriod.first, PlannedPeriod.last))
        display, mailer = (rows[c].to_numpy() for c in (PlannedPeriod.display_share, PlannedPeriod.mailer_share))
        order = np.lexsort((last, first, number))
        order = order[number[order] >= 0]
        products = len(catalogue.category)
        return Planned(number[order], first[order], last[order], display[order], mailer[order], products)

    @staticmethod
    def nothing(products: int) -> Planned:
        """Where no calendar is delivered."""
        none = np.zeros(0, np.int64)
        return Planned(none, none, none, np.zeros(0), np.zeros(0), products)

    def shares(self, first: int, end: int) -> Floats:
        """One row per product: the mean share of stores that display it, and that mail it, over days first to end − 1.

        NaN where nothing is planned for any product in the days: then nobody knows.

        >>> week = Planned(*(np.array([n]) for n in (1, 10, 16)), np.array([0.5]), np.array([1.0]), products=2)
        >>> week.shares(10, 24).tolist()  # the week is half of the days
        [[0.0, 0.0], [0.25, 0.5]]
        >>> week.shares(20, 30).tolist()
        [[nan, nan], [nan, nan]]
        """
        days = np.maximum(np.minimum(self.last + 1, end) - np.maximum(self.first, first), 0) / (end - first)
        if not days.any():
            return np.full((self.products, 2), np.nan)
        columns = [np.bincount(self.product, share * days, self.products) for share in (self.display, self.mailer)]
        return np.column_stack(columns)
