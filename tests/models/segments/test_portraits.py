"""A portrait's figures follow from its members."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import SegmentPortraits, Segments
from promo_spark.models.segments.assignment import Scaling
from promo_spark.models.segments.portraits import segment_portraits

YESTERDAY = datetime.date(2017, 11, 30)


def test_a_portrait_is_its_members_in_numbers(spark: SparkSession) -> None:
    """Centre in original units, lift against all, shares of users and revenue, D02's mean."""
    profiles = UserProfile.frame(
        spark,
        [
            {
                "user_id": "a",
                "orders": 4,
                "spend": "30.00",
                "lines": 10,
                "discounted_lines_share": 0.1,
                "coupons_redeemed": 1,
                "campaigns_received": 4,
                "interests": [("tea", 0.6), ("milk", 0.4)],
            },
            {
                "user_id": "b",
                "orders": 2,
                "spend": "10.00",
                "lines": 30,
                "discounted_lines_share": 0.5,
                "coupons_redeemed": 0,
                "campaigns_received": 1,
                "interests": [("tea", 0.2), ("bread", 0.8)],
            },
            {
                "user_id": "c",
                "orders": 3,
                "spend": "60.00",
                "lines": 5,
                "discounted_lines_share": 0.0,
                "interests": [("milk", 1.0)],
            },
            {"user_id": "nobody", "orders": 0},
        ],
    )
    members = Segments.frame(
        spark,
        [
            {"user_id": "a", "segment_id": 5, "segment_name": "tea"},
            {"user_id": "b", "segment_id": 5, "segment_name": "tea"},
            {"user_id": "c", "segment_id": 6, "segment_name": "milk"},
            {"user_id": "nobody", "segment_id": 0, "segment_name": "no orders yet"},
        ],
    )
    scaling = Scaling(("spend", "discounted_lines_share"), np.array([3.0, 0.2]), np.array([0.5, 0.1]))
    found = segment_portraits(profiles, members, scaling, matched_from={6: YESTERDAY}, categories_kept=2)
    nobody, tea, milk = sorted(found.collect(), key=lambda r: r.segment_id)
    assert (tea.users, tea.users_share, tea.revenue_share) == (2, 0.5, 0.4)  # 40 of 100
    assert tea.centre == {"spend": 20.0, "discounted_lines_share": 0.3}
    # all four users spent 100, a mean of 25; three have a discounted share, 0.2 on average
    assert tea.lifts == {"spend": 0.8, "discounted_lines_share": 1.5}
    logs = (np.log1p(30) + np.log1p(10)) / 2
    assert tea.log_centre == {"spend": pytest.approx(logs, abs=1e-6), "discounted_lines_share": 0.3}
    assert tea.scaled_centre == {"spend": pytest.approx((logs - 3) / 0.5, abs=1e-5), "discounted_lines_share": 1.0}
    # means of members against means of four users: bread 0.4 − 0.2, tea 0.4 − 0.2, milk 0.2 − 0.35
    assert tea.top_categories == ["bread", "tea"]
    assert tea.discounted_lines_share == 0.4  # (0.1·10 + 0.5·30) / 40
    assert (tea.coupon_response, tea.matched_from) == (0.2, None)  # 1 of 5
    assert (milk.top_categories, milk.coupon_response, milk.matched_from) == (["milk"], None, YESTERDAY)
    assert (nobody.users, nobody.top_categories, nobody.discounted_lines_share) == (1, [], None)
    assert (nobody.centre, nobody.log_centre, nobody.scaled_centre) == ({"spend": 0.0}, {}, {})
    apart = segment_portraits(
        profiles.repartition(4), members.repartition(3), scaling, matched_from={6: YESTERDAY}, categories_kept=2
    )
    assert_df_equality(apart, found, transforms=[lambda df: df.sort(SegmentPortraits.segment_id)])
