"""Recommended item: what the recommender ranks high, deeper for users who like discounts."""

from __future__ import annotations

from dataclasses import replace

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.contracts.models import Recommendations
from promo_spark.decisions.offers.candidates import OfferCandidate
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.recommended_item import RECOMMENDED_ITEM
from tests.decisions.scenarios.shop import users


def test_recommended_items_get_a_depth_by_the_users_eagerness(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I15: only what is recommended to the user. I18: the keener on discounts, the deeper, within bounds."""
    readers = users(
        spark,
        {"user_id": "cool", "discounted_lines_share": 0.0},
        {"user_id": "keen", "discounted_lines_share": 1.0},
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
    offers = RECOMMENDED_ITEM.offers(replace(inputs, users=readers, recommendations=recommendations))
    expected = OfferCandidate.frame(
        spark,
        [
            {
                "user_id": "cool",
                "product_ids": ["milk"],
                "discount_rate": "0.05",  # the least
                "reason_codes": ["recommended:als:1"],
            },
            {
                "user_id": "keen",
                "product_ids": ["bread"],
                "discount_rate": "0.20",  # the greatest
                "reason_codes": ["recommended:als:2"],
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
