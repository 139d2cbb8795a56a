"""Users on one scale, and the segment of each."""

from __future__ import annotations

import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from scipy.cluster.vq import kmeans2

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.silver import OrderLines
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.errors import SettingsError
from promo_spark.features.users.activity import user_activity
from promo_spark.learners.clusters import adjusted_rand
from promo_spark.measures.kept_purchases import taken_back
from promo_spark.models.segments.assignment import segments
from promo_spark.models.segments.drift import Nearness
from promo_spark.models.segments.scaling import Scaling, checked_features, rfm_groups, user_sample
from promo_spark.models.segments.stored import FittedSegments
from promo_spark.settings import Settings

DAY = datetime.date(2017, 12, 1)


def test_ids_dates_and_texts_are_no_features(settings: Settings) -> None:
    """A feature that is none is refused by name; the shipped ones are numbers."""
    assert checked_features(settings.segment.features) == settings.segment.features
    for wrong in (["user_id"], ["main_store_id"], ["first_order_date"], ["lifecycle"], ["spendd"], []):
        with pytest.raises(SettingsError, match=r"segment\.features: .*spend_90d"):
            checked_features(wrong)


def test_the_cluster_input_has_one_row_per_user_however_many_lines(spark: SparkSession, settings: Settings) -> None:
    """C04: exactly one row per user; a user of 40 lines is one point, not 40."""
    counts = {"heavy": 40, "twice": 2, "once": 1}  # orders of one line each
    lines = OrderLines.frame(
        spark,
        [
            {"user_id": u, "order_id": f"{u}{n}", "quantity": 1, "order_date": DAY - datetime.timedelta(days=n)}
            for u, orders in counts.items()
            for n in range(1, orders + 1)
        ],
    )
    activity = user_activity(lines, taken_back(lines), as_of=DAY, settings=settings.profile)
    sample = user_sample(activity, ["orders"], users=99, min_orders=1, seed=1)
    assert sorted(np.expm1(sample["orders"]).round(6)) == sorted(counts.values())


def test_a_change_of_currency_unit_changes_no_group(spark: SparkSession) -> None:
    """B09: spend in cents instead of units gives the same groups; without scaling it gives others."""
    rng = np.random.default_rng(5)
    shares = np.repeat([0.1, 0.9], 20) + rng.normal(0, 0.03, 40)  # what tells the two groups apart
    spend = np.exp(rng.normal(4, 0.3, 40))  # says nothing of them

    def groups(factor: float, scaled: bool) -> npt.NDArray[np.int64]:
        rows = [
            {"user_id": f"u{i:02}", "orders": 5, "spend": round(m * factor, 2), "discount_share": float(s)}
            for i, (m, s) in enumerate(zip(spend, shares, strict=True))
        ]
        features = ["spend", "discount_share"]
        if not scaled:
            points = pd.DataFrame(rows)[features].to_numpy()
        else:
            sample = user_sample(UserProfile.frame(spark, rows), features, users=99, min_orders=1, seed=1)
            points = Scaling.of(sample, features).scaled(sample)
        labels = kmeans2(points, 2, iter=20, minit="++", rng=1)[1]
        return np.asarray(labels, dtype=np.int64)

    assert adjusted_rand(groups(1, scaled=True), groups(100, scaled=True)) == 1.0
    assert adjusted_rand(groups(0.001, scaled=False), groups(100, scaled=False)) < 0.5


def test_the_sample_is_the_same_however_the_rows_lie(spark: SparkSession) -> None:
    """B08 (part): who ordered once does not shape the segments."""
    rows = [{"user_id": f"u{i}", "orders": 1 + i % 5, "spend": 10 * i} for i in range(100)]
    one = user_sample(UserProfile.frame(spark, rows).coalesce(1), ["spend"], users=30, min_orders=2, seed=1)
    many = user_sample(UserProfile.frame(spark, rows[::-1]).repartition(7), ["spend"], users=30, min_orders=2, seed=1)
    pd.testing.assert_frame_equal(one, many)
    assert len(one) == 30
    once = {np.log1p(10.0 * i) for i in range(0, 100, 5)}
    assert not once & set(one["spend"])


def fitted(
    grouping: str, scaling: Scaling, centres: list[list[float]], ids: list[int], names: list[str]
) -> FittedSegments:
    near = Nearness(tuple([1] * len(ids)), tuple([0.0] * len(ids)))
    return FittedSegments(grouping, scaling, np.array(centres), tuple(ids), tuple(names), near, DAY, "made", {})


