"""What was offered before, to whom, and what was redeemed."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import RATE, Col, Personal, WriteMode
from promo_spark.contracts.silver.sourced import (
    ENDS_BEFORE_START,
    TEST_USER,
    UNKNOWN_USER,
    Sourced,
    control_character,
    future_day,
    unknown_product,
)

_TEXT = T.StringType()
_DATE = T.DateType()


class Campaigns(Sourced):
    """One row per campaign of the past."""

    name = "campaigns"
    key = ("campaign_id",)
    write_mode = WriteMode.MERGE
    source_checks = (
        control_character("campaign_id"),
        ENDS_BEFORE_START,
    )
    campaign_id = Col(_TEXT, "the campaign", required=True)
    kind = Col(_TEXT, "the shop's own type of campaign")
    start_date = Col(_DATE, "first day", required=True)
    end_date = Col(_DATE, "last day, included", required=True)
    cps_rate = Col(RATE, "share of each sale that the campaign's channel is paid (cost per sale); null: none", "share")


class Contacts(Sourced):
    """One row per campaign and user who was offered it."""

    name = "contacts"
    key = ("campaign_id", "user_id")
    write_mode = WriteMode.MERGE
    source_checks = (control_character("campaign_id"), TEST_USER, UNKNOWN_USER, future_day("contacted_on"))
    campaign_id = Col(_TEXT, "the campaign", required=True)
    user_id = Col(_TEXT, "who was offered it", required=True, personal=Personal.IDENTIFIER)
    contacted_on = Col(_DATE, "the day of the message; null: the campaign's first day stands for it")
    channel = Col(_TEXT, "mail, push, … ; null where unknown")


class Coupons(Sourced):
    """One row per campaign, coupon and product the coupon is good for."""

    name = "coupons"
    key = ("campaign_id", "coupon_id", "product_id")
    write_mode = WriteMode.MERGE
    source_checks = (
        control_character("campaign_id"),
        unknown_product("reject"),
    )
    campaign_id = Col(_TEXT, "the campaign that carried it", required=True)
    coupon_id = Col(_TEXT, "the coupon", required=True)
    product_id = Col(_TEXT, "a product it is good for", required=True)


class Redemptions(Sourced):
    """One row per coupon redeemed by a user on a day."""

    name = "redemptions"
    key = ("user_id", "coupon_id", "campaign_id", "redeemed_on")
    write_mode = WriteMode.MERGE
    source_checks = (control_character("user_id"), TEST_USER, UNKNOWN_USER, future_day("redeemed_on"))
    user_id = Col(_TEXT, "who redeemed", required=True, personal=Personal.IDENTIFIER)
    coupon_id = Col(_TEXT, "the coupon", required=True)
    campaign_id = Col(_TEXT, "its campaign", required=True)
    redeemed_on = Col(_DATE, "the business day", required=True)
