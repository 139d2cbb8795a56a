"""What was offered before, to whom, and what was redeemed."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import RATE, Check, Col, Personal, SourceCheck, WriteMode
from promo_spark.contracts.silver.sourced import (
    ENDS_BEFORE_START,
    TEST_USER,
    UNKNOWN_USER,
    Sourced,
    control_character,
    future_day,
    future_timestamp,
    unknown_product,
)

_TEXT = T.StringType()
_DATE = T.DateType()
_MOMENT = T.TimestampType()


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


class Assignments(Sourced):
    """One row per experiment and user who took part: the arm that chance put the user in, controls included.

    The evidence for what offers change: only where chance chose, with a known probability, do those with an offer and
    those without differ by the offer alone. Users whom somebody picked are contacts, and no rows here.
    """

    name = "assignments"
    key = ("campaign_id", "user_id")
    write_mode = WriteMode.MERGE
    checks = (
        Check("depth_is_share", "depth", "between", (0, 1)),
        Check("propensity_positive", "propensity", ">", 0),
        Check("propensity_at_most_one", "propensity", "<=", 1),
    )
    source_checks = (
        control_character("campaign_id"),
        SourceCheck(
            "propensity_not_positive", "the probability of the arm is 0 or negative", "reject", "propensity", ">", 0
        ),
        SourceCheck(
            "propensity_above_one", "the probability of the arm is more than 1", "reject", "propensity", "<=", 1
        ),
        SourceCheck(
            "depth_out_of_range",
            "the depth is negative or more than the whole price",
            "reject",
            "depth",
            "between",
            (0, 1),
        ),
        TEST_USER,
        UNKNOWN_USER,
        future_day("assigned_on"),
    )
    campaign_id = Col(_TEXT, "the experiment, or the campaign that was one", required=True)
    user_id = Col(_TEXT, "who took part", required=True, personal=Personal.IDENTIFIER)
    arm = Col(_TEXT, "the arm, by the shop's own name; 'control': no offer", required=True)
    mechanic = Col(_TEXT, "how the arm's offer is given: coupon, discount, …; null: no offer, or not said")
    depth = Col(RATE, "the arm's saving as a share of what it applies to; 0: no offer", "share", required=True)
    propensity = Col(RATE, "probability with which chance put such a user in the arm", "share", required=True)
    assigned_on = Col(_DATE, "the day from which the arm held", required=True)


class Exposures(Sourced):
    """One row per promotion, user and channel it went out by: sent, opened, or held back."""

    name = "exposures"
    key = ("promotion_id", "user_id", "channel")
    write_mode = WriteMode.MERGE
    source_checks = (control_character("promotion_id"), TEST_USER, UNKNOWN_USER, future_timestamp("sent_at"))
    promotion_id = Col(_TEXT, "as in decisions.promotions; a campaign of the past by its own id", required=True)
    user_id = Col(_TEXT, "to whom", required=True, personal=Personal.IDENTIFIER)
    channel = Col(_TEXT, "mail, push, app, … ; 'unknown' where the shop does not say", required=True)
    sent_at = Col(_MOMENT, "when it went out, UTC; null: it did not")
    opened_at = Col(_MOMENT, "when the user opened it, UTC; null: not, or nobody knows")
    suppressed = Col(_TEXT, "why it was held back, such as bounced or quiet hours; null: it was not")
