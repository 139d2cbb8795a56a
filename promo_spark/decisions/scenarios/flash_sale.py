"""A deeper discount for few days on what the recommender ranks high for the user."""

from __future__ import annotations

from pyspark.sql import DataFrame

from promo_spark.decisions.offers.targets import single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.recommended_item import by_rank
from promo_spark.decisions.scenarios.scenario import Scenario


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and recommended product that may be offered. → ProposedOffer. Appeal: the recommender's rank."""
    return single_item(inputs.with_item_rungs(inputs.recommended_products(), FLASH_SALE.name).withColumns(by_rank()))


FLASH_SALE = Scenario(
    "flash_sale",
    mechanic="flash",
    candidates=candidates,
    texts={
        "en-US": "Only until {valid_to}: {title}, {percent}% off: {offer} instead of {charged}.",
        "zh-CN": "限时抢购，仅到{valid_to}：{title}，立减{percent}%：{offer}（现价{charged}）。",
    },
    days=lambda settings: settings.flash_days,
)
