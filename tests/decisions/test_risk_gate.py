"""What an account's risk keeps it from."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import SparkSession

from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.risk_gate import allowed_by_risk
from promo_spark.decisions.users import DailyUser


def test_a_high_risk_gets_no_coupon_and_all_else(spark: SparkSession) -> None:
    """J07: high-risk users are excluded from offers on a basket; other offers, and other users, are left."""
    tiers = {"calm": "low", "odd": "high", "unknown": None}
    users = DailyUser.frame(spark, [{"user_id": user, "risk_tier": tier} for user, tier in tiers.items()])
    milk = ("milk", None, "dairy", Decimal(2), Decimal(1), Decimal(9), 1.0)
    parts = {"coupon": [], "threshold": [], "gift": [milk], "discount": [milk]}
    offers = [{"user_id": user, "mechanic": m, "parts": of} for user in tiers for m, of in parts.items()]
    found = allowed_by_risk(OfferTarget.frame(spark, offers), users, no_coupon=["high"]).collect()
    allowed = {(row.user_id, row.mechanic) for row in found}
    assert allowed == {(user, m) for user in tiers for m in parts if user != "odd"} | {("odd", "discount")}
