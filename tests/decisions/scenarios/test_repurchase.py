"""Repurchase: what is due by the user's own cadence."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.repurchase import REPURCHASE
from tests.decisions.scenarios.shop import DAY, rungs_of, targets_by_user, users


def test_repurchase_comes_when_it_is_due(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I11: a 30-day cadence is targeted on days 27–30, not on day 10."""

    def bought(days: int) -> dict[str, Any]:
        last = DAY - datetime.timedelta(days=days)
        milk = {
            "product_id": "milk",
            "orders": 4,
            "cadence_days": 30.0,
            "last_bought": last,
            "due_date": last + datetime.timedelta(days=30),
        }
        return {"user_id": f"day{days}", "repurchases": [milk]}

    buyers = users(spark, *[bought(days) for days in (10, 26, 27, 28, 29, 30, 31)])
    offers = targets_by_user(REPURCHASE, replace(inputs, users=buyers))
    assert set(offers) == {"day27", "day28", "day29", "day30"}
    offer = offers["day28"]
    assert rungs_of(offer) == [("0.05", "0.50"), ("0.10", "1.00"), ("0.15", "1.50")]
    assert offer.reason_codes == ["repurchase_due:2017-12-03", "bought_in_orders:4"]
