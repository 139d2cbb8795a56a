"""Clearance: products whose sales are falling."""

from __future__ import annotations

from dataclasses import replace

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.contracts.models import Forecasts
from promo_spark.decisions.offers.candidates import OfferCandidate
from promo_spark.decisions.response import PurchaseHistory
from promo_spark.decisions.scenarios.clearance import CLEARANCE
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from tests.decisions.scenarios.shop import DAY, item, products, users


def test_clearance_is_deeper_the_steeper_the_fall(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I13: less demand ahead gives a deeper markdown, a hot item none; the audience likes the item (no stock yet)."""
    units_a_day = {"fading": 0.25, "dead": 0.0, "hot": 2.0}  # 28 were sold in 28 days, so trend 0.25, 0, 2
    forecasts = Forecasts.frame(
        spark,
        [
            {
                "series_id": f"product:{product}",
                "level": "product",
                "item_id": product,
                "day": DAY,
                "model": model,
                "units": units,
                "champion": model == "best",
            }
            for product, of_champion in units_a_day.items()
            for model, units in [("best", of_champion), ("other", 0.0)]
        ],
    )
    shoppers = users(
        spark,
        {"user_id": "fan", "interests": [{"category": "dairy", "share": 1.0}]},
        {"user_id": "buyer"},
        {"user_id": "stranger"},
    )
    offers = CLEARANCE.offers(
        replace(
            inputs,
            products=products(spark, *[item(name, category="dairy") for name in units_a_day]),
            users=shoppers,
            purchases=PurchaseHistory.frame(spark, [{"user_id": "buyer", "product_id": "dead", "orders": 1}]),
            forecasts=forecasts,
        )
    )
    expected = OfferCandidate.frame(
        spark,
        [
            {
                "user_id": "fan",
                "product_ids": ["fading"],
                "discount_rate": "0.35",  # half the way from 20 to 50%
                "reason_codes": ["forecast_of_last_sales:0.25", "interest:dairy"],
            },
            {
                "user_id": "fan",
                "product_ids": ["dead"],
                "discount_rate": "0.47",  # 50%, cut by the floor of 5.27
                "reason_codes": ["forecast_of_last_sales:0.0", "interest:dairy"],
            },
            {
                "user_id": "buyer",
                "product_ids": ["dead"],
                "discount_rate": "0.47",
                "reason_codes": ["forecast_of_last_sales:0.0", "bought_before"],
            },
        ],
    )
    terms = (
        OfferCandidate.user_id,
        OfferCandidate.product_ids,
        OfferCandidate.discount_rate,
        OfferCandidate.reason_codes,
    )
    assert_df_equality(
        offers.select(*terms),
        expected.select(*terms),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )
