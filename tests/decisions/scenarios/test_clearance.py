"""Clearance: products whose sales are falling."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from promo_spark.contracts.models import Forecasts
from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.decisions.scenarios.clearance import CLEARANCE
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from tests.decisions.scenarios.shop import DAY, item, products, products_of, rungs_of, users


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
    rows = CLEARANCE.targets(
        replace(
            inputs,
            products=products(spark, *[item(name, category="dairy") for name in units_a_day]),
            users=shoppers,
            item_propensity=ItemPropensity.frame(
                spark,
                [
                    {"user_id": "buyer", "product_id": "dead", "source": "own"},
                    {"user_id": "stranger", "product_id": "dead", "source": "recommended"},  # never bought
                ],
            ),
            forecasts=forecasts,
        )
    )
    found = {(row.user_id, *products_of(row)): (rungs_of(row)[-1][0], row.reason_codes) for row in rows.collect()}
    assert found == {
        # half the way from 20 to 50 %
        ("fan", "fading"): ("0.35", ["forecast_of_last_sales:0.25", "interest:dairy"]),
        # 50 %, cut by the floor of 5.27
        ("fan", "dead"): ("0.47", ["forecast_of_last_sales:0.0", "interest:dairy"]),
        ("buyer", "dead"): ("0.47", ["forecast_of_last_sales:0.0", "bought_before"]),
    }
