"""What an offer is expected to bring and to cost, in exact amounts."""

from __future__ import annotations

import datetime

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.decisions.offers.candidates import OfferCandidate
from promo_spark.decisions.response import PurchaseHistory, ResponseRate
from promo_spark.decisions.users import DailyUser
from promo_spark.decisions.valuation import ValuedCandidate, valued_candidates

DAY = datetime.date(2017, 12, 1)
FIGURES = (
    ValuedCandidate.user_id,
    ValuedCandidate.expected_conversion,
    ValuedCandidate.margin_micro,
    ValuedCandidate.cost_micro,
    ValuedCandidate.cost_minor,
    ValuedCandidate.reason_codes,
)


def test_offers_are_valued_by_the_response_to_their_anchor(spark: SparkSession) -> None:
    milk = {"mechanic": "discount", "anchor": "milk", "margin_if_used": "0.90", "saving": "0.50", "response_factor": 1}
    candidates = OfferCandidate.frame(
        spark,
        [
            milk | {"user_id": "regular", "reason_codes": ["due"]},
            milk | {"user_id": "once", "response_factor": "0.5"},  # half of milk's buyers take the whole offer
            milk | {"user_id": "new"},
            milk | {"user_id": "loss", "margin_if_used": "-0.10"},  # brings no margin
            milk | {"user_id": "excluded"},  # may not get offers
        ],
    )
    users = DailyUser.frame(spark, [{"user_id": u, "segment_id": 3} for u in ("regular", "once", "new", "loss")])
    purchases = PurchaseHistory.frame(
        spark,
        [
            {"user_id": "regular", "product_id": "milk", "orders": 2},
            {"user_id": "once", "product_id": "milk", "orders": 1},
            {"user_id": "loss", "product_id": "milk", "orders": 2},
            {"user_id": "new", "product_id": "bread", "orders": 2},
        ],
    )
    rates = ResponseRate.frame(
        spark,
        [
            {"kind": "repeat_item", "segment_id": 3, "rate": "0.2", "basis": "observed_response"},
            {"kind": "known_item", "segment_id": 3, "rate": "0.1", "basis": "observed_response"},
            {"kind": "new_item", "segment_id": 3, "rate": "0.01", "basis": "assumed_response"},
            {"kind": "repeat_item", "segment_id": 4, "rate": "0.9", "basis": "observed_response"},  # of others
        ],
    )
    valued = valued_candidates(candidates, users=users, rates=rates, purchases=purchases, date=DAY, digits=2)
    expected = ValuedCandidate.frame(
        spark,
        [
            {
                "user_id": "regular",
                "expected_conversion": "0.2",
                "margin_micro": 180_000,  # 0.2 × 0.90
                "cost_micro": 100_000,  # 0.2 × 0.50
                "cost_minor": 10,
                "reason_codes": ["due", "observed_response:repeat_item"],
            },
            {
                "user_id": "once",
                "expected_conversion": "0.05",
                "margin_micro": 45_000,
                "cost_micro": 25_000,
                "cost_minor": 3,  # 2.5 cents, rounded up
                "reason_codes": ["observed_response:known_item"],
            },
            {
                "user_id": "new",
                "expected_conversion": "0.01",
                "margin_micro": 9_000,
                "cost_micro": 5_000,
                "cost_minor": 1,
                "reason_codes": ["assumed_response:new_item"],
            },
        ],
    )
    assert_df_equality(
        valued.select(*FIGURES),
        expected.select(*FIGURES),
        ignore_nullable=True,
        ignore_metadata=True,
        ignore_row_order=True,
    )
