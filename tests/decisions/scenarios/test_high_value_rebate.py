"""High-value rebate: money back for the best customers."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.decisions.scenarios.high_value_rebate import HIGH_VALUE_REBATE
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from tests.decisions.scenarios.shop import products_of, targets_by_user, users


def test_only_the_best_customers_get_money_back(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I08 (part: audience and price): of what each is likeliest to buy, as many as a scenario may propose."""
    buyers = users(spark, {"user_id": "best", "lifecycle": "high_value"}, {"user_id": "loyal", "lifecycle": "loyal"})
    likely = [
        {"user_id": user, "product_id": product, "p_offer": p}
        for user in ("best", "loyal")
        for product, p in (("milk", 0.3), ("bread", 0.4), ("not for sale", 0.9))
    ]
    settings = inputs.settings.model_copy(update={"candidates_per_scenario": 1})
    of = replace(inputs, users=buyers, item_propensity=ItemPropensity.frame(spark, likely), settings=settings)
    [(user, offer)] = targets_by_user(HIGH_VALUE_REBATE, of).items()
    assert (user, products_of(offer), offer.mechanic) == ("best", ["bread"], "rebate")
    assert offer.reason_codes == ["lifecycle:high_value"]
