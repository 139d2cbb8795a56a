"""A discount for members of the loyalty programme on what they are likely to buy."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.targets import ProposedOffer, single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per member and product that a purchase is foretold of. → ProposedOffer. Appeal: how likely it is."""
    return single_item(inputs.with_item_rungs(likely_of_members(inputs), MEMBERS_ONLY.name))


def likely_of_members(inputs: ScenarioInputs) -> DataFrame:
    """One row per member and product that a purchase is foretold of. → OfferableProduct, user_id, appeal, reason_codes.

    Members are users in the tiers of the settings, or in any tier where the settings name none.
    """
    tier, tiers = F.col(DailyUser.member_tier), inputs.settings.member_tiers
    members = inputs.users.filter(tier.isin(tiers) if tiers else tier.isNotNull())
    return inputs.likely_products(members.select(DailyUser.user_id, tier)).withColumn(
        ProposedOffer.reason_codes, F.array(F.concat(F.lit("member_tier:"), tier))
    )


MEMBERS_ONLY = Scenario(
    "members_only",
    mechanic="discount",
    candidates=candidates,
    texts={
        "en-US": "For members only: {title}, {percent}% off: {offer} instead of {charged}, until {valid_to}.",
        "zh-CN": "会员专享：{title}，立减{percent}%：{offer}（现价{charged}），有效期至{valid_to}。",
    },
)
