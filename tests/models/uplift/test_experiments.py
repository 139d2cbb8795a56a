"""Which experiments are evidence."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.silver import Assignments
from promo_spark.models.uplift.experiments import experiments, fault


def test_an_experiment_that_lost_users_of_an_arm_is_no_evidence(spark: SparkSession) -> None:
    """K06: arms of 400 and 600 as drawn are sound, and so are users who each had a probability of their own.

    Without a fifth of the control, 480 of 880 where 528 were drawn: 480 / 0.6 = 800 users instead of 880, an error of
    √(480 × 0.4) / 0.6 = 23.1: −3.5; the treated 400 / 0.4 = 1,000 instead of 880, by √(400 × 0.6) / 0.4 = 38.7: 3.1.
    That may be chance; without a third (667 and 1,000 instead of 800, by 21.1 and 38.7: −6.3 and 5.2) it is not.
    """
    draw = np.random.default_rng(1)
    own = draw.uniform(0.2, 0.8, 4_000)
    treated = draw.random(4_000) < own
    arms = {
        "drawn": [("t", 0.4)] * 400 + [("c", 0.6)] * 600,
        "fifth": [("t", 0.4)] * 400 + [("c", 0.6)] * 480,
        "third": [("t", 0.4)] * 400 + [("c", 0.6)] * 400,
        "own": [("t", p) if t else ("c", 1 - p) for p, t in zip(own.tolist(), treated.tolist(), strict=True)],
        "sure": [("t", 1.0)] * 10,
    }
    arms["own lost"] = [row for place, row in enumerate(arms["own"]) if row[0] == "t" or place % 4]
    rows = [
        {
            "campaign_id": name,
            "user_id": f"u{place}",
            "arm": arm,
            "propensity": round(p, 6),
            "depth": 0.1 * (arm == "t"),
        }
        for name, users in arms.items()
        for place, (arm, p) in enumerate(users)
    ]
    told = {row.campaign_id: row for row in experiments(Assignments.frame(spark, rows).repartition(3)).collect()}
    assert told["drawn"].off == 0.0 and told["fifth"].off == pytest.approx(-3.464, abs=0.001)
    assert told["third"].off == pytest.approx(-6.325, abs=0.001) and abs(told["own"].off) < 3
    faults = {name: fault(row.asDict()) for name, row in told.items()}
    sound = {name for name, why in faults.items() if not why}
    assert sound == {"drawn", "fifth", "own"} and faults["sure"] == "nobody is without an offer"
    assert faults["third"].startswith(
        "an arm has fewer users than were drawn, by 6.3 standard errors: users are missing"
    )
    assert told["own lost"].off < -4 and "fewer users than were drawn" in faults["own lost"]
