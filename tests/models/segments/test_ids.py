"""Ids stay with their segments."""

from __future__ import annotations

import datetime

import numpy as np
from pyspark.sql import SparkSession

from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.models.segments.ids import EarlierSegments, earlier_segments, stable_ids

ONE = np.ones(2)


def test_the_same_centres_in_any_order_keep_their_ids() -> None:
    """D16 (matching): a refit that returns its centres in another order changes no id."""
    previous = {4: (0.0, 0.0), 7: (5.0, 0.0), 9: (0.0, 5.0)}
    centres = np.array([[0.1, 5.0], [0.0, 0.1], [5.1, 0.0]])
    assert stable_ids(centres, ONE, previous, highest=9, max_drift=0.75) == [9, 4, 7]


def test_ids_are_matched_for_the_least_drift_together() -> None:
    # greedily, 2 at 1.0 would take id 1 at 1.4 (0.4 away) and leave 0.0 with 3.0; together: 1.0 + 0.8 is least
    centres, previous = np.array([[0.5], [1.0]]), {1: (0.9,), 2: (1.8,)}
    assert stable_ids(centres, np.ones(1), previous, highest=2, max_drift=5.0) == [1, 2]


def test_a_centre_too_far_from_all_is_a_new_segment_with_an_id_never_used() -> None:
    centres = np.array([[0.0, 0.0], [9.0, 9.0]])
    assert stable_ids(centres, ONE, {3: (0.0, 0.5), 5: (5.0, 5.0)}, highest=8, max_drift=0.75) == [3, 9]
    # far for the scale of one feature, near for that of the other
    assert stable_ids(np.array([[1.0, 0.0]]), np.array([10.0, 0.1]), {1: (0.0, 0.0)}, highest=1, max_drift=0.75) == [1]
    assert stable_ids(np.array([[0.0, 1.0]]), np.array([10.0, 0.1]), {1: (0.0, 0.0)}, highest=1, max_drift=0.75) == [2]


def test_a_near_pair_is_never_given_up_for_a_far_one() -> None:
    centres = np.array([[0.0], [0.7]])  # only 0.0 ↔ 0.6 and 0.7 ↔ 0.6 are near; the other old centre is far
    assert stable_ids(centres, np.ones(1), {1: (0.6,), 2: (50.0,)}, highest=2, max_drift=0.75) == [3, 1]


def test_without_history_ids_begin_at_one() -> None:
    assert stable_ids(np.zeros((3, 2)), ONE, {}, highest=0, max_drift=0.75) == [1, 2, 3]


def test_the_latest_portraits_count_and_every_id_ever_seen(spark: SparkSession) -> None:
    monday, tuesday = datetime.date(2017, 11, 6), datetime.date(2017, 11, 7)
    portraits = SegmentPortraits.frame(
        spark,
        [
            {"as_of": monday, "segment_id": 8, "log_centre": {"spend": 1.0}},
            {"as_of": tuesday, "segment_id": 0, "log_centre": {}},  # users without orders have no centre
            {"as_of": tuesday, "segment_id": 2, "log_centre": {"spend": 2.0, "orders": 3.0}},
            {"as_of": tuesday, "segment_id": 5, "log_centre": {"spend": 4.0, "orders": 4.0}, "grouping": BEHAVIOUR},
        ],
    )
    earlier = earlier_segments(portraits, VALUE, ["orders", "spend"])
    assert earlier == EarlierSegments(tuesday, {2: (3.0, 2.0)}, 8)
    by_behaviour = earlier_segments(portraits, BEHAVIOUR, ["orders", "spend"])
    assert by_behaviour == EarlierSegments(tuesday, {5: (4.0, 4.0)}, 8)
    # no id is given to two segments, of whichever grouping: 9 is taken
    assert by_behaviour.stable_ids(np.array([[4.0, 4.0], [9.0, 9.0]]), ONE, max_drift=0.75, taken=[2, 9]) == [5, 10]
    assert earlier.origins([2, 9]) == {2: tuesday}
    assert earlier_segments(SegmentPortraits.frame(spark), VALUE, ["orders"]) == EarlierSegments(None, {}, 0)
