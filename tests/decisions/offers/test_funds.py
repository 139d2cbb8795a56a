"""Supplier money: which fund an offer takes, what it pays, and what is left of it."""

from __future__ import annotations

import datetime
import hashlib
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import PromotionCalendar, PromotionFunds
from promo_spark.decisions.allocation.limits import limits_of_lists
from promo_spark.decisions.exploration import drawable_offers
from promo_spark.decisions.offers.funds import funds_in_force, product_funds, with_funds
from promo_spark.decisions.offers.ids import promotion_id
from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.valuation import ValuedOffer

DAY, LAST = datetime.date(2017, 12, 1), datetime.date(2017, 12, 7)  # offers hold for a week
PRODUCTS: list[dict[str, Any]] = [
    {"product_id": "milk", "brand": "Alpen", "category": "dairy"},
    {"product_id": "curd", "brand": "Alpen", "category": "dairy", "tags": ["eco", "vegan"]},
    {"product_id": "bread", "brand": "Mill"},
]
ALPEN = {"fund_id": "alpen", "partner": "Alpen AG", "level": "brand", "value": "Alpen", "cost_share": "0.4"}


def part(product_id: str) -> tuple[Any, ...]:
    return (product_id, None, None, Decimal(10), Decimal(5), Decimal(1), 1.0)


def ways(
    spark: SparkSession, funds: list[dict[str, Any]], products: list[str], **target: Any
) -> list[tuple[str, Any] | None]:
    """Each way to pay an offer: the fund and its share, or None for the shop alone."""
    offer = {"user_id": "u", "scenario": "repurchase", "days": 7, "parts": [part(p) for p in products]} | target
    by_product = product_funds(
        ProductProfile.frame(spark, PRODUCTS), funds_in_force(PromotionFunds.frame(spark, funds), DAY)
    )
    rows = with_funds(OfferTarget.frame(spark, [offer]), by_product, DAY, only_with=["partner_offer"]).collect()
    return [row.fund and (row.fund.fund_id, float(row.fund.cost_share)) for row in rows]


@pytest.mark.parametrize(
    ("fund", "products", "expected"),
    [
        ({}, ["milk"], [("alpen", 0.4)]),  # no budget: nothing speaks for the shop's own money
        ({"budget": 9}, ["milk"], [("alpen", 0.4), None]),
        ({}, ["bread"], [None]),
        ({}, [], [None]),  # on the basket
        ({}, ["milk", "curd"], [("alpen", 0.4)]),  # a bundle of two that it names
        ({}, ["milk", "bread"], [None]),  # it names one of them
        ({"level": "category", "value": "dairy"}, ["curd"], [("alpen", 0.4)]),
        ({"level": "product", "value": "curd"}, ["milk"], [None]),
        ({"level": "tag", "value": "ECO"}, ["curd"], [("alpen", 0.4)]),
        ({"level": "tag", "value": "eco"}, ["milk", "curd"], [None]),  # of two one has it
        ({"start_date": DAY, "end_date": LAST}, ["milk"], [("alpen", 0.4)]),
        ({"start_date": LAST}, ["milk"], [None]),  # not yet
        ({"end_date": datetime.date(2017, 12, 6)}, ["milk"], [None]),  # the offer would hold a day longer
    ],
)
def test_a_fund_pays_for_what_it_names_as_long_as_it_lasts(
    spark: SparkSession, fund: dict[str, Any], products: list[str], expected: list[Any]
) -> None:
    assert ways(spark, [ALPEN | fund], products) == expected


def test_of_several_funds_one_pays_and_some_offers_are_made_with_one_only(spark: SparkSession) -> None:
    """The largest share, of equals the first by name; one that lasts too short is passed over."""
    dairy = ALPEN | {"fund_id": "dairy", "level": "category", "value": "dairy"}
    assert ways(spark, [ALPEN, dairy | {"cost_share": "0.5"}], ["milk"]) == [("dairy", 0.5)]
    assert ways(spark, [dairy, ALPEN], ["milk"]) == [("alpen", 0.4)]
    short = dairy | {"cost_share": 1, "end_date": datetime.date(2017, 12, 2)}
    assert ways(spark, [ALPEN, short], ["milk"]) == [("alpen", 0.4)]
    assert ways(spark, [ALPEN, short], ["milk"], days=2) == [("dairy", 1.0)]  # a flash sale is over by then
    # the products' best funds differ; what pays for a bundle names both
    own = ALPEN | {"fund_id": "own", "level": "product", "value": "milk", "cost_share": "0.9"}
    assert ways(spark, [ALPEN, own], ["milk", "curd"]) == [("alpen", 0.4)]
    limited = ALPEN | {"budget": 9}
    assert ways(spark, [limited], ["milk"], scenario="partner_offer") == [("alpen", 0.4)]
    assert ways(spark, [limited], ["bread"], scenario="partner_offer") == []


