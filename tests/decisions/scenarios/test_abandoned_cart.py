"""Abandoned cart: what was put there and not bought."""

from __future__ import annotations

import datetime
from dataclasses import replace

from pyspark.sql import SparkSession

from promo_spark.contracts.predictions import Opportunities
from promo_spark.decisions.scenarios.abandoned_cart import ABANDONED_CART
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from tests.decisions.scenarios.shop import products_of, targets_by_user, users


def test_what_is_left_in_the_cart_is_offered(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """Only what was put there by the user and may be offered; an opportunity of another kind is none."""
    since = datetime.date(2017, 11, 29)
    opportunities = Opportunities.frame(
        spark,
        [
            {"user_id": "hesitant", "kind": "cart", "item": "milk", "strength": 0.4, "since": since},
            {"user_id": "hesitant", "kind": "cart", "item": "not for sale", "since": since},
            {"user_id": "missing", "kind": "category_gap", "item": "bread", "strength": 0.9},  # as bread's category is
            {"user_id": "excluded", "kind": "cart", "item": "milk", "since": since},  # may not get offers
        ],
    )
    of = replace(inputs, users=users(spark, {"user_id": "hesitant"}, {"user_id": "missing"}))
    [(user, offer)] = targets_by_user(ABANDONED_CART, replace(of, opportunities=opportunities)).items()
    assert (user, products_of(offer), offer.appeal) == ("hesitant", ["milk"], 0.4)
    assert offer.reason_codes == ["in_cart_since:2017-11-29"]
