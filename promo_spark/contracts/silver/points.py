"""Points that customers paid with."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import MONEY, Col, Personal, SourceCheck, WriteMode
from promo_spark.contracts.silver.sourced import TEST_USER, UNKNOWN_USER, Sourced, control_character, future_day

_TEXT = T.StringType()


class PointRedemptions(Sourced):
    """One row per time that a user paid with points, as the till or the shop says."""

    name = "point_redemptions"
    key = ("redemption_id",)
    write_mode = WriteMode.MERGE
    source_checks = (
        control_character("redemption_id"),
        SourceCheck("points_not_positive", "the points come to nothing, or less", "reject", "amount", ">", 0),
        TEST_USER,
        UNKNOWN_USER,
        future_day("redeemed_on"),
    )
    redemption_id = Col(_TEXT, "this redemption, such as the order and its number of payment", required=True)
    user_id = Col(_TEXT, "who paid", required=True, personal=Personal.IDENTIFIER)
    redeemed_on = Col(T.DateType(), "the business day", required=True)
    amount = Col(MONEY, "what the points came to", unit="currency", required=True)
