"""Gift with purchase: a cheap product, in stock, of what the user likes, with an order larger than usual."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.decisions.scenarios.gift_with_purchase import GIFT_WITH_PURCHASE
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from tests.decisions.scenarios.shop import item, products, products_of, rungs_of, targets_by_user, users

SETTINGS: dict[str, Any] = {
    "gift_max_cost": 2.0,
    "min_margin": 0.05,
    "min_spend_stretch": 1.2,
    "mechanic_budgets": {"gift": 50.0},
    "coupon_max_budget_share": 0.25,
    "daily_budget": 500.0,
}


def gift(product_id: str, cost: str = "1.00", **facts: Any) -> dict[str, Any]:
    """At twice its cost, as the whole shop is: 50 % − 5 % of the minimum spend may be given."""
    price = Decimal(cost) * 2
    return item(product_id, **({"list_price": price, "charged_price": price, "unit_cost": cost, "on_hand": 5} | facts))


def fan(user_id: str, *categories: str, basket: float | None = 20.0) -> dict[str, Any]:
    """Who spends most in the first category."""
    likes = [{"category": c, "share": 0.4 / place} for place, c in enumerate(categories, start=1)]
    return {"user_id": user_id, "basket_median": basket, "interests": likes}


def given(inputs: ScenarioInputs, **changes: Any) -> dict[str, list[str]]:
    """The gift of each user, under the settings above and what a test changes of them."""
    of = replace(inputs, settings=inputs.settings.model_copy(update=SETTINGS | changes))
    return {user: products_of(offer) for user, offer in targets_by_user(GIFT_WITH_PURCHASE, of).items()}


def test_a_gift_is_of_the_first_three_interests_in_stock_and_cheap(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """I05: gift in the user's top-3 categories, in stock, cost ≤ cap."""
    shop = [
        gift("cap", "2.00", category="tea"),
        gift("dear", "2.01", category="jam"),
        gift("sold out", category="soap", on_hand=0),
        gift("not known", category="rice", on_hand=None),
        gift("kept out", category="wine", promotable=False),
        gift("cheap", "0.10", category="milk"),
    ]
    likes = [fan(category, category) for category in ("tea", "jam", "soap", "rice", "wine", "flowers")]
    likes += [fan("third", "jam", "soap", "milk"), fan("fourth", "jam", "soap", "rice", "milk")]
    likes += [fan("no basket", "tea", basket=None), {"user_id": "likes nothing", "basket_median": 20.0}]
    of = replace(inputs, users=users(spark, *likes), products=products(spark, *shop))
    assert given(of) == {"tea": ["cap"], "third": ["cheap"]}


def test_where_no_stock_is_delivered_every_product_may_be_there(spark: SparkSession, inputs: ScenarioInputs) -> None:
    of = replace(inputs, users=users(spark, fan("anna", "tea")), products=products(spark, gift("tea", on_hand=None)))
    assert given(of) == {"anna": ["tea"]}


def test_the_likeliest_is_given_else_what_is_of_the_larger_interest(
    spark: SparkSession, inputs: ScenarioInputs
) -> None:
    """I05: by interest. A purchase that is foretold comes first; outside the interests it counts for nothing."""
    shop = [
        gift("a1", "0.50", category="a"),
        gift("a2", category="a"),
        gift("b1", category="b"),
        gift("c1", category="c"),
    ]
    foretold: dict[str, dict[str, float | None]] = {
        "likely": {"a1": 0.1, "b1": 0.3},
        "equal": {"a2": 0.2, "b1": 0.2},  # a is the larger interest
        "few": {"a2": 0.1},  # not among the cheapest of a, which is a1 alone
        "unsaid": {"a2": None},  # no chance is known: as if there were no row, so that the first id is given
        "elsewhere": {"c1": 0.9},
        "nothing": {},
    }
    rows = [
        {"user_id": user, "product_id": product, "p_offer": chance, "source": "own"}
        for user, own in foretold.items()
        for product, chance in own.items()
    ]
    of = replace(
        inputs,
        users=users(spark, *[fan(user, "a", "b") for user in foretold]),
        products=products(spark, *shop),
        item_propensity=ItemPropensity.frame(spark, rows),
    )
    expected = {"likely": "b1", "equal": "a2", "few": "a2", "unsaid": "a1", "elsewhere": "a1", "nothing": "a1"}
    assert given(of, candidates_per_scenario=1) == {user: [product] for user, product in expected.items()}


@pytest.mark.parametrize(
    ("basket", "changes", "is_given"),
    [
        (3.3, {}, True),  # from 3.96, up to 4, on: 45 % of it are 1.80
        (2.5, {}, False),  # from 3 on: 1.35
        (3.3, {"min_margin": 0.06}, False),  # 44 % of 4 are 1.76
        (20.0, {"gift_max_cost": 1.8}, True),
        (20.0, {"gift_max_cost": 1.79}, False),
        (20.0, {"mechanic_budgets": {"gift": 7.2}}, True),  # a quarter of it is 1.80
        (20.0, {"mechanic_budgets": {"gift": 7.19}}, False),
        (
            20.0,
            {"mechanic_budgets": {}, "daily_budget": 7.19},
            False,
        ),  # a mechanic without a budget has that of the day
    ],
)
def test_a_gift_costs_what_cap_margin_and_budget_allow(
    spark: SparkSession, inputs: ScenarioInputs, basket: float, changes: dict[str, Any], is_given: bool
) -> None:
    """I05: the bounds of a gift that costs 1.80, of a shop that leaves half of what is paid."""
    of = replace(
        inputs, users=users(spark, fan("anna", "tea", basket=basket)), products=products(spark, gift("tea", "1.80"))
    )
    assert given(of, **changes) == ({"anna": ["tea"]} if is_given else {})


def test_too_dear_for_a_small_basket_gives_way_to_what_is_cheaper(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """An order of 3 leaves 1.35: the likelier gift costs 1.80, so the other one is given."""
    rows = [{"user_id": "anna", "product_id": "tea", "p_offer": 0.9, "source": "own"}]
    of = replace(
        inputs,
        users=users(spark, fan("anna", "tea", basket=2.5)),
        products=products(spark, gift("tea", "1.80"), gift("mint", category="tea")),
        item_propensity=ItemPropensity.frame(spark, rows),
    )
    assert given(of) == {"anna": ["mint"]}


def test_a_gift_has_a_minimum_spend_and_no_prices(spark: SparkSession, inputs: ScenarioInputs) -> None:
    of = replace(
        inputs,
        settings=inputs.settings.model_copy(update=SETTINGS),
        users=users(spark, fan("anna", "tea"), fan("ben", "tea", basket=3.3)),
        products=products(spark, gift("tea", "1.80", title="Green tea", cost_is_assumed=True)),
    )
    found = targets_by_user(GIFT_WITH_PURCHASE, of)
    offer = found["anna"]
    assert (offer.mechanic, offer.min_spend, offer.title, products_of(offer)) == ("gift", 24, "Green tea", ["tea"])
    # 3.60 of 24 are 15 %; of 4 they would be more than a half, where the basket is twice the gift
    assert rungs_of(offer) == [("0.15", "1.80")] and rungs_of(found["ben"]) == [("0.50", "1.80")]
    assert {offer.category, offer.list_price, offer.charged_price, offer.margin_floor} == {None}
    assert offer.margin_is_assumed and offer.reason_codes == ["interest:tea", "usual_basket:20.00"]
