"""A discount on products that the recommender ranks high for the user."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.models import Recommendations
from promo_spark.decisions.offers.targets import ProposedOffer, single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and recommended product that may be offered. → ProposedOffer.

    Appeal: the recommender's rank.
    """
    return single_item(
        inputs.with_item_rungs(inputs.recommended_products(), RECOMMENDED_ITEM.name).withColumns(by_rank())
    )


def by_rank() -> dict[str, Column]:
    """Appeal and reason of a recommended product, as columns of ProposedOffer. Of Recommendations."""
    rank, source = Recommendations.rank, Recommendations.source
    return {
        ProposedOffer.appeal: -F.col(rank).cast("double"),
        ProposedOffer.reason_codes: F.array(F.concat_ws(":", F.lit("recommended"), source, rank)),
    }


RECOMMENDED_ITEM = Scenario(
    "recommended_item",
    mechanic="discount",
    candidates=candidates,
    texts={
        "en-US": "Picked for you: {title}, {percent}% off: {offer} instead of {charged}, until {valid_to}.",
        "zh-CN": "为您推荐：{title}，立减{percent}%：{offer}（现价{charged}），有效期至{valid_to}。",
    },
)
