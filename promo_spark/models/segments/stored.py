"""Fitted segments: what a date assigns users by, as it is stored and read again."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from promo_spark.contracts.segments import SegmentCentres
from promo_spark.measures.refitting import newest_rows
from promo_spark.models.segments.clustering import Points
from promo_spark.models.segments.drift import Nearness
from promo_spark.models.segments.scaling import Scaling


@dataclass(frozen=True)
class FittedSegments:
    """The scaling and, per segment, centre, id, name and who was near when it was fitted, in the same order.

    `ids_from` has the as_of of the rows that an id was taken over from; a new id has none.
    """

    grouping: str
    scaling: Scaling
    centres: Points
    ids: tuple[int, ...]
    names: tuple[str, ...]
    nearness: Nearness
    trained_on: datetime.date
    made_by: str
    ids_from: Mapping[int, datetime.date]


def centre_rows(fitted: FittedSegments) -> list[dict[str, Any]]:
    """One row per segment. FittedSegments → SegmentCentres."""
    scaling = fitted.scaling

    def by_feature(values: Sequence[float]) -> dict[str, float]:
        return {f: float(value) for f, value in zip(scaling.features, values, strict=True)}

    return [
        {
            SegmentCentres.segment_id: segment_id,
            SegmentCentres.segment_name: fitted.names[i],
            SegmentCentres.grouping: fitted.grouping,
            SegmentCentres.scaled_centre: by_feature(fitted.centres[i].tolist()),
            SegmentCentres.log_mean: by_feature(scaling.mean.tolist()),
            SegmentCentres.log_deviation: by_feature(scaling.deviation.tolist()),
            SegmentCentres.fitted_users: fitted.nearness.users[i],
            SegmentCentres.fitted_distance: fitted.nearness.distances[i],
            SegmentCentres.trained_on: fitted.trained_on,
            SegmentCentres.made_by: fitted.made_by,
        }
        for i, segment_id in enumerate(fitted.ids)
    ]


def stored_segments(centres: DataFrame | None, grouping: str, features: Sequence[str]) -> FittedSegments | None:
    """SegmentCentres of earlier dates → the fitted segments of a grouping of the newest of them, to the bit.

    None: there are none, or they were fitted on other features.
    """
    of_grouping = None if centres is None else centres.filter(F.col(SegmentCentres.grouping) == grouping)
    newest = newest_rows(of_grouping, SegmentCentres.as_of)
    if newest is None:
        return None
    as_of, of_date = newest
    rows = of_date.collect()
    if any(set(row[SegmentCentres.scaled_centre]) != set(features) for row in rows):
        return None

    def in_order(row: Row, column: str) -> list[float]:
        return [row[column][f] for f in features]

    # the order of a fit: users who are as near to two centres come to the same one on every date
    rows.sort(key=lambda row: in_order(row, SegmentCentres.scaled_centre))
    first = rows[0]
    scaling = Scaling(
        tuple(features),
        np.array(in_order(first, SegmentCentres.log_mean)),
        np.array(in_order(first, SegmentCentres.log_deviation)),
    )
    return FittedSegments(
        grouping,
        scaling,
        np.array([in_order(row, SegmentCentres.scaled_centre) for row in rows]),
        tuple(row[SegmentCentres.segment_id] for row in rows),
        tuple(row[SegmentCentres.segment_name] for row in rows),
        Nearness(
            tuple(row[SegmentCentres.fitted_users] for row in rows),
            tuple(row[SegmentCentres.fitted_distance] for row in rows),
        ),
        first[SegmentCentres.trained_on],
        first[SegmentCentres.made_by],
        {row[SegmentCentres.segment_id]: as_of for row in rows},
    )
