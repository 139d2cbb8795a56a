"""A shop of two products, and rows of users: what the tests of scenarios start from."""

from __future__ import annotations

import datetime
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.offers.exclusions import ExcludedProduct
from promo_spark.decisions.offers.products import offerable_products
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario

DAY = datetime.date(2017, 12, 1)


def item(product_id: str, **facts: Any) -> dict[str, Any]:
    """A promotable product at 10.00 that costs 5.00: at most 47% may come off."""
    plain = {
        "title": product_id,
        "category": product_id,
        "subcategory": product_id,
        "promotable": True,
        "list_price": 10,
        "charged_price": facts.get("list_price", 10),
        "unit_cost": 5,
        "units_28d": 28,
    }
    return {"product_id": product_id} | plain | facts


def products(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    nothing = ExcludedProduct.frame(spark)
    return offerable_products(ProductProfile.frame(spark, rows), nothing, min_margin=0.05, digits=2)


def users(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    return UserEligibility.frame(spark, [{"discounted_lines_share": 0.5} | r for r in rows])


def targets_by_user(scenario: Scenario, inputs: ScenarioInputs) -> dict[str, Row]:
    """The one thing per user that the scenario proposes."""
    rows = scenario.targets(inputs).collect()
    assert len(rows) == len({r.user_id for r in rows})
    return {r.user_id: r for r in rows}


def rungs_of(target: Row) -> list[tuple[str, str]]:
    """The depths of a target: share and amount off, as texts."""
    return [(f"{rung.rate:.2f}", f"{rung.off:.2f}") for rung in target.rungs]


def products_of(target: Row) -> list[str]:
    return [part.product_id for part in target.parts]
