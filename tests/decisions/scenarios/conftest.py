"""Inputs of scenarios that a test replaces in part."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.models import BasketRules, Forecasts, Recommendations
from promo_spark.contracts.predictions import ItemPropensity, Opportunities, Propensity
from promo_spark.contracts.silver import Events, Holidays, OrderLines
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.offers.funds import ProductFunds
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.settings import Settings
from tests.decisions.scenarios.shop import DAY, item, products


@pytest.fixture
def inputs(spark: SparkSession, settings: Settings) -> ScenarioInputs:
    """A shop of milk and bread, and nothing else; a test replaces what it is about."""
    return ScenarioInputs(
        date=DAY,
        currency="USD",
        settings=settings.promote,
        users=UserEligibility.frame(spark),
        everyone=UserEligibility.frame(spark),
        products=products(spark, item("milk"), item("bread")),
        funds=ProductFunds.frame(spark),
        item_propensity=ItemPropensity.frame(spark),
        recommendations=Recommendations.frame(spark),
        rules=BasketRules.frame(spark),
        forecasts=Forecasts.frame(spark),
        propensity=Propensity.frame(spark),
        opportunities=Opportunities.frame(spark),
        holidays=Holidays.frame(spark),
        order_lines=OrderLines.frame(spark),
        shares=Events.frame(spark),
        earlier_promotions=Promotions.frame(spark),
    )
