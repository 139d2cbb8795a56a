"""Likely buyer: users of whom it is open whether they will order."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from promo_spark.contracts.predictions import Propensity
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.likely_buyer import LIKELY_BUYER
from tests.decisions.scenarios.shop import rungs_of, targets_by_user, users


def test_only_chances_within_the_bounds_trigger_a_coupon(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I14: whoever comes anyway, or hardly, gets none, nor does a user without any foretold order."""
    chances = {"hardly": 0.19, "may": 0.2, "perhaps": 0.6, "surely": 0.61}
    propensity = Propensity.frame(
        spark,
        [{"user_id": user, "target": "order_14d", "p": p} for user, p in chances.items()]
        + [
            {"user_id": "surely", "target": "lapse", "p": 0.5},
            {"user_id": "indifferent", "target": "order_14d", "p": 0.5},
        ],
    )
    buyers = users(
        spark,
        *({"user_id": user, "basket_median": 40.0} for user in (*chances, "unknown")),
        {"user_id": "indifferent", "basket_median": 40.0, "discounted_lines_share": 0.01},
    )
    settings = inputs.settings.model_copy(update={"likely_buyer_bounds": [0.2, 0.6]})
    found = targets_by_user(LIKELY_BUYER, replace(inputs, users=buyers, propensity=propensity, settings=settings))
    assert {user: offer.reason_codes for user, offer in found.items()} == {
        "may": ["order_within_14d_percent:20"],
        "perhaps": ["order_within_14d_percent:60"],
    }
    assert rungs_of(found["may"])[0] == ("0.05", "2.40")  # of 48, 1.2 × the usual basket
