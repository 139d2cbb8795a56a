"""New-user welcome: a coupon for the first order, once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.decisions.offers.candidates import OfferCandidate
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.new_user_welcome import NEW_USER_WELCOME
from tests.decisions.scenarios.shop import item, offers_by_user, products, users


def test_only_users_without_orders_are_welcomed_and_once(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I10: a user with one order is not eligible; granted at most once."""
    visitors = users(
        spark,
        {"user_id": "new", "lifecycle": "new", "orders": 0},
        {"user_id": "welcomed", "lifecycle": "new", "orders": 0},
        {"user_id": "offered", "lifecycle": "new", "orders": 0},
        {"user_id": "one order", "lifecycle": "first_time", "orders": 1},
    )
    earlier = Promotions.frame(
        spark,
        [
            {"user_id": "welcomed", "scenario": "new_user_welcome"},
            {"user_id": "offered", "scenario": "recommended_item"},  # another offer does not count as a welcome
        ],
    )
    offers = NEW_USER_WELCOME.offers(replace(inputs, users=visitors, earlier_promotions=earlier))
    coupons = [{"user_id": u, "coupon_amount": 3, "min_spend": 15} for u in ("new", "offered")]
    assert_df_equality(
        offers.select(*coupons[0]),
        OfferCandidate.frame(spark, coupons).select(*coupons[0]),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )


def test_a_welcome_leaves_the_minimum_margin_of_the_shop(spark: SparkSession, inputs: ScenarioInputs) -> None:
    visitors = users(spark, {"user_id": "new", "lifecycle": "new", "orders": 0})
    low_margin = products(spark, item("milk", unit_cost=9))
    offers = offers_by_user(NEW_USER_WELCOME, replace(inputs, products=low_margin, users=visitors))
    assert offers["new"].coupon_amount == Decimal("0.78")  # 15 × (1 − 0.9 / 0.95) = 0.789, down to the cent
