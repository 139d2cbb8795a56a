"""An offer can be used while it holds, is approved, not stopped, and its user has not withdrawn."""

from __future__ import annotations

import datetime
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.measures.offers_in_force import approved_offers, offers_in_force

FIRST = datetime.date(2017, 12, 1)


def day(number: int) -> datetime.date:
    return FIRST + datetime.timedelta(days=number)


def test_what_can_be_used_on_a_day(spark: SparkSession) -> None:
    offer: dict[str, Any] = {"mechanic": "discount", "valid_from": FIRST, "valid_to": day(6), "status": "active"}
    rows: list[dict[str, Any]] = [
        offer | {"promotion_id": "holds"},
        offer | {"promotion_id": "of version 0.3", "status": None},
        offer | {"promotion_id": "over", "valid_to": day(2)},
        offer | {"promotion_id": "not yet", "valid_from": day(4)},
        offer | {"promotion_id": "proposed", "status": "proposed"},
        offer | {"promotion_id": "stopped today", "status": "stopped", "stopped_on": day(3)},
        offer | {"promotion_id": "stops tomorrow", "status": "stopped", "stopped_on": day(4)},
        offer | {"promotion_id": "revoked"},
        {"promotion_id": "none", "mechanic": "none", "revokes": ["revoked"]},
    ]
    promotions = Promotions.frame(spark, rows)
    in_force = {row.promotion_id for row in offers_in_force(promotions, day(3)).collect()}
    assert in_force == {"holds", "of version 0.3", "stops tomorrow"}
    sent = {row.promotion_id for row in approved_offers(promotions).collect()}
    assert sent == {row["promotion_id"] for row in rows} - {"proposed", "none"}
