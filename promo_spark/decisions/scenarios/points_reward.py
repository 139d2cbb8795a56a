"""Points for members of the loyalty programme on what they are likely to buy."""

from __future__ import annotations

from pyspark.sql import DataFrame

from promo_spark.decisions.offers.targets import single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.members_only import likely_of_members
from promo_spark.decisions.scenarios.scenario import Scenario


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per member and product that a purchase is foretold of. → ProposedOffer. Appeal: how likely it is.

    The price at the till stays; `offer_price` is what is left after the points. They are booked in decisions.points.
    """
    return single_item(inputs.with_item_rungs(likely_of_members(inputs), POINTS_REWARD.name))


POINTS_REWARD = Scenario(
    "points_reward",
    mechanic="points",
    candidates=candidates,
    texts={
        "en-US": "Collect points: {back} for each {title} that you buy at {charged} until {valid_to} and keep.",
        "zh-CN": "攒积分：{valid_to}前购买{title}（现价{charged}）且未退货，每件得价值{back}的积分。",
    },
)
