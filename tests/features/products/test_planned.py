"""How widely products are displayed and mailed in some days, from the calendar that a retailer plans by."""

from __future__ import annotations

import datetime

import numpy as np
from pyspark.sql import SparkSession

from promo_spark.contracts.silver import PromoCalendar
from promo_spark.features.labels.batches import Catalogue
from promo_spark.features.products.planned import Planned, planned_periods

MONDAY = datetime.date(2017, 12, 4)
DAY = (MONDAY - datetime.date(1970, 1, 1)).days


def placed(
    product: str, store: str, start: datetime.date, display: str | None, mailer: str | None
) -> dict[str, object]:
    week = {"start_date": start, "end_date": start + datetime.timedelta(6)}
    return {"product_id": product, "store_id": store, "display": display, "mailer": mailer, **week}


def test_shares_are_of_the_stores_of_the_period_and_of_the_days(spark: SparkSession) -> None:
    """Two stores plan the week: both display tea, one mails it; nut stands nowhere but in the week after."""
    after = MONDAY + datetime.timedelta(7)
    rows = [
        placed("tea", "s1", MONDAY, "A", "front"),
        placed("tea", "s2", MONDAY, "A", None),
        placed("nut", "s1", after, "A", None),
        placed("gone", "s1", after, "A", None),  # not in the catalogue
    ]
    until = MONDAY + datetime.timedelta(13)
    periods = planned_periods(PromoCalendar.frame(spark, rows).repartition(3), since=MONDAY, until=until)
    planned = Planned.of(periods, Catalogue.of({"nut": "dry", "tea": "drinks"}))
    assert planned.shares(DAY, DAY + 7).tolist() == [[0, 0], [1, 0.5]]
    assert planned.shares(DAY, DAY + 14).tolist() == [[0.5, 0], [0.5, 0.25]]  # each in one week of two
    assert np.isnan(planned.shares(DAY - 7, DAY)).all()  # nothing is known of the week before


def test_without_a_calendar_nobody_knows(spark: SparkSession) -> None:
    periods = planned_periods(PromoCalendar.frame(spark), since=MONDAY, until=MONDAY)
    assert np.isnan(Planned.of(periods, Catalogue.of({"tea": None})).shares(DAY, DAY + 7)).all()
