"""Fitted segments are stored and read again to the bit."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.segments import SegmentCentres
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.models.segments.drift import Nearness
from promo_spark.models.segments.prototypes import Prototypes
from promo_spark.models.segments.scaling import Scaling
from promo_spark.models.segments.stored import FittedSegments, centre_rows, stored_segments

MONDAY, TUESDAY = datetime.date(2017, 11, 6), datetime.date(2017, 11, 7)
FITTED = FittedSegments(
    VALUE,
    Scaling(("spend", "orders"), np.array([1 / 3, 2.0]), np.array([0.1, 1e-3])),
    "kmeans",
    np.array([[-0.1, 2 / 3], [0.7, -1.0]]),  # sorted, as a fit gives them; the ids are not
    Prototypes.of_centres(np.array([[-0.1, 2 / 3], [0.7, -1.0]])),
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
        (stored.prototypes.points, FITTED.centres),
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


def test_prototypes_are_read_as_they_were_stored(spark: SparkSession) -> None:
    """D04, D06 (part): groups of any form and ellipses; the settings may name the features in another order."""
    points = np.array([[0.1, 2.0], [1 / 3, 3.0], [5.0, -1.0]])
    shapes = np.stack([np.array([[1.0, 0.5], [0.0, 2.0]]), np.eye(2), np.eye(2) * 3])
    users = np.random.default_rng(1).normal(0, 3, (50, 2))
    several = Prototypes(points, (0, 0, 1))
    ellipses = Prototypes(points[1:], (0, 1), "euclidean", shapes[1:], np.array([0.0, 0.7]))
    medians = Prototypes.of_centres(points[1:], "cityblock")
    for prototypes in (several, ellipses, medians):
        fitted = replace(FITTED, algorithm="density", prototypes=prototypes)
        rows = SegmentCentres.frame(spark, centre_rows(fitted)).withColumn(SegmentCentres.as_of, F.lit(MONDAY))
        stored = stored_segments(rows, VALUE, ["spend", "orders"])
        turned = stored_segments(rows, VALUE, ["orders", "spend"])
        assert stored is not None and turned is not None
        assert stored.algorithm == "density"
        assert np.array_equal(stored.prototypes.distances(users), prototypes.distances(users))
        # in the order of the centres, by the first feature named: orders, 2/3 and −1, the other way round
        assert np.allclose(turned.prototypes.distances(users[:, ::-1]), prototypes.distances(users)[:, ::-1])