def test_the_fund_is_in_the_id_of_an_offer_only_where_there_is_one(spark: SparkSession) -> None:
    fund = ("alpen", "Alpen AG", Decimal("0.4"), None, False)
    same: dict[str, Any] = {
        "user_id": "u",
        "scenario": "repurchase",
        "mechanic": "discount",
        "rate": "0.05",
        "parts": [part("milk")],
    }
    rows = ValuedOffer.frame(spark, [same, same | {"fund": fund}]).select("fund", promotion_id(DAY).alias("id"))
    found = {row.fund and row.fund.fund_id: row.id for row in rows.collect()}
    key = '{"d":"2017-12-01","u":"u","s":"repurchase","p":["milk"],"m":"discount","r":"0.050000"}'
    with_fund = key[:-1] + ',"f":"alpen"}'
    assert found == {f: hashlib.sha256(k.encode()).hexdigest()[:32] for f, k in ((None, key), ("alpen", with_fund))}


def test_what_is_left_of_a_budget_is_what_earlier_dates_did_not_reserve(spark: SparkSession) -> None:
    """Of the fund's 10.00 its part counts, 3.00 and 1.50; of the campaign's 8.00 the shop's part, 2.00 and 5.00."""
    funds: list[dict[str, Any]] = [
        ALPEN | {"budget": 10},
        ALPEN | {"fund_id": "endless"},
        ALPEN | {"fund_id": "over", "budget": "0.05"},
    ]
    campaigns: list[dict[str, Any]] = [{"campaign_id": "xmas", "budget": 8}, {"campaign_id": "none"}]
    made: dict[str, Any] = {
        "scenario": "repurchase",
        "mechanic": "discount",
        "valid_to": datetime.date(2017, 11, 2),
    }  # over
    earlier: list[dict[str, Any]] = [
        made | {"expected_cost": 2, "fund_id": "alpen", "fund_cost": 3, "campaign_id": "xmas"},
        made | {"expected_cost": 5, "fund_id": "alpen", "fund_cost": "1.5", "campaign_id": "xmas"},
        made | {"expected_cost": 9, "fund_id": "over", "fund_cost": "0.10"},  # its budget was cut since
        made | {"expected_cost": 9},
        # nobody approved it
        made | {"expected_cost": 5, "fund_id": "alpen", "fund_cost": 5, "campaign_id": "xmas", "status": "proposed"},
    ]
    frames = (
        PromotionFunds.frame(spark, funds),
        PromotionCalendar.frame(spark, campaigns),
        Promotions.frame(spark, earlier),
    )
    assert limits_of_lists(*frames, 2) == {"fund:alpen": 550, "fund:over": 0, "campaign:xmas": 100}
    assert limits_of_lists(*frames, 0)["fund:alpen"] == 5  # whole minor units: a budget never grows
    assert limits_of_lists(PromotionFunds.frame(spark), PromotionCalendar.frame(spark), frames[2], 2) == {}


def test_marketers_lists_do_not_decide_who_is_explored(spark: SparkSession) -> None:
    """A fund with a budget is not drawn, as the same offer without it is; nor is a campaign with one."""
    fund = {True: ("a", "A", Decimal(1), None, True), False: ("b", "B", Decimal(1), None, False)}
    rows: list[dict[str, Any]] = [
        {"promotion_id": "own", "cost_minor": 999},
        {"promotion_id": "of a", "fund": fund[True]},
        {"promotion_id": "of b", "fund": fund[False], "cost_minor": 999},
        {"promotion_id": "of a campaign", "campaign_id": "c", "cost_minor": 0},
        {"promotion_id": "of another", "campaign_id": "d", "cost_minor": 6},
    ]
    drawn = drawable_offers(ValuedOffer.frame(spark, rows), {"daily": 100, "campaign:c": 1000}, 0.05)
    assert {row.promotion_id for row in drawn.collect()} == {"own", "of b", "of another"}
