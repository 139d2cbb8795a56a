"""Win-back: a coupon for users who have gone quiet."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.win_back import WIN_BACK
from tests.decisions.scenarios.shop import rungs_of, targets_by_user, users


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
    [(user, coupon)] = targets_by_user(WIN_BACK, replace(inputs, users=buyers)).items()
    assert (user, coupon.min_spend) == ("quiet", 25)  # 20.10 × 1.2 = 24.12, up to the whole unit
    assert rungs_of(coupon) == [("0.15", "3.75"), ("0.20", "5.00"), ("0.25", "6.25"), ("0.30", "7.50")]  # of 25
    assert coupon.parts == [] and coupon.reason_codes == ["lifecycle:lost", "days_since_order:130"]


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
    coupons = targets_by_user(WIN_BACK, replace(inputs, users=buyers, settings=settings))
    # large: 160 / 4 = 40 at most, which is 16 % of 240 in whole percents; bulk: 15 % would be 6946.95
    assert {user: (target.min_spend, rungs_of(target)) for user, target in coupons.items()} == {
        "large": (240, [("0.15", "36.00"), ("0.16", "38.40")])
    }
