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
    """I19: min spend ≥ the usual basket, the median; users who hardly buy at a discount get no coupon.

    I02: reduction < threshold.
    """
    buyers = users(
        spark,
        {"user_id": "quiet", "lifecycle": "lost", "basket_median": 20.1, "recency_days": 130},
        {"user_id": "active", "lifecycle": "loyal", "basket_median": 20.0},
        {"user_id": "indifferent", "lifecycle": "lost", "basket_median": 20.0, "discounted_lines_share": 0.01},
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


def test_a_coupon_takes_off_no_more_than_a_share_of_its_budget(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """A single redemption never costs the budget of a day: the amount is cut, or there is no coupon."""
    buyers = users(
        spark,
        {"user_id": "large", "lifecycle": "lost", "basket_median": 200.0, "recency_days": 130},
        {"user_id": "bulk", "lifecycle": "lost", "basket_median": 38594.0, "recency_days": 1},
    )
    settings = inputs.settings.model_copy(
        update={"daily_budget": 500.0, "mechanic_budgets": {"coupon": 160.0}, "coupon_max_budget_share": 0.25}
    )
    offers = WIN_BACK.offers(replace(inputs, users=buyers, settings=settings)).collect()
    # large: 23% of 240 would be 55.20, cut to 160 / 4 = 40, still 15% of 240 (36) or more; bulk: 15% is 6946.95
    assert [(r.user_id, r.coupon_amount, r.min_spend) for r in offers] == [("large", 40, 240)]
