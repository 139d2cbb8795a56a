"""Who may get offers: every combination has its verdict, every exclusion its code."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal
from itertools import product

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.decisions.eligibility import eligible, in_holdout, verdicts

KEY = "a key of the shop"


def test_truth_table_of_consent_and_risk(spark: SparkSession) -> None:
    """I23: truth table; each exclusion has a reason code."""
    cases = list(product([True, False, None], ["low", "blocked", None]))
    users = spark.createDataFrame(
        [(f"{c}/{t}", c, t, True) for c, t in cases],
        "user_id string, consent_marketing boolean, risk_tier string, profiled boolean",
    )
    for policy in ("excluded", "eligible"):
        judged = verdicts(
            users, unknown_consent=policy, blocked_risk_tiers=["blocked"], holdout_share=0.0, holdout_key=KEY
        )
        found = {r.user_id: r.exclusions for r in judged.collect()}
        for consent, tier in cases:
            expected = [{False: "no_consent", None: "unknown_consent"}[consent]] if not consent else []
            if consent is None and policy == "eligible":
                expected = []
            expected += ["risk_blocked"] if tier == "blocked" else []
            assert found[f"{consent}/{tier}"] == expected
    assert {r.user_id for r in eligible(judged).collect()} == {"True/low", "True/None", "None/low", "None/None"}


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


def test_the_arm_and_its_probability_do_not_depend_on_consent(spark: SparkSession) -> None:
    """K06: the split depends on the user's hash alone, and its propensity is logged."""
    users = spark.createDataFrame(
        [("u1", False, None, True), ("u2", True, "blocked", True), ("u3", True, None, False)],
        "user_id string, consent_marketing boolean, risk_tier string, profiled boolean",
    )
    judged = verdicts(
        users, unknown_consent="excluded", blocked_risk_tiers=["blocked"], holdout_share=1.0, holdout_key=KEY
    )
    found = {r.user_id: (r.arm, r.arm_propensity, r.exclusions) for r in judged.collect()}
    assert found == {
        "u1": ("holdout", Decimal(1), ["no_consent", "holdout"]),
        "u2": ("holdout", Decimal(1), ["risk_blocked", "holdout"]),
        "u3": ("holdout", Decimal(1), ["not_profiled", "holdout"]),
    }
