"""Members only: offers for those in the loyalty programme."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.members_only import MEMBERS_ONLY
from promo_spark.decisions.scenarios.points_reward import POINTS_REWARD
from promo_spark.decisions.scenarios.scenario import Scenario
from tests.decisions.scenarios.shop import products_of, targets_by_user, users


@pytest.mark.parametrize("scenario", [MEMBERS_ONLY, POINTS_REWARD], ids=lambda scenario: scenario.name)
@pytest.mark.parametrize(("tiers", "members"), [([], {"silver", "gold"}), (["gold"], {"gold"})])
def test_only_members_get_it(
    spark: SparkSession, inputs: ScenarioInputs, tiers: list[str], members: set[str], scenario: Scenario
) -> None:
    """I07: a user without a tier never gets it, nor one of a tier that the settings do not name."""
    buyers = users(spark, *({"user_id": tier, "member_tier": tier} for tier in ("silver", "gold")), {"user_id": "none"})
    likely = [{"user_id": user, "product_id": "milk", "p_offer": 0.3} for user in ("silver", "gold", "none")]
    settings = inputs.settings.model_copy(update={"member_tiers": tiers})
    of = replace(inputs, users=buyers, item_propensity=ItemPropensity.frame(spark, likely), settings=settings)
    found = targets_by_user(scenario, of)
    assert {user: offer.reason_codes for user, offer in found.items()} == {m: [f"member_tier:{m}"] for m in members}
    assert all(products_of(offer) == ["milk"] for offer in found.values())
