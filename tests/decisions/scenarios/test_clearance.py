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
    """I13: less demand ahead gives a deeper markdown, a hot item none; the audience likes the item."""
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


def test_clearance_is_deeper_the_longer_the_stock_lasts(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """A18: what is on hand over the forecast of a day. I13: a cover of 120 days is cleared deeper than one of 60.

    F13: with the same forecast more on hand is never cleared less deep: 5 not at all, then 60, then 120.

    O07: what does not keep is cleared sooner.
    """
    on_hand = {"long": 120, "shorter": 60, "short": 5, "fresh": 5, "out of forecast": 90, "dead": 3}
    forecast = {"long": 1.0, "shorter": 1.0, "short": 1.0, "fresh": 1.0, "dead": 0.0}  # units of a day
    known = {"category": "dairy", "in_stock": True, "unit_cost": 4}
    stocked = [
        item(n, on_hand=units, shelf_life_days=4 if n == "fresh" else None, **known) for n, units in on_hand.items()
    ]
    rows = CLEARANCE.targets(
        replace(
            inputs,
            products=products(spark, *stocked, item("sold out", category="dairy", on_hand=0, in_stock=False)),
            users=users(spark, {"user_id": "fan", "interests": [{"category": "dairy", "share": 1.0}]}),
            forecasts=Forecasts.frame(
                spark,
                [
                    {"series_id": n, "level": "product", "item_id": n, "day": DAY, "units": units, "champion": True}
                    for n, units in forecast.items()
                ],
            ),
            settings=inputs.settings.model_copy(update={"clearance_cover_days": 45}),
        )
    )
    found = {products_of(row)[0]: (rungs_of(row)[-1][0], row.reason_codes[0]) for row in rows.collect()}
    assert found == {
        "long": ("0.39", "stock_lasts_days:120"),  # 20 % + 30 % × (1 − 45 / 120)
        "shorter": ("0.28", "stock_lasts_days:60"),  # 20 % + 30 % × (1 − 45 / 60) = 27.5 %
        "fresh": ("0.26", "stock_lasts_days:5"),  # of 4 days: 20 % + 30 % × (1 − 4 / 5)
        "out of forecast": ("0.35", "stock_lasts_days:90"),  # a unit a day was sold of late
        "dead": ("0.49", "stock_lasts_days:999"),  # 20 % + 30 % × (1 − 45 / 999) = 48.6 %
    }
