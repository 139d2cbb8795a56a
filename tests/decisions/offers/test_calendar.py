"""The campaign calendar: which offers belong to which campaign."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import PromotionCalendar
from promo_spark.decisions.offers.campaigns import campaigns_in_force, with_campaigns
from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.users import DailyUser
from tests.decisions.offers.test_funds import DAY, PRODUCTS, part

YESTERDAY, TOMORROW = DAY - datetime.timedelta(1), DAY + datetime.timedelta(1)
XMAS = {"campaign_id": "xmas", "start_date": DAY, "end_date": DAY}


def campaign_of(spark: SparkSession, campaigns: list[dict[str, Any]], products: list[str], **target: Any) -> str | None:
    """The campaign that an offer to a user of the segment "families" belongs to."""
    offer = {"user_id": "u", "scenario": "repurchase", "days": 7, "parts": [part(p) for p in products]} | target
    [row] = with_campaigns(
        OfferTarget.frame(spark, [offer]),
        campaigns_in_force(PromotionCalendar.frame(spark, campaigns), DAY),
        DailyUser.frame(spark, [{"user_id": "u", "segment_name": "families"}]),
        ProductProfile.frame(spark, PRODUCTS),
    ).collect()
    found: str | None = row.campaign_id
    return found


@pytest.mark.parametrize(
    ("campaign", "products", "expected"),
    [
        ({}, ["milk"], "xmas"),
        ({}, [], "xmas"),  # it is about everything, the basket too
        ({"start_date": YESTERDAY, "end_date": YESTERDAY}, ["milk"], None),  # it ended
        ({"start_date": TOMORROW, "end_date": TOMORROW}, ["milk"], None),
        ({"start_date": YESTERDAY, "end_date": TOMORROW}, ["milk"], "xmas"),
        ({"scenario": "repurchase"}, ["milk"], "xmas"),
        ({"scenario": "bundle"}, ["milk"], None),
        ({"segment": "families"}, ["milk"], "xmas"),
        ({"segment": "singles"}, ["milk"], None),
        ({"level": "brand", "value": "Alpen"}, ["milk"], "xmas"),
        ({"level": "brand", "value": "Alpen"}, ["milk", "curd"], "xmas"),
        ({"level": "brand", "value": "Alpen"}, ["milk", "bread"], None),  # one of two
        ({"level": "brand", "value": "Alpen"}, [], None),  # the basket is of no brand
        ({"level": "product", "value": "bread"}, ["milk"], None),
        ({"value": "Alpen"}, ["milk"], None),  # let in without its level, it is not about everything
        ({"level": "brand", "value": "Alpen", "segment": "families", "scenario": "bundle"}, ["milk"], None),
    ],
)
def test_an_offer_belongs_where_date_scenario_products_and_segment_meet(
    spark: SparkSession, campaign: dict[str, Any], products: list[str], expected: str | None
) -> None:
    assert campaign_of(spark, [XMAS | campaign], products) == expected


def test_the_offers_of_a_campaign_for_a_tag_are_those_of_products_that_have_it(spark: SparkSession) -> None:
    """I31: an eco-only campaign filters items: of a bundle both products have the tag, and the basket has none."""
    tagged = {"tea": ["eco", "fair trade"], "rice": ["eco"], "milk": ["economy"], "salt": [], "bread": None}
    offers = [["tea"], ["rice"], ["milk"], ["salt"], ["bread"], ["tea", "rice"], ["tea", "milk"], []]
    offer = {"user_id": "u", "scenario": "repurchase", "days": 7}
    found = with_campaigns(
        OfferTarget.frame(spark, [offer | {"parts": [part(p) for p in products]} for products in offers]),
        PromotionCalendar.frame(spark, [XMAS | {"campaign_id": "green", "level": "tag", "value": " Eco"}]),
        DailyUser.frame(spark, [{"user_id": "u"}]),
        ProductProfile.frame(spark, [{"product_id": p, "tags": tags} for p, tags in tagged.items()]),
    ).collect()
    of_campaign = [[p.product_id for p in row.parts] for row in found if row.campaign_id == "green"]
    assert sorted(of_campaign) == [["rice"], ["tea"], ["tea", "rice"]] and len(found) == len(offers)


def test_of_several_campaigns_it_is_the_first_by_name_that_the_offer_meets(spark: SparkSession) -> None:
    dairy = XMAS | {"campaign_id": "a", "level": "category", "value": "dairy"}
    of_bundles = XMAS | {"campaign_id": "0", "scenario": "bundle"}
    campaigns = [XMAS, dairy, of_bundles]
    assert campaign_of(spark, campaigns, ["milk"]) == "a"
    assert campaign_of(spark, campaigns, ["bread"]) == "xmas"
    assert campaign_of(spark, campaigns, ["milk", "curd"], scenario="bundle") == "0"
    assert campaign_of(spark, [], ["milk"]) is None
