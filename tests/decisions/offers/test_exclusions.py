"""What marketers keep out of offers: by product, brand or group, on the days that the list names."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import PromotionExclusions
from promo_spark.decisions.offers.exclusions import excluded_products

DAY, LAST = datetime.date(2017, 12, 1), datetime.date(2017, 12, 7)  # offers of the day hold for a week
PRODUCTS: list[dict[str, Any]] = [
    {"product_id": "7", "department": "tobacco", "category": "cigars", "brand": "tobacco"},
    {
        "product_id": "8",
        "department": "food",
        "category": "milk",
        "subcategory": "infant milk",
        "brand": "b",
        "tags": ["for infants"],
    },
    {"product_id": "9"},  # nobody knows what it is
]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([{"level": "product", "value": "9"}], ["9"]),
        ([{"level": "department", "value": "tobacco"}], ["7"]),
        ([{"level": "category", "value": "tobacco"}], []),  # there is no such category
        ([{"level": "brand", "value": "tobacco"}, {"level": "category", "value": "milk"}], ["7", "8"]),
        ([{"level": "subcategory", "value": "infant milk"}, {"level": "product", "value": "8"}], ["8"]),  # once
        ([{"level": "subcategory", "value": "Infant Milk"}], []),  # written in another way
        ([{"level": "tag", "value": "For  Infants "}], ["8"]),  # tags are compared in lower case, with single spaces
        ([{"level": "tag", "value": "infants"}], []),  # not a part of a tag
        ([{"level": "product", "value": "9", "end_date": datetime.date(2017, 11, 30)}], []),  # over yesterday
        ([{"level": "product", "value": "9", "end_date": DAY}], ["9"]),
        ([{"level": "product", "value": "9", "start_date": LAST}], ["9"]),  # begins while the offer would hold
        ([{"level": "product", "value": "9", "start_date": datetime.date(2017, 12, 8)}], []),
        ([], []),
    ],
)
def test_products_are_excluded_by_what_they_are_and_by_day(
    spark: SparkSession, listed: list[dict[str, Any]], expected: list[str]
) -> None:
    found = excluded_products(
        ProductProfile.frame(spark, PRODUCTS), PromotionExclusions.frame(spark, listed), date=DAY, valid_to=LAST
    )
    assert sorted(row.product_id for row in found.collect()) == expected
