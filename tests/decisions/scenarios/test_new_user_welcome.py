"""New-user welcome: a coupon for the first order, once."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.new_user_welcome import NEW_USER_WELCOME
from tests.decisions.scenarios.shop import item, products, rungs_of, targets_by_user, users


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
    found = targets_by_user(
        NEW_USER_WELCOME, replace(inputs, users=visitors, everyone=visitors, earlier_promotions=earlier)
    )
    welcomes = {user: (target.min_spend, rungs_of(target)) for user, target in found.items()}
    assert welcomes == dict.fromkeys(("new", "offered"), (15, [("0.20", "3.00")]))


def test_a_welcome_leaves_the_minimum_margin_of_the_shop(spark: SparkSession, inputs: ScenarioInputs) -> None:
    visitors = users(spark, {"user_id": "new", "lifecycle": "new", "orders": 0})
    low_margin = products(spark, item("milk", unit_cost=9))
    offers = targets_by_user(NEW_USER_WELCOME, replace(inputs, products=low_margin, users=visitors, everyone=visitors))
    assert rungs_of(offers["new"]) == [("0.05", "0.78")]  # 15 × (1 − 0.9 / 0.95) = 0.789, down to the cent


def test_accounts_that_act_together_are_welcomed_once(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """J07: of a ring one account, and none where one was welcomed on an earlier date."""
    new = {"lifecycle": "new", "orders": 0}
    visitors = users(
        spark,
        *[new | {"user_id": f"ring1 {n}", "ring": 1} for n in range(4)],
        *[new | {"user_id": f"ring2 {n}", "ring": 2} for n in range(3)],
        new | {"user_id": "alone"},
    )
    earlier = Promotions.frame(spark, [{"user_id": "ring2 1", "scenario": "new_user_welcome"}])
    found = targets_by_user(
        NEW_USER_WELCOME, replace(inputs, users=visitors, everyone=visitors, earlier_promotions=earlier)
    )
    assert set(found) == {"ring1 0", "alone"}
    another = replace(inputs, users=visitors.filter("user_id = 'ring1 2'"), everyone=visitors)  # whose day is explained
    assert targets_by_user(NEW_USER_WELCOME, another) == {}
