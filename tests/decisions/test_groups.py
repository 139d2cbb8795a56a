"""What groups of users may have of the day's budget."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.decisions.exploration import drawable_offers, draws
from promo_spark.decisions.groups import group_limits, groups_of_user, with_groups
from promo_spark.decisions.options import user_options
from promo_spark.decisions.rooms import Room
from promo_spark.decisions.users import DailyUser
from promo_spark.decisions.valuation import ValuedOffer
from promo_spark.errors import SettingsError


def test_a_group_may_have_so_many_times_its_share_of_the_users(spark: SparkSession) -> None:
    """Of 10 users 6 live in the North, 3 in the South, of one it is not known; 1.2 times their share of 99.99.

    North 1.2 × 0.6 × 9999 = 7199.28, South 3599.64, unknown 1199.88. By tier 1.2 × 9 / 10 is more than all: no limit.
    """
    regions = ["North"] * 6 + ["South"] * 3 + [None]
    users = DailyUser.frame(
        spark,
        [
            {"user_id": f"u{n}", "region": region, "member_tier": "gold" if n else None}
            for n, region in enumerate(regions)
        ],
    )
    assert group_limits(users, {"region": 1.2, "member_tier": 1.2}, 9999) == {
        "group:region=North": 7199,
        "group:region=South": 3599,
        "group:region=unknown": 1199,
        "group:member_tier=unknown": 1199,
    }
    assert group_limits(users.filter("false"), {"region": 1.2}, 9999) == {} == group_limits(users, {}, 9999)
    groups = users.filter("user_id = 'u9'").select(groups_of_user(["region", "member_tier"])).collect()
    assert groups[0][0] == ["group:member_tier=gold", "group:region=unknown"]


def test_offers_know_the_groups_of_their_users_only_where_groups_have_limits(spark: SparkSession) -> None:
    offers = ValuedOffer.frame(spark, [{"user_id": "a", "parts": []}])
    users = DailyUser.frame(spark, [{"user_id": "a", "region": "North"}])
    assert with_groups(offers, users, []) is offers
    [row] = with_groups(offers, users, ["region"]).collect()
    assert row.groups == ["group:region=North"]


def test_an_attribute_with_too_many_values_is_refused(spark: SparkSession) -> None:
    """50 regions can be given their share, 51 are refused, other attributes beside them or not."""
    users = spark.range(51).select(
        F.col("id").cast("string").alias(DailyUser.user_id),
        F.concat(F.lit("r"), F.col("id")).alias(DailyUser.region),
        F.lit("gold").alias(DailyUser.member_tier),
    )
    assert len(group_limits(users.filter("id < 50"), {"region": 1.0}, 10_000)) == 50
    for shares in ({"region": 1.0}, {"member_tier": 1.0, "region": 1.0}):
        with pytest.raises(SettingsError, match=r"promote.group_shares.region: there are 51 groups by region"):
            group_limits(users, shares, 10_000)


def test_what_a_group_may_have_does_not_decide_who_of_others_is_explored(spark: SparkSession) -> None:
    """Half of 2.00 is the arm's in the North, a tenth of that one user's: 0.10; so ten of its users, and all others."""
    users = DailyUser.frame(
        spark,
        [{"user_id": f"n{n}", "region": "North"} for n in range(14)]
        + [{"user_id": f"s{n}", "region": "South"} for n in range(5)],
    )
    rows: list[dict[str, Any]] = [
        {"user_id": user, "parts": [], "promotion_id": f"{user} {cost}", "cost_minor": cost, "aim_micro": 1}
        for user in [*(f"n{n}" for n in range(14)), *(f"s{n}" for n in range(5))]
        for cost in (10, 11)
    ]
    limits = {"daily": 10_000, "group:region=North": 200}
    offers = with_groups(ValuedOffer.frame(spark, rows), users, ["region"])
    drawable = drawable_offers(offers, limits, 0.5).localCheckpoint()
    left = {row.promotion_id for row in drawable.collect()}
    assert left == {row["promotion_id"] for row in rows} - {f"n{n} 11" for n in range(14)}
    options = user_options(drawable, Room.frame(spark), max_offers=2, digits=2, limits=limits).localCheckpoint()
    drawn = draws(options, limits=limits, share=0.5, key="a key of tests", date=datetime.date(2017, 12, 1)).collect()
    explored = [row.user_id for row in drawn]
    assert sum(user.startswith("n") for user in explored) == 10 and sum(user.startswith("s") for user in explored) == 5
