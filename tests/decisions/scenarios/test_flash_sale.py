"""Flash sale: what is recommended, for few days."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import SparkSession

from promo_spark.contracts.models import Recommendations
from promo_spark.decisions.scenarios.flash_sale import FLASH_SALE
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.recommended_item import RECOMMENDED_ITEM
from tests.decisions.scenarios.shop import products_of, rungs_of, targets_by_user, users


def test_a_flash_sale_is_deeper_and_shorter_than_a_recommended_item(
    spark: SparkSession, inputs: ScenarioInputs
) -> None:
    """I01: at the depths and for the days of the settings; days are counted with the first."""
    recommendations = Recommendations.frame(
        spark,
        [
            {"user_id": "reader", "rank": 1, "product_id": "milk", "source": "als"},
            {"user_id": "excluded", "rank": 1, "product_id": "milk", "source": "als"},  # may not get offers
        ],
    )
    of = replace(inputs, users=users(spark, {"user_id": "reader"}), recommendations=recommendations)
    sale, usual = targets_by_user(FLASH_SALE, of)["reader"], targets_by_user(RECOMMENDED_ITEM, of)["reader"]
    assert products_of(sale) == products_of(usual) == ["milk"] and sale.reason_codes == ["recommended:als:1"]
    assert (sale.mechanic, sale.days, usual.days) == ("flash", 2, 7)
    assert [rate for rate, _ in rungs_of(sale)] == ["0.10", "0.15", "0.20", "0.25", "0.30"]
