"""Who may get offers: every combination has its verdict, every exclusion its code."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from itertools import product
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.decisions.eligibility import (
    UserEligibility,
    eligible,
    exploring_users,
    in_explore_arm,
    in_holdout,
    with_eligibility,
)
from promo_spark.decisions.exploration import Draw, with_arms_as_drawn
from promo_spark.decisions.users import DailyUser
from promo_spark.settings import Settings
from promo_spark.settings.promote import PromoteSettings

KEY = "a key of the shop"
DAY = datetime.date(2017, 12, 1)
_VERDICT = (UserEligibility.arm, UserEligibility.arm_propensity, UserEligibility.exclusions)


def strategy(settings: Settings, **changes: Any) -> PromoteSettings:
    return settings.promote.model_copy(update={"holdout_key": KEY, "blocked_risk_tiers": ["blocked"]} | changes)


def test_truth_table_of_consent_and_risk(spark: SparkSession, settings: Settings) -> None:
    """I23: truth table; each exclusion has a reason code."""
    cases = list(product([True, False, None], ["low", "blocked", None]))
    users = DailyUser.frame(
        spark,
        [{"user_id": f"{c}/{t}", "consent_marketing": c, "risk_tier": t, "profiled": True} for c, t in cases],
    )
    for policy in ("excluded", "eligible"):
        screened = with_eligibility(users, strategy(settings, unknown_consent=policy, holdout_share=0.0), DAY)
        exclusions = {r.user_id: r.exclusions for r in screened.collect()}
        for consent, tier in cases:
            expected = [{False: "no_consent", None: "unknown_consent"}[consent]] if not consent else []
            if consent is None and policy == "eligible":
                expected = []
            expected += ["risk_blocked"] if tier == "blocked" else []
            assert exclusions[f"{consent}/{tier}"] == expected
    assert {r.user_id for r in eligible(screened).collect()} == {"True/low", "True/None", "None/low", "None/None"}


def test_the_holdout_is_a_fixed_share_by_keyed_hash(spark: SparkSession) -> None:
    """K06: the same user is in the same arm in every run. I14: the holdout's share is ±1 pp of the configured."""
    users = spark.range(20_000).select(F.concat(F.lit("u"), F.col("id")).alias("user_id"))
    arms = users.select(
        "user_id",
        in_holdout(F.col("user_id"), share=0.1, key=KEY).alias("held"),
        in_holdout(F.col("user_id"), share=0.1, key=KEY + "!").alias("other"),
        in_holdout(F.col("user_id"), share=0.2, key=KEY).alias("wider"),
        in_holdout(F.col("user_id"), share=1.0, key=KEY).alias("all"),
    ).toPandas()
    salt = hmac.new(KEY.encode(), b"holdout", hashlib.sha256).hexdigest()
    for user_id, held in zip(arms.user_id[:200], arms.held[:200], strict=True):
        digest = hashlib.sha256((salt + user_id).encode()).hexdigest()
        assert held == (int(digest[:15], 16) < 16**15 // 10)
    assert abs(arms.held.mean() - 0.1) < 0.01 and abs(arms.wider.mean() - 0.2) < 0.01
    assert arms.wider[arms.held].all() and arms["all"].all()  # a wider holdout keeps those who were in it
    assert abs(arms.other[arms.held].mean() - 0.1) < 0.03  # another key draws anew


def test_the_arm_and_its_probability_do_not_depend_on_consent(spark: SparkSession, settings: Settings) -> None:
    """K06: the split depends on the user's hash alone, and its propensity is logged."""
    users = DailyUser.frame(
        spark,
        [
            {"user_id": "u1", "consent_marketing": False, "profiled": True},
            {"user_id": "u2", "consent_marketing": True, "profiled": True, "risk_tier": "blocked"},
            {"user_id": "u3", "consent_marketing": True},  # no profile
        ],
    )
    screened = with_eligibility(users, strategy(settings, unknown_consent="excluded", holdout_share=1.0), DAY)
    assert_df_equality(
        screened.select(UserEligibility.user_id, *_VERDICT),
        UserEligibility.frame(
            spark,
            [
                {"user_id": "u1", "arm": "holdout", "arm_propensity": 1, "exclusions": ["no_consent", "holdout"]},
                {"user_id": "u2", "arm": "holdout", "arm_propensity": 1, "exclusions": ["risk_blocked", "holdout"]},
                {"user_id": "u3", "arm": "holdout", "arm_propensity": 1, "exclusions": ["not_profiled", "holdout"]},
            ],
        ).select(UserEligibility.user_id, *_VERDICT),
        ignore_nullable=True,
        ignore_metadata=True,
        ignore_row_order=True,
    )


def test_other_users_are_explored_on_every_date_and_their_share_is_logged(
    spark: SparkSession, settings: Settings
) -> None:
    users = spark.range(20_000).select(F.concat(F.lit("u"), F.col("id")).alias("user_id"))
    explored = [
        F.count_if(in_explore_arm(F.col("user_id"), share=0.05, key=KEY, date=day))
        for day in (DAY, DAY + datetime.timedelta(days=1))
    ]
    both = F.count_if(
        in_explore_arm(F.col("user_id"), share=0.05, key=KEY, date=DAY)
        & in_explore_arm(F.col("user_id"), share=0.05, key=KEY, date=DAY + datetime.timedelta(days=1))
    )
    today, tomorrow, twice = users.agg(*explored, both).collect()[0]
    assert 900 < today < 1100 and 900 < tomorrow < 1100 and twice < 100  # 5 % of 20,000, and 5 % of these again
    drawn = with_eligibility(
        DailyUser.frame(spark, [{"user_id": f"u{n}", "profiled": True} for n in range(200)]),
        strategy(settings, holdout_share=0.1, explore_share=0.5),
        DAY,
    ).collect()
    # 0.1, of the other 0.9 half, and the rest
    propensities = {(r.arm, float(r.arm_propensity)) for r in drawn}
    assert propensities == {("holdout", 0.1), ("explore", 0.45), ("treatment", 0.45)}


def test_whom_chance_drew_for_gets_nothing_else_while_it_would_hold(spark: SparkSession, settings: Settings) -> None:
    """Drawn six days ago, offers hold seven: u1 gets nothing more until tomorrow. u2 was drawn seven days ago.

    u3 is a row of a user who was being explored then: it was drawn before. u0 was never drawn.
    """
    rows = [("u0", 6, "none"), ("u1", 6, "explored"), ("u2", 7, "explored"), ("u3", 6, "exploring")]
    earlier = Promotions.frame(
        spark,
        [
            {"date": DAY - datetime.timedelta(ago), "user_id": user, "arm": "explore", "reason_codes": [reason]}
            for user, ago, reason in rows
            if user != "u0"
        ],
    )
    exploring = exploring_users(earlier, DAY, 7)
    users = DailyUser.frame(
        spark, [{"user_id": user, "profiled": True, "consent_marketing": True} for user, *_ in rows]
    )
    by = strategy(settings, holdout_share=0.0, explore_share=0.0)
    found = {r.user_id: (r.arm, r.exclusions) for r in with_eligibility(users, by, DAY, exploring).collect()}
    treated: tuple[str, list[str]] = ("treatment", [])
    assert found == {"u0": treated, "u1": ("explore", ["exploring"]), "u2": treated, "u3": treated}
    # who is not drawn today is treated, but for those whose draw still holds
    nothing = with_arms_as_drawn(with_eligibility(users, by, DAY, exploring), Draw.frame(spark))
    assert {r.user_id: r.arm for r in nothing.collect()}["u1"] == "explore"
    out = with_eligibility(users, strategy(settings, holdout_share=1.0, explore_share=0.0), DAY, exploring)
    assert {(r.arm, *r.exclusions) for r in out.collect()} == {("holdout", "holdout")}
