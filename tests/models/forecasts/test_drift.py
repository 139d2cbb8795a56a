"""Sales are compared with what was forecast for their day on the day itself."""

from __future__ import annotations

import datetime

from pyspark.sql import SparkSession

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import Forecasts
from promo_spark.models.forecasts.drift import Drift, drift

SUNDAY, MONDAY, TUESDAY = (datetime.date(2017, 11, day) for day in (5, 6, 7))


def test_only_the_first_day_ahead_of_champions_that_are_models_counts(spark: SparkSession) -> None:
    def row(as_of: datetime.date, series: str, **more: object) -> dict[str, object]:
        interval = {"day": as_of, "champion": True, "profile": "regular", "lower_95": 2.0, "upper_95": 4.0}
        return {"as_of": as_of, "series_id": series, **interval, **more}

    forecasts = Forecasts.frame(
        spark,
        [
            row(MONDAY, "a"),  # 4 sold: at the end of the interval, so inside
            row(TUESDAY, "a", profile="intermittent"),  # 5 sold: outside
            row(MONDAY, "b", lower_95=0.0),  # one returned, none sold: as 0, inside
            row(MONDAY, "a", model="x", champion=False, upper_95=1.0),
            row(MONDAY, "a", day=TUESDAY, upper_95=9.0),  # two days ahead
            row(SUNDAY, "a"),  # before the fit
            row(MONDAY, "c", profile="dead"),
            row(MONDAY, "gone"),  # has no sales any more
        ],
    )
    sold = {("a", SUNDAY): 9, ("a", MONDAY): 4, ("a", TUESDAY): 5, ("b", MONDAY): -1, ("c", MONDAY): 9}
    sales = DailySales.frame(spark, [{"series_id": s, "day": day, "units": u} for (s, day), u in sold.items()])
    assert drift(sales, forecasts, since=MONDAY) == Drift(forecast=3, outside=1)
    assert drift(sales, Forecasts.frame(spark), since=MONDAY) == Drift(forecast=0, outside=0)


def test_where_nothing_was_forecast_nothing_has_drifted() -> None:
    assert Drift(0, 0).beyond(0.0) == ""
    assert Drift(0, 0).figure() == ("outside_95", "stored", None, 0)
    assert Drift(3, 1).figure() == ("outside_95", "stored", 0.333333, 3)
