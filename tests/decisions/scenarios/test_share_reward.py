"""Share reward: whoever shared something, and it is there, gets a coupon."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.contracts.silver import Events
from promo_spark.decisions.risk_gate import allowed_by_risk
from promo_spark.decisions.scenarios.inputs import ScenarioInputs, shares_of_yesterday
from promo_spark.decisions.scenarios.share_reward import SHARE_REWARD
from tests.decisions.scenarios.shop import DAY, targets_by_user, users


def share(user: str, *, ago: int = 1, **facts: Any) -> dict[str, Any]:
    day = DAY - datetime.timedelta(ago)
    return {"user_id": user, "event_type": "share", "event_date": day, "verified": True} | facts


def test_a_share_that_is_there_is_rewarded_once_a_day(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I27, O08: 3 shares a day give 1 reward; an account of high risk gets none."""
    events = [
        *[share("keen")] * 3,
        share("once"),
        share("false", verified=False),
        share("unchecked", verified=None),
        share("viewer", event_type="view"),
        share("before", ago=2),
        share("today", ago=0),
        share("risky"),
    ]
    everyone = {row["user_id"] for row in events}
    of = replace(
        inputs,
        users=users(
            spark,
            *[
                {"user_id": user, "basket_median": 20.0, "risk_tier": "high" if user == "risky" else "low"}
                for user in sorted(everyone)
            ],
        ),
        shares=shares_of_yesterday(Events.frame(spark, events), DAY),
    )
    found = targets_by_user(SHARE_REWARD, of)
    assert {user: offer.reason_codes for user, offer in found.items()} == {
        "keen": ["shared:3"],
        "once": ["shared:1"],
        "risky": ["shared:1"],
    }
    assert (found["keen"].mechanic, found["keen"].min_spend, found["keen"].parts) == ("coupon", 24, [])  # 20 × 1.2
    allowed = allowed_by_risk(SHARE_REWARD.targets(of), of.users, no_coupon=["high"])
    assert sorted(row.user_id for row in allowed.collect()) == ["keen", "once"]
