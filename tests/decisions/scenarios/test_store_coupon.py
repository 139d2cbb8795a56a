"""Store coupon: who spends enough online gets a discount in the store."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.contracts.silver import OrderLines
from promo_spark.decisions.scenarios.inputs import ScenarioInputs, lines_of_late
from promo_spark.decisions.scenarios.store_coupon import STORE_COUPON
from tests.decisions.scenarios.shop import DAY, rungs_of, targets_by_user, users

NUMBER = iter(range(1, 1000))


def line(user: str, amount: str, *, ago: int = 5, quantity: int = 1, **facts: Any) -> dict[str, Any]:
    day = DAY - datetime.timedelta(ago)
    same = {"order_id": f"o{next(NUMBER)}", "line_no": 1, "product_id": "milk", "channel": "web", "order_date": day}
    return {"user_id": user, "amount_paid": amount, "quantity": quantity} | same | facts


def test_enough_spent_online_and_kept_earns_a_coupon_for_the_store(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I26, C20: X − 0.01 no, X yes, also of who never orders in a store.

    What is given back takes its money away; only online channels and the days count.
    """
    lines = {
        "just": [line("just", "20"), line("just", "30", channel="app", product_id="tea")],
        "short": [line("short", "49.99")],
        "returned": [line("returned", "50"), line("returned", "-50", ago=2, quantity=-1)],
        # given back in the store, which is no matter: 20 of 60 + 10 are left
        "elsewhere": [
            line("elsewhere", "60", quantity=3),
            line("elsewhere", "10", product_id="tea"),
            line("elsewhere", "-40", ago=2, quantity=-2, channel="store"),
        ],
        # one of three pieces is given back: 75 × 2 / 3
        "partly": [line("partly", "75", quantity=3), line("partly", "-25", ago=2, quantity=-1)],
        # the return is of what was bought before these days
        "old return": [line("old return", "50"), line("old return", "-50", ago=9, quantity=-1)],
        "in store": [line("in store", "49"), line("in store", "900", channel="store")],
        "unknown": [line("unknown", "50", channel=None)],
        "first day": [line("first day", "50", ago=30)],
        "too early": [line("too early", "50", ago=31)],
        "today": [line("today", "50", ago=0)],
        "nobody": [line("nobody", "50")],  # no user who may get offers
    }
    settings = inputs.settings.model_copy(update={"store_coupon_spend": 50.0, "store_coupon_days": 30})
    rows = OrderLines.frame(spark, [row for of in lines.values() for row in of])
    of = replace(
        inputs,
        settings=settings,
        users=users(spark, *[{"user_id": u, "basket_median": 20.0} for u in lines if u != "nobody"]),
        order_lines=lines_of_late(rows, DAY, settings),
    )
    found = targets_by_user(STORE_COUPON, of)
    assert {user: offer.reason_codes for user, offer in found.items()} == {
        "just": ["online_spend:50.00"],
        "partly": ["online_spend:50.00"],
        "old return": ["online_spend:50.00"],
        "first day": ["online_spend:50.00"],
    }


def test_the_coupon_is_one_for_the_store_in_the_users_region(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I26: a coupon on a basket that is larger than usual, in the store."""
    settings = inputs.settings.model_copy(update={"depth": {"store_coupon": [0.05, 0.15]}, "store_channel": "shop"})
    of = replace(
        inputs,
        settings=settings,
        users=users(spark, {"user_id": "anna", "basket_median": 20.0, "region": "North", "main_channel": "web"}),
        order_lines=OrderLines.frame(spark, [line("anna", "80")]),
    )
    offer = targets_by_user(STORE_COUPON, of)["anna"]
    assert (offer.mechanic, offer.channel, offer.min_spend, offer.parts) == ("coupon", "shop", 24, [])  # 20 × 1.2
    assert rungs_of(offer) == [("0.05", "1.20"), ("0.10", "2.40"), ("0.15", "3.60")]
    assert offer.reason_codes == ["online_spend:80.00", "region:North"]
