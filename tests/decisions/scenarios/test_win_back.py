"""Win-back: a coupon for users who have gone quiet."""

from __future__ import annotations

from dataclasses import replace

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.decisions.offers.candidates import OfferCandidate
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.win_back import WIN_BACK
from tests.decisions.scenarios.shop import users


def test_win_back_stretches_the_basket_of_quiet_users_who_like_discounts(
    spark: SparkSession, inputs: ScenarioInputs
) -> None:
    """I19: min spend ≥ mean basket; users who hardly buy at a discount get no coupon. I02: reduction < threshold."""
    buyers = users(
        spark,
        {"user_id": "quiet", "lifecycle": "lost", "basket_value": 20.1, "recency_days": 130},
        {"user_id": "active", "lifecycle": "loyal", "basket_value": 20.0},
        {"user_id": "indifferent", "lifecycle": "lost", "basket_value": 20.0, "discounted_lines_share": 0.01},
    )
    coupon = {
        "user_id": "quiet",
        "min_spend": 25,  # 20.10 × 1.2 = 24.12, up to the whole unit
        "coupon_amount": "5.75",  # 15 + 0.5 × (30 − 15) = 22.5 → 23% of 25
        "margin_if_used": "6.75",  # half of 25 less the coupon
        "text": "We have missed you: 5.75 USD off when you spend 25.00 USD or more, until 2017-12-07.",
        "reason_codes": ["lifecycle:lost", "days_since_order:130"],
    }
    assert_df_equality(
        WIN_BACK.offers(replace(inputs, users=buyers)).select(*coupon),
        OfferCandidate.frame(spark, [coupon]).select(*coupon),
        ignore_nullable=True,
        ignore_metadata=True,
    )
