"""Recommended item: what the recommender ranks high."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from promo_spark.contracts.models import Recommendations
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.recommended_item import RECOMMENDED_ITEM
from tests.decisions.scenarios.shop import products_of, rungs_of, users


def test_recommended_items_are_proposed_at_every_depth(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I15: only what is recommended to the user. I18: at the same depths for everyone, within bounds."""
    readers = users(
        spark,
        {"user_id": "cool"},
        {"user_id": "keen"},
        {"user_id": "unknown"},  # nothing is recommended
    )
    recommendations = Recommendations.frame(
        spark,
        [
            {"user_id": "cool", "rank": 1, "product_id": "milk", "source": "als"},
            {"user_id": "keen", "rank": 2, "product_id": "bread", "source": "als"},
            {"user_id": "keen", "rank": 1, "product_id": "not for sale", "source": "als"},
            {"user_id": "excluded", "rank": 1, "product_id": "milk", "source": "als"},  # may not get offers
        ],
    )
    rows = RECOMMENDED_ITEM.targets(replace(inputs, users=readers, recommendations=recommendations)).collect()
    depths = [("0.05", "0.50"), ("0.10", "1.00"), ("0.15", "1.50"), ("0.20", "2.00")]  # of 10, the same for everyone
    assert {(row.user_id, *products_of(row)): rungs_of(row) for row in rows} == {
        ("cool", "milk"): depths,
        ("keen", "bread"): depths,
    }
    assert {row.user_id: row.reason_codes for row in rows} == {
        "cool": ["recommended:als:1"],
        "keen": ["recommended:als:2"],
    }
