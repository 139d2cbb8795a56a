"""Fitted segments are stored and read again to the bit."""

from __future__ import annotations

import datetime

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.segments import SegmentCentres
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.models.segments.drift import Nearness
from promo_spark.models.segments.scaling import Scaling
from promo_spark.models.segments.stored import FittedSegments, centre_rows, stored_segments

MONDAY, TUESDAY = datetime.date(2017, 11, 6), datetime.date(2017, 11, 7)
FITTED = FittedSegments(
    VALUE,
    Scaling(("spend", "orders"), np.array([1 / 3, 2.0]), np.array([0.1, 1e-3])),
    np.array([[-0.1, 2 / 3], [0.7, -1.0]]),  # sorted, as a fit gives them; the ids are not
    (9, 4),
    ("many orders", "high total spend"),
    Nearness((70, 30), (0.1, 1 / 7)),
    MONDAY,
    "made-1",
    {},
)


def test_what_the_newest_earlier_date_has_is_read_as_it_was_fitted(spark: SparkSession) -> None:
    tuesday = SegmentCentres.frame(spark, centre_rows(FITTED)).withColumn(SegmentCentres.as_of, F.lit(TUESDAY))
    monday = tuesday.withColumns(
        {SegmentCentres.as_of: F.lit(MONDAY), SegmentCentres.segment_id: F.col(SegmentCentres.segment_id) + 1}
    )
    stored = stored_segments(tuesday.unionByName(monday).orderBy(SegmentCentres.segment_id), VALUE, ["spend", "orders"])
    assert stored is not None
    assert stored.scaling.features == ("spend", "orders")
    for found, expected in [
        (stored.scaling.mean, FITTED.scaling.mean),
        (stored.scaling.deviation, FITTED.scaling.deviation),
        (stored.centres, FITTED.centres),
    ]:
        assert found.tolist() == expected.tolist()
    assert (stored.ids, stored.names, stored.nearness) == (FITTED.ids, FITTED.names, FITTED.nearness)
    assert (stored.trained_on, stored.made_by) == (MONDAY, "made-1")
    assert stored.ids_from == {9: TUESDAY, 4: TUESDAY}


def test_segments_of_other_features_are_not_those_asked_for(spark: SparkSession) -> None:
    stored = SegmentCentres.frame(spark, centre_rows(FITTED)).withColumn(SegmentCentres.as_of, F.lit(MONDAY))
    assert stored_segments(stored, VALUE, ["spend"]) is None
    assert stored_segments(stored, BEHAVIOUR, ["spend", "orders"]) is None
    assert stored_segments(stored, VALUE, ["spend", "recency_days"]) is None
    assert stored_segments(SegmentCentres.frame(spark), VALUE, ["spend"]) is None
