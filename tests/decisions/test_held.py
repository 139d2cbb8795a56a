"""Offers of earlier dates that still hold, and what may be offered beside them."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.decisions.held import held_offers, with_held_offers
from promo_spark.decisions.offers.targets import OfferTarget

DAY = datetime.date(2017, 12, 1)


def test_a_gift_stands_alone_whether_it_is_held_or_proposed(spark: SparkSession) -> None:
    """Beside a gift that is held nothing is offered, and no gift beside an offer that is held."""
    held: list[dict[str, Any]] = [
        {"user_id": "has gift", "mechanic": "gift", "product_ids": ["jam"]},
        {"user_id": "has milk", "mechanic": "discount", "product_ids": ["milk"], "category": "dairy"},
    ]
    same = {"valid_from": DAY - datetime.timedelta(days=1), "valid_to": DAY, "promotion_id": "x", "status": "active"}
    holding = held_offers(Promotions.frame(spark, [row | same for row in held]), DAY)
    tea, jam = (("tea", None, "drinks", *_FIGURES), ("jam", None, "spreads", *_FIGURES))
    targets = [
        {"user_id": user, "mechanic": mechanic, "parts": parts}
        for user in ("has gift", "has milk", "has nothing")
        for mechanic, parts in (("gift", [jam]), ("discount", [tea]), ("coupon", []))
    ]
    left = with_held_offers(OfferTarget.frame(spark, targets), holding, max_offers=2).collect()
    assert {(row.user_id, row.mechanic) for row in left} == {
        ("has milk", "discount"),
        ("has nothing", "gift"),
        ("has nothing", "discount"),
        ("has nothing", "coupon"),
    }


_FIGURES = (Decimal(2), Decimal(1), Decimal(9), 1.0)
