"""Series of what the users of segments did, and their forecasts, by the models of series of any kind."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from promo_spark.contracts.models import Forecasts
from promo_spark.contracts.predictions import SEGMENT_MEASURES, SegmentTrends
from promo_spark.models.forecasts.any_series import SERIES, TIME, VALUE, TimeSeries, forecast_series
from promo_spark.models.forecasts.series import DECIMALS
from promo_spark.settings.forecast import ForecastSettings

_ENDS = (SegmentTrends.lower_80, SegmentTrends.upper_80, SegmentTrends.lower_95, SegmentTrends.upper_95)


def trend_rows(
    days: Sequence[Mapping[Any, Any]], settings: ForecastSettings, *, as_of: datetime.date
) -> list[dict[str, Any]]:
    """One row per segment, measure and day. SegmentDay → SegmentTrends, without as_of.

    All segments begin on the first day on which any of them ordered; a day without a row is one on which nobody came.
    """
    if not days:
        return []
    names = {row[SegmentTrends.segment_id]: row[SegmentTrends.segment_name] for row in days}
    first = min(row[SegmentTrends.day] for row in days)
    length = (as_of - first).days
    values = {(segment, measure): np.zeros(length) for segment in sorted(names) for measure in SEGMENT_MEASURES}
    for row in days:
        for measure in SEGMENT_MEASURES:
            place = (row[SegmentTrends.day] - first).days
            values[row[SegmentTrends.segment_id], measure][place] = row[measure]
    horizon = settings.horizon_days
    every = [
        TimeSeries(f"{segment}:{measure}", pd.Period(first, "D"), of, (), np.zeros((length + horizon, 0)))
        for (segment, measure), of in values.items()
    ]
    cheap = settings.model_copy(update={"models_top": []})  # which are for the products of most revenue
    ahead, _ = forecast_series(every, cheap, season=settings.season_days, horizon=horizon)
    told = ahead[ahead[Forecasts.champion]].groupby(SERIES)
    rows: list[dict[str, Any]] = []
    for (segment, measure), of in values.items():
        of_series = {
            SegmentTrends.segment_id: segment,
            SegmentTrends.segment_name: names[segment],
            SegmentTrends.measure: measure,
        }
        rows += (
            {**of_series, SegmentTrends.day: first + datetime.timedelta(place), SegmentTrends.actual: float(value)}
            for place, value in enumerate(np.round(of, DECIMALS))
        )
        for one in told.get_group(f"{segment}:{measure}").to_dict("records"):
            ends = {end: None if np.isnan(one[end]) else float(one[end]) for end in _ENDS}
            rows.append(
                {
                    **of_series,
                    SegmentTrends.day: one[TIME].date(),
                    SegmentTrends.expected: float(one[VALUE]),
                    SegmentTrends.model: one[Forecasts.model],
                    **ends,
                }
            )
    return rows
