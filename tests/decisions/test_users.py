"""Who is new on a date."""

from __future__ import annotations

import datetime

from pyspark.sql import SparkSession

from promo_spark.contracts.risk import Risk
from promo_spark.contracts.silver import Users
from promo_spark.decisions.users import DailyUser, new_users


def test_who_registered_before_the_date_or_nobody_knows_when_is_not_new(spark: SparkSession) -> None:
    """In Shanghai the fourteenth begins at 16:00 of the thirteenth, UTC."""
    users = Users.frame(
        spark,
        [
            {
                "user_id": "today",
                "registered_at": datetime.datetime(2024, 6, 13, 16, tzinfo=datetime.timezone.utc),
                "consent_marketing": True,
            },
            {
                "user_id": "before",
                "registered_at": datetime.datetime(2024, 6, 13, 15, 59, tzinfo=datetime.timezone.utc),
            },
            {"user_id": "sometime"},
        ],
    )
    seen = [(name, name == "today", "app") for name in ("today", "before", "sometime", "customer", "stranger")]
    found = new_users(
        spark.createDataFrame(seen, "user_id string, ordered boolean, main_channel string"),
        DailyUser.frame(spark, [{"user_id": "customer"}]),
        users,
        Risk.frame(spark, [{"user_id": "today", "tier": "high"}]),
        date=datetime.date(2024, 6, 14),
        timezone="Asia/Shanghai",
    )
    told = [DailyUser.consent_marketing, DailyUser.risk_tier, DailyUser.recency_days, DailyUser.channel]
    rows = {row[0]: tuple(row)[1:] for row in found.select(DailyUser.user_id, *told).collect()}
    assert rows == {"today": (True, "high", 0, "app"), "stranger": (None, None, None, "app")}
