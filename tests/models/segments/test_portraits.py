"""A portrait's figures follow from its members."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.models.segments.drift import Nearness
from promo_spark.models.segments.portraits import excluded_categories, segment_portraits
from promo_spark.models.segments.scaling import Scaling
from promo_spark.models.segments.stored import FittedSegments

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
    fitted = FittedSegments(
        VALUE,
        scaling,
        np.array([[0.0, 1.0], [0.0, -1.0]]),
        (5, 6),
        ("tea", "milk"),
        Nearness((2, 1), (0.0, 0.0)),
        YESTERDAY,
        "made",
        {6: YESTERDAY},
    )
    catalogue = ProductProfile.frame(
        spark, [{"product_id": c, "category": c, "promotable": True} for c in ("tea", "milk", "bread")]
    )
    excluded = excluded_categories(catalogue)
    found = segment_portraits(profiles, members, fitted, excluded=excluded, categories_kept=2)
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
    assert (tea.coupons_per_campaign, tea.matched_from) == (0.2, None)  # 1 of 5
    assert (milk.top_categories, milk.coupons_per_campaign, milk.matched_from) == (["milk"], None, YESTERDAY)
    assert (nobody.users, nobody.top_categories, nobody.discounted_lines_share) == (1, [], None)
    assert (tea.grouping, tea.advice, milk.advice, nobody.advice) == (VALUE, "reductions", "full_price", None)
    assert (nobody.centre, nobody.log_centre, nobody.scaled_centre) == ({"spend": 0.0}, {}, {})
    apart = segment_portraits(
        profiles.repartition(4), members.repartition(3), fitted, excluded=excluded, categories_kept=2
    )
    assert_df_equality(apart, found, transforms=[lambda df: df.sort(SegmentPortraits.segment_id)])

    # D12 (part): a category of which nothing may be promoted is in no portrait; by behaviour, the same users
    by_behaviour = members.select(
        Segments.user_id,
        F.col(Segments.segment_id).alias(Segments.behaviour_id),
        F.col(Segments.segment_name).alias(Segments.behaviour_name),
    )
    fuel = ProductProfile.frame(
        spark, [{"product_id": "p", "category": "bread"}, {"product_id": "q", "category": "milk", "promotable": True}]
    ).fillna(False, ["promotable"])
    again = segment_portraits(
        profiles,
        by_behaviour,
        replace(fitted, grouping=BEHAVIOUR),
        excluded=excluded_categories(fuel),
        categories_kept=2,
    )
    tea, milk = sorted(again.collect(), key=lambda r: r.segment_id)  # users without orders are told of once
    assert (tea.top_categories, tea.advice, tea.grouping) == (["tea"], "reductions", BEHAVIOUR)
    assert (milk.top_categories, milk.advice, milk.users) == (["milk"], "full_price", 1)
