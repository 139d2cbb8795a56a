"""Ids that stay with a segment from day to day, whatever order a fit returns its centres in."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.optimize import linear_sum_assignment

from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.vocabulary import VALUE
from promo_spark.models.segments.clustering import Points


@dataclass(frozen=True)
class EarlierSegments:
    """The segments of a grouping: the latest day, its centres by id in log units; the highest id ever given to any."""

    day: datetime.date | None
    latest: Mapping[int, tuple[float, ...]]
    highest_id: int

    def stable_ids(self, centres: Points, scale: Points, *, max_drift: float, taken: Sequence[int] = ()) -> list[int]:
        """One id per centre: that of the earlier segment it continues, else a new one. See `stable_ids` below.

        `taken`: ids that another grouping has.
        """
        highest = max([self.highest_id, *taken])
        return stable_ids(centres, scale, self.latest, highest=highest, max_drift=max_drift)

    def origins(self, ids: Sequence[int]) -> dict[int, datetime.date]:
        """Id → day of the portrait that the id was taken over from; a new id is left out."""
        return {i: self.day for i in ids if i in self.latest and self.day is not None}


def earlier_segments(portraits: DataFrame | None, grouping: str, features: Sequence[str]) -> EarlierSegments:
    """SegmentPortraits of earlier dates → their segments of a grouping.

    A centre that lacks one of today's features is left out. Portraits without a grouping are by value.
    """
    if portraits is None:
        return EarlierSegments(None, {}, 0)
    last = portraits.agg(F.max(SegmentPortraits.as_of), F.max(SegmentPortraits.segment_id)).collect()[0]
    latest = portraits.filter(F.col(SegmentPortraits.as_of) == F.lit(last[0])).collect() if last[0] else []
    centres = {
        int(r[SegmentPortraits.segment_id]): tuple(r[SegmentPortraits.log_centre][f] for f in features)
        for r in latest
        if (r[SegmentPortraits.grouping] or VALUE) == grouping and set(features) <= set(r[SegmentPortraits.log_centre])
    }
    return EarlierSegments(last[0], centres, int(last[1] or 0))


def stable_ids(
    centres: Points, scale: Points, previous: Mapping[int, Sequence[float]], *, highest: int, max_drift: float
) -> list[int]:
    """One id per centre: that of the previous centre it continues, else a new one above `highest`.

    `centres` and `previous` are in log units, which mean the same every day; both are divided by today's
    standard deviations (`scale`), so that one number compares all features. The drift of a pair is the root
    mean square of the differences. Pairs are chosen for the smallest total drift (the Hungarian method),
    but never one with more than `max_drift`: that segment ended, and another began.

    >>> yesterday = {4: (0.0, 0.0), 7: (5.0, 0.0)}
    >>> today = np.array([[5.1, 0.0], [9.0, 9.0], [0.0, 0.1]])
    >>> stable_ids(today, np.ones(2), yesterday, highest=7, max_drift=0.75)
    [7, 8, 4]
    """
    earlier = sorted(previous)
    ids: list[int | None] = [None] * len(centres)
    if earlier:
        old = np.array([previous[i] for i in earlier])
        drift = np.sqrt((((centres[:, None, :] - old[None, :, :]) / scale) ** 2).mean(axis=2))
        # a pair too far apart costs more than all others together: it is taken only where nothing is left
        rows, columns = linear_sum_assignment(np.where(drift <= max_drift, drift, max_drift * (drift.size + 1)))
        for row, column in zip(rows, columns, strict=True):
            if drift[row, column] <= max_drift:
                ids[row] = earlier[column]
    unused = iter(range(max([highest, *earlier], default=0) + 1, highest + len(earlier) + len(centres) + 2))
    return [i if i is not None else next(unused) for i in ids]
