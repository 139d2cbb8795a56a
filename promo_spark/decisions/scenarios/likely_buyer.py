"""A coupon for users of whom it is open whether they will order soon: neither sure to come nor sure to stay away."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.predictions import Propensity
from promo_spark.decisions.offers.targets import ProposedOffer, whole_shop
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user whose chance of an order within 14 days lies within the settings' bounds. → ProposedOffer.

    The amounts and the minimum spend are those of with_basket_rungs. Appeal: the chance.
    """
    least, greatest = inputs.settings.likely_buyer_bounds
    chance = F.col(Propensity.p)
    foretold = inputs.propensity.filter(
        (F.col(Propensity.target) == "order_14d") & chance.between(F.lit(least), F.lit(greatest))
    ).select(Propensity.user_id, chance)
    open_users = inputs.users.filter(
        F.col(DailyUser.discounted_lines_share) >= inputs.settings.coupon_min_discounted_share
    ).join(foretold, DailyUser.user_id, "inner")
    percent = F.round(chance * 100).cast("int").cast("string")
    return whole_shop(
        inputs.with_basket_rungs(open_users, LIKELY_BUYER.name, LIKELY_BUYER.mechanic)
        .withColumn(ProposedOffer.appeal, chance)
        .withColumn(ProposedOffer.reason_codes, F.array(F.concat(F.lit("order_within_14d_percent:"), percent)))
    )


LIKELY_BUYER = Scenario(
    "likely_buyer",
    mechanic="coupon",
    candidates=candidates,
    texts={
        "en-US": "For your next order: {amount} off when you spend {min_spend} or more, until {valid_to}.",
        "zh-CN": "下一单满{min_spend}减{amount}，有效期至{valid_to}。",
    },
)