def test_each_user_gets_the_nearest_centre_and_who_never_ordered_gets_none(spark: SparkSession) -> None:
    profiles = UserProfile.frame(
        spark,
        [
            {"user_id": "near", "orders": 3, "spend": 0, "discount_share": 0.2},
            {"user_id": "far", "orders": 1, "spend": 53.59815, "discount_share": 0.2},  # log(1 + spend) = 4
            {
                "user_id": "between",
                "orders": 2,
                "spend": 6.38905610,
                "discount_share": 0.2,
            },  # log = 2: the first of equals
            {"user_id": "unknown", "orders": 2, "spend": 0, "discount_share": None},  # unknown counts as the mean
            {"user_id": "nobody", "orders": 0},
        ],
    )
    scaling = Scaling(("spend", "discount_share"), np.array([2.0, 0.2]), np.array([2.0, 0.1]))
    centres = [[-1.0, 0.0], [1.0, 2.0]]  # log spend 0 and 4; share 0.2 and 0.4
    value = fitted(VALUE, scaling, centres, [7, 3], ["small", "large"])
    assigned = segments(profiles, value, None, before=None, stay=0.1)
    expected = Segments.frame(
        spark,
        [
            {"user_id": "near", "segment_id": 7, "segment_name": "small", "distance": 0},
            {"user_id": "far", "segment_id": 3, "segment_name": "large", "distance": 2},
            {"user_id": "between", "segment_id": 7, "segment_name": "small", "distance": 1},
            {"user_id": "unknown", "segment_id": 7, "segment_name": "small", "distance": 0},
            {"user_id": "nobody", "segment_id": 0, "segment_name": "no orders yet", "distance": None},
        ],
    )
    told = assigned.select(Segments.user_id, Segments.segment_id, Segments.segment_name, Segments.distance)
    assert_df_equality(
        told.withColumn(Segments.distance, F.round(Segments.distance, 3)),
        expected.select(Segments.user_id, Segments.segment_id, Segments.segment_name, Segments.distance),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )


def test_a_user_stays_while_no_other_segment_is_clearly_nearer(spark: SparkSession) -> None:
    """D16 (between fits): a user moves where another segment is nearer by more than the margin, of either grouping."""
    shares = {"left": 0.0, "middle": 0.51, "beyond": 0.6, "ended": 0.51, "new": 0.51}
    profiles = UserProfile.frame(
        spark,
        [{"user_id": u, "orders": 3, "discount_share": x, "discounted_lines_share": x} for u, x in shares.items()],
    )
    value = fitted(
        VALUE, Scaling(("discount_share",), np.zeros(1), np.ones(1)), [[0.0], [1.0]], [1, 2], ["low", "high"]
    )
    behaviour = fitted(
        BEHAVIOUR,
        Scaling(("discounted_lines_share",), np.zeros(1), np.ones(1)),
        [[0.0], [1.0]],
        [3, 4],
        ["full", "deal"],
    )
    before = Segments.frame(
        spark,
        [
            {"user_id": "left", "segment_id": 2, "behaviour_id": 4},  # far from where the user was: moves
            {"user_id": "middle", "segment_id": 1, "behaviour_id": 3},  # 0.51 · 0.9 = 0.459 ≤ 0.49: stays
            {"user_id": "beyond", "segment_id": 1, "behaviour_id": 3},  # 0.6 · 0.9 = 0.54 > 0.4: moves
            {"user_id": "ended", "segment_id": 9, "behaviour_id": 8},  # there is no such segment any more
        ],
    )
    rows = segments(profiles, value, behaviour, before=before, stay=0.1).collect()
    assert {r.user_id: (r.segment_id, r.behaviour_id) for r in rows} == {
        "left": (1, 3),
        "middle": (1, 3),
        "beyond": (2, 4),
        "ended": (2, 4),
        "new": (2, 4),
    }
    # the other centre's distance as a share of both: 0.49 / 1, 0.6 / 1
    told = {r.user_id: (r.behaviour_name, r.behaviour_distance, r.membership) for r in rows}
    assert told["left"] == ("full", 0.0, 1.0)
    assert told["middle"] == ("full", 0.51, 0.49)
    assert told["beyond"] == ("deal", 0.4, 0.6)
    nearest = segments(profiles, value, behaviour, before=before, stay=0.0).collect()
    assert {r.user_id: r.segment_id for r in nearest}["middle"] == 2


def test_constant_and_unknown_features_do_no_harm() -> None:
    sample = pd.DataFrame({"a": [1.0, 1.0, 1.0], "b": [0.0, np.nan, 2.0], "c": [np.nan] * 3})
    assert Scaling.of(sample, ["a", "b", "c"]).scaled(sample).tolist() == [
        [0.0, pytest.approx(-np.sqrt(1.5)), 0.0],
        [0.0, 0.0, 0.0],
        [0.0, pytest.approx(np.sqrt(1.5)), 0.0],
    ]
    assert Scaling.of(sample[:0], ["a", "b"]).scaled(sample[:0]).shape == (0, 2)


def test_rfm_groups_are_equal_and_ordered_from_bad_to_good() -> None:
    users = np.arange(20.0)
    sample = pd.DataFrame({"recency_days": users[::-1], "orders_90d": users, "spend_90d": users})
    assert rfm_groups(sample, 4).tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
