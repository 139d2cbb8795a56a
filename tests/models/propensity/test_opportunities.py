"""Opportunities are found where they were planted, and nowhere else."""

from __future__ import annotations

import datetime

import pytest
from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.predictions import ItemPropensity, Propensity, UserHistory
from promo_spark.contracts.silver import Events
from promo_spark.models.propensity.opportunities import opportunities
from promo_spark.settings import load

DAY = datetime.date(2017, 12, 1)
NUMBER = (DAY - datetime.date(1970, 1, 1)).days
FEW = ("propensity.gaps=1", "propensity.gap_share=0.6", "propensity.idle_share=0.5")


def histories(spark: SparkSession, bought: dict[str, list[tuple[int, str]]]) -> DataFrame:
    """Users with what they bought so many days before the date."""
    return UserHistory.frame(
        spark,
        [
            {
                "user_id": user,
                "bought": [(NUMBER - ago, product, 1000, 500, 1, 0) for ago, product in sorted(of_user, reverse=True)],
            }
            for user, of_user in bought.items()
        ],
    )


@pytest.fixture
def found(spark: SparkSession) -> dict[tuple[str, str, str], tuple[float | None, datetime.date | None]]:
    """tea and nut are drinks and food; soap is care. Kinds, strengths and days by user, kind and item."""
    bought = {
        "leaves": [(40, "tea"), (10, "tea")],  # cart of tea two days ago, last bought before that week
        "bought": [(1, "tea"), (20, "nut")],  # cart of tea two days ago, bought yesterday
        "before": [(5, "tea"), (20, "nut")],  # cart of tea two days ago, bought of late
        "both": [(3, "nut"), (4, "soap"), (60, "tea")],
        "idle": [(60, "nut"), (70, "tea")],
        "idler": [(50, "nut"), (90, "tea")],
        "new": [],
    }
    carts = [
        ("leaves", "tea", 2, "cart"),
        ("leaves", "tea", 4, "cart"),
        ("bought", "tea", 2, "cart"),
        ("before", "tea", 2, "cart"),
        ("both", "soap", 8, "cart"),  # too long ago
        ("both", "tea", 0, "cart"),  # on the date
        ("both", "tea", 2, "view"),
        (None, "tea", 2, "cart"),
    ]
    events = [
        {
            "event_id": str(i),
            "user_id": u,
            "product_id": p,
            "event_type": t,
            "event_date": DAY - datetime.timedelta(ago),
        }
        for i, (u, p, ago, t) in enumerate(carts)
    ]
    p = {"leaves": 0.9, "bought": 0.9, "before": 0.9, "both": 0.9, "idle": 0.2, "idler": 0.3, "new": None}
    rows = opportunities(
        histories(spark, bought),
        events=Events.frame(spark, events),
        products=ProductProfile.frame(
            spark,
            [
                {"product_id": "tea", "category": "drinks"},
                {"product_id": "nut", "category": "food"},
                {"product_id": "soap", "department": "care"},
            ],
        ),
        segments=Segments.frame(spark, [{"user_id": u, "segment_id": 1} for u in bought]),
        users=Propensity.frame(spark, [{"user_id": u, "target": "order_14d", "p": value} for u, value in p.items()]),
        pairs=ItemPropensity.frame(spark, [{"user_id": "leaves", "product_id": "tea", "p_28d": 0.4}]),
        as_of=DAY,
        settings=load(None, FEW).propensity,
    )
    return {(r.user_id, r.kind, r.item): (r.strength, r.since) for r in rows.collect()}


def test_carts_left_behind_are_found_and_those_bought_of_late_are_not(
    found: dict[tuple[str, str, str], tuple[float | None, datetime.date | None]],
) -> None:
    """H05: the planted abandoner is in the list, once, with the last day; recent buyers of the same item are not."""
    carts = {key: value for key, value in found.items() if key[1] == "cart"}
    assert carts == {("leaves", "cart", "tea"): (0.4, datetime.date(2017, 11, 29))}


def test_a_category_that_the_segment_buys_is_missed_in_who_does_not(
    found: dict[tuple[str, str, str], tuple[float | None, datetime.date | None]],
) -> None:
    """H05: of 6 buyers of the segment 5 buy food and 6 drinks; care, bought by one, is below the limit of 0.6."""
    gaps = {key: value for key, value in found.items() if key[1] == "category_gap"}
    assert gaps == {("leaves", "category_gap", "food"): (round(5 / 6, 6), None)}


def test_of_users_without_an_order_of_late_the_likeliest_are_named(
    found: dict[tuple[str, str, str], tuple[float | None, datetime.date | None]],
) -> None:
    """H05: idle and idler did not order for 28 days; the upper half of 0.2 and 0.3 begins at 0.25. `new` has no p."""
    idle = {key: value for key, value in found.items() if key[1] == "not_yet_buying"}
    assert idle == {("idler", "not_yet_buying", "order"): (0.3, None)}
