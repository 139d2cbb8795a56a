"""Spend and save: an amount off every basket that is larger than usual."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.spend_and_save import SPEND_AND_SAVE
from tests.decisions.scenarios.shop import rungs_of, targets_by_user, users


def test_whoever_buys_steadily_saves_on_a_larger_basket(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I02: the threshold is 1.2 × the user's usual basket, the reduction below it, and the margin floor holds."""
    buyers = users(
        spark,
        {"user_id": "steady", "lifecycle": "loyal", "basket_median": 40.0},
        {"user_id": "quiet", "lifecycle": "lost", "basket_median": 40.0},
        {"user_id": "first", "lifecycle": "loyal"},  # no basket
    )
    settings = inputs.settings.model_copy(update={"depth": {"spend_and_save": [0.05, 0.15]}})
    [(user, offer)] = targets_by_user(SPEND_AND_SAVE, replace(inputs, users=buyers, settings=settings)).items()
    assert (user, offer.mechanic, offer.min_spend, offer.parts) == ("steady", "threshold", 48, [])  # 40 × 1.2
    assert rungs_of(offer) == [("0.05", "2.40"), ("0.10", "4.80"), ("0.15", "7.20")]
    assert offer.reason_codes == ["lifecycle:loyal", "usual_basket:40.00"]


def test_it_falls_under_its_own_budget(spark: SparkSession, inputs: ScenarioInputs) -> None:
    buyers = users(spark, {"user_id": "steady", "lifecycle": "loyal", "basket_median": 40.0})
    settings = inputs.settings.model_copy(update={"mechanic_budgets": {"threshold": 12.0, "coupon": 1.0}})
    [offer] = targets_by_user(SPEND_AND_SAVE, replace(inputs, users=buyers, settings=settings)).values()
    assert rungs_of(offer) == [("0.05", "2.40"), ("0.06", "2.88")]  # a quarter of 12 is 6.25 % of 48, in whole percents
