"""How many users of each segment came on each day, and how many are expected: a step of forecast."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from pyspark.sql import DataFrame

from promo_spark.contracts.models import Segments
from promo_spark.contracts.predictions import SegmentTrends
from promo_spark.contracts.silver import OrderLines
from promo_spark.features.segment_days import segment_days
from promo_spark.flows.scored_records import unstamped
from promo_spark.models.forecasts.segment_trends import trend_rows
from promo_spark.runtime.job import Context
from promo_spark.settings.forecast import ForecastSettings


def segment_trends_of_date(ctx: Context[ForecastSettings]) -> DataFrame:
    """One row per segment, measure and day. Segments, OrderLines → SegmentTrends; none where there are no segments.

    Rows of segments and days are few: one task has them all.
    """
    settings, as_of, columns = ctx.settings, ctx.date, unstamped(SegmentTrends)
    if not settings.segment_days or not ctx.exists(Segments):
        return SegmentTrends.frame(ctx.spark)

    def of_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        every = [row for batch in batches for row in batch.to_dict("records")]
        yield pd.DataFrame(trend_rows(every, settings, as_of=as_of), columns=columns.fieldNames())

    lines, segments = ctx.read_everyone(OrderLines), ctx.read_optional(Segments)
    days = segment_days(lines, segments, as_of=as_of, days=settings.segment_days)
    return days.coalesce(1).mapInPandas(of_batches, columns)
