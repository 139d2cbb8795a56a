"""Limits are counted again before the commit: budgets, funds, departments, groups of users, stock, linked accounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.errors import InvariantError
from promo_spark.settings import Settings
from tests.decisions.decided_rows import (
    NONE,
    OFFER,
    check,
    users_of_the_day,
)


def test_a_cent_above_the_budget_is_a_breach(spark: SparkSession, settings: Settings) -> None:
    """I29: not one cent above, and a budget without its row is named."""
    users = users_of_the_day(spark, ("a", True, None, "treatment"))
    with pytest.raises(InvariantError, match=r"(?s)for 2017-12-01 .*no budget is exceeded: broken by 1, such as daily"):
        check(settings, [OFFER | {"user_id": "a"}], users, reserved="0.05", planned="0.04")


def test_a_fund_may_pay_all_and_its_budget_and_a_campaign_s_hold(spark: SparkSession, settings: Settings) -> None:
    """What falls under a fund or a campaign is summed anew: the fund's part, and what the shop reserves."""
    users = users_of_the_day(spark, ("a", True, None, "treatment"))
    paid = OFFER | {"user_id": "a", "fund_id": "f", "fund_cost": "0.40", "expected_cost": 0, "campaign_id": "c"}
    check(settings, [paid], users, reserved="0", planned="1", of_others={"fund:f": "0.40", "campaign:c": "0"})
    with pytest.raises(InvariantError, match=r"no budget is exceeded: broken by 1, such as fund:f"):
        check(settings, [paid], users, reserved="0", planned="0.39", of_others={"fund:f": "0.40"})
    with pytest.raises(InvariantError, match=r"the sum of its offers' costs, .*: broken by 1, such as campaign:c"):
        check(settings, [paid], users, reserved="0", planned="1", of_others={"campaign:c": "0.40"})


def test_a_department_s_budget_holds_what_its_products_cost(spark: SparkSession, settings: Settings) -> None:
    """A bundle of two departments counts its whole cost against each, one of two products of a department once.

    Of drinks: 0.05 + 0.06 = 0.11, of dairy 0.05.
    """
    users = users_of_the_day(spark, ("a", True, None, "treatment"), ("b", True, None, "treatment"))
    both = {"product_ids": ["milk", "tea"], "expected_units": [Decimal(1)] * 2}
    rows = [
        OFFER | both | {"user_id": "a"},
        OFFER | {"user_id": "b", "product_ids": ["tea"], "expected_cost": "0.06"},
    ]
    right = {"department:drinks": "0.11", "department:dairy": "0.05"}
    of_dairy = {"department:dairy": 1}
    check(settings, rows, users, reserved="0.11", planned="0.11", of_others=right, under=of_dairy)
    with pytest.raises(
        InvariantError, match=r"the sum of its offers' costs, .*: broken by 1, such as department:dairy"
    ):
        wrong = right | {"department:dairy": "0.11"}
        check(settings, rows, users, reserved="0.11", planned="1", of_others=wrong, under=of_dairy)
    with pytest.raises(InvariantError, match=r"(?s)no budget is exceeded: broken by 2, such as daily"):
        check(settings, rows, users, reserved="0.11", planned="0.10", of_others={"department:drinks": "0.11"})


def test_no_more_pieces_are_promised_than_there_are(spark: SparkSession, settings: Settings) -> None:
    """Of 3 pieces of tea half may be sold, 1.5; an offer that holds sells 0.5 of them, those of the day 1.004.

    So it is, whether decisions.budget has a row of the tea or not; what it states is rounded up: 1.01.
    """
    users = users_of_the_day(spark, *[(user, True, None, "treatment") for user in ("a", "b")])
    rows = [
        OFFER | {"user_id": "a", "product_ids": ["tea"], "expected_units": [Decimal("0.502")]},
        OFFER | {"user_id": "b", "product_ids": ["tea"], "expected_units": [Decimal("0.502")]},
    ]
    stated: dict[str, Any] = {"reserved": "0.10", "planned": "1.01", "of_others": {"stock:tea": "1.01"}}
    check(settings, rows, users, **stated)
    with pytest.raises(InvariantError, match=r"of the pieces that they sell: broken by 1, such as stock:tea"):
        check(settings, rows, users, **stated | {"of_others": {"stock:tea": "1.00"}})
    with pytest.raises(InvariantError, match=r"no budget is exceeded: broken by 1, such as stock:tea"):
        check(settings, rows, users, **stated | {"planned": "1.00"})
    held = [OFFER | {"user_id": "c", "product_ids": ["tea"]}]
    rule = r"offers sell no more of a product than promote.stock_share of its stock, .*: broken by 1, such as tea"
    check(
        settings,
        rows[:1],
        users_of_the_day(spark, ("a", True, None, "treatment")),
        reserved="0.05",
        planned="1",
        held=held,
        stock_share=0.5,
    )
    with pytest.raises(InvariantError, match=rule):
        check(settings, rows, users, reserved="0.10", planned="1", held=held, stock_share=0.5)


def test_what_a_group_may_have_is_counted_again_by_its_users(spark: SparkSession, settings: Settings) -> None:
    """Of the North 0.05 + 0.06, of whom nothing is known 0.07; 0.05 of the South falls under no limit."""
    users = users_of_the_day(spark, *[(user, True, None, "treatment") for user in ("a", "b", "c", "d")])
    regions = F.create_map(*map(F.lit, ("a", "North", "b", "North", "d", "South")))
    users = users.withColumn("region", F.try_element_at(regions, F.col("user_id")))
    costs = {"a": "0.05", "b": "0.06", "c": "0.07", "d": "0.05"}
    rows = [OFFER | {"user_id": user, "expected_cost": cost} for user, cost in costs.items()]
    under = {"group:region=North": 2, "group:region=unknown": 1}
    right = {"group:region=North": "0.11", "group:region=unknown": "0.07"}
    check(settings, rows, users, reserved="0.23", planned="0.23", of_others=right, under=under)
    with pytest.raises(InvariantError, match=r"its offers' costs, .*: broken by 1, such as group:region=unknown"):
        wrong = right | {"group:region=unknown": "0.12"}
        check(settings, rows, users, reserved="0.23", planned="0.23", of_others=wrong, under=under)


def test_linked_accounts_hold_no_more_than_one_customer_may(spark: SparkSession, settings: Settings) -> None:
    """Two offers: of a ring with one that holds one more may be made, and not two."""
    users = users_of_the_day(spark, *[(user, True, None, "treatment") for user in ("a", "b", "holding")])
    linked = users.withColumn("ring", F.lit(7).cast("long"))
    offers = [OFFER | {"user_id": user} for user in ("a", "b")]
    nobody = [NONE | {"user_id": "holding"}]
    held = [OFFER | {"user_id": "holding", "product_ids": ["salt"]}]
    check(settings, [*offers, *nobody], linked, reserved="0.10", planned="1")
    check(settings, [*offers, *nobody], users, reserved="0.10", planned="1", held=held)  # not linked
    with pytest.raises(InvariantError, match=r"linked accounts get no more than 2 .*: broken by 1, such as ring 7"):
        check(settings, [*offers, *nobody], linked, reserved="0.10", planned="1", held=held)
