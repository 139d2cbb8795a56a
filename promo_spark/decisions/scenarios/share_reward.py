"""A coupon for users who shared something on social media, once the shop has checked that the post is there."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.silver import Events
from promo_spark.decisions.offers.targets import ProposedOffer, whole_shop
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user with a share of the day before that the shop has checked. → ProposedOffer.

    However many they are, there is one reward a day. The amounts and the minimum spend are those of with_basket_rungs.
    """
    checked = inputs.shares.filter(F.col(Events.verified)).groupBy(Events.user_id).agg(F.count("*").alias(_SHARES))
    sharers = inputs.users.join(checked, DailyUser.user_id, "inner")
    return whole_shop(
        inputs.with_basket_rungs(sharers, SHARE_REWARD.name, SHARE_REWARD.mechanic)
        .withColumn(ProposedOffer.appeal, F.lit(0.0))
        .withColumn(ProposedOffer.reason_codes, F.array(F.concat(F.lit("shared:"), F.col(_SHARES).cast("string"))))
    )


_SHARES = "shares_of_yesterday"

SHARE_REWARD = Scenario(
    "share_reward",
    mechanic="coupon",
    candidates=candidates,
    texts={
        "en-US": "Thank you for sharing: {amount} off your next order of {min_spend} or more, until {valid_to}.",
        "zh-CN": "感谢您的分享：下单满{min_spend}减{amount}，有效期至{valid_to}。",
    },
)
