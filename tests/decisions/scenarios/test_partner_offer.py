"""Partner offers: deeper discounts for those who buy what a partner pays a share of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.decisions.offers.funds import ProductFunds
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.partner_offer import PARTNER_OFFER
from promo_spark.decisions.scenarios.repurchase import REPURCHASE
from tests.decisions.scenarios.shop import DAY, products_of, rungs_of, targets_by_user, users

BOUGHT = [
    {"user_id": "buyer", "product_id": "milk", "source": "own", "p_offer": 0.3},
    {"user_id": "buyer", "product_id": "bread", "source": "own", "p_offer": 0.9},
    {"user_id": "other", "product_id": "milk", "source": "recommended", "p_offer": 0.3},
    {"user_id": "stranger", "product_id": "bread", "source": "own", "p_offer": 0.3},
]


def proposing(spark: SparkSession, inputs: ScenarioInputs, *funds: Any) -> ScenarioInputs:
    """Users of whom one bought milk and bread; the funds name milk."""
    entries = [{"product_id": "milk", "funds": list(funds)}] if funds else []
    return replace(
        inputs,
        users=users(spark, *({"user_id": user} for user in ("buyer", "other", "stranger"))),
        item_propensity=ItemPropensity.frame(spark, BOUGHT),
        funds=ProductFunds.frame(spark, entries),
    )


def fund(end_date: Any = None) -> tuple[Any, ...]:
    return (Decimal("-0.4"), "alpen", "Alpen AG", Decimal("0.4"), end_date, True)


def test_buyers_of_the_partner_get_a_deeper_discount(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I16: who bought what the partner pays for, and nobody else; deeper than what others offer of it."""
    of = proposing(spark, inputs, fund())
    found = targets_by_user(PARTNER_OFFER, of)
    assert list(found) == ["buyer"] and products_of(found["buyer"]) == ["milk"]
    assert found["buyer"].reason_codes == ["buys_of_partner:Alpen AG"]
    assert rungs_of(found["buyer"])[-1] == ("0.40", "4.00") and of.bounds("repurchase")[1] < 0.4
    assert PARTNER_OFFER.needs_fund and not REPURCHASE.needs_fund


@pytest.mark.parametrize("funds", [(), (fund(DAY),)])  # none, or one that ends before the offer would
def test_without_a_fund_there_is_nothing_to_propose(spark: SparkSession, inputs: ScenarioInputs, funds: Any) -> None:
    assert targets_by_user(PARTNER_OFFER, proposing(spark, inputs, *funds)) == {}
