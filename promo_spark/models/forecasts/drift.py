"""How well the forecasts of the last dates since a fit have held."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import Forecasts
from promo_spark.measures.metric_rows import DECIMALS, Figure

BY_MODELS = ("regular", "intermittent")  # the other kinds are forecast by rules, which no fit changes


@dataclass(frozen=True)
class Drift:
    """How many sales, by series and day, were forecast a day ahead, and how many lay outside their 95% interval."""

    forecast: int
    outside: int

    def share(self) -> float | None:
        """Of the sales outside, to the digits of models.metrics; None: none was forecast.

        >>> Drift(forecast=3, outside=1).share(), Drift(0, 0).share()
        (0.333333, None)
        """
        return round(self.outside / self.forecast, DECIMALS) if self.forecast else None

    def beyond(self, limit: float) -> str:
        """The share in words where it is above the limit; empty: it is not.

        >>> Drift(forecast=50, outside=6).beyond(0.1)
        '0.120 of the latest sales were outside their 95% intervals, more than 0.1'
        >>> Drift(forecast=50, outside=5).beyond(0.1)
        ''
        """
        share = self.share()
        if share is None or share <= limit:
            return ""
        return f"{share:.3f} of the latest sales were outside their 95% intervals, more than {limit:g}"

    def figure(self) -> Figure:
        """For models.metrics. Slice: stored."""
        return Figure("outside_95", "stored", self.share(), self.forecast)


def drift(sales: DataFrame, forecasts: DataFrame, *, since: datetime.date) -> Drift:
    """DailySales, and Forecasts of earlier dates → how the champions' forecasts of the first day ahead have held.

    The days from `since` on count, of dates that were run, and series that models forecast.
    """
    day_ahead = forecasts.filter(
        (F.col(Forecasts.as_of) >= F.lit(since))
        & (F.col(Forecasts.day) == F.col(Forecasts.as_of))
        & F.col(Forecasts.champion)
        & F.col(Forecasts.profile).isin(*BY_MODELS)
    ).select(Forecasts.series_id, Forecasts.day, Forecasts.lower_95, Forecasts.upper_95)
    sold = sales.filter(F.col(DailySales.day) >= F.lit(since)).select(
        DailySales.series_id, DailySales.day, DailySales.units
    )
    units = F.greatest(F.col(DailySales.units).cast("double"), F.lit(0.0))  # more returned than sold: no demand
    outside = ~units.between(F.col(Forecasts.lower_95), F.col(Forecasts.upper_95))
    counts = sold.join(day_ahead, [Forecasts.series_id, Forecasts.day]).agg(F.count("*"), F.count_if(outside))
    return Drift(*counts.collect()[0])
