"""Who buys: master data, ids of channels, answers to surveys."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Check, Col, Personal, SourceCheck, WriteMode
from promo_spark.contracts.silver.sourced import (
    TEST_USER,
    UNKNOWN_USER,
    Cleanable,
    Sourced,
    control_character,
    future_timestamp,
)

_TEXT = T.StringType()


class Users(Cleanable):
    """One row per customer (person, household or account: whoever gets offers)."""

    name = "users"
    key = ("user_id",)
    write_mode = WriteMode.MERGE
    source_checks = (control_character("user_id"), TEST_USER, future_timestamp("registered_at"))
    user_id = Col(_TEXT, "the customer", required=True, personal=Personal.IDENTIFIER)
    registered_at = Col(T.TimestampType(), "when the account was opened; null where the shop does not say")
    gender = Col(_TEXT, "as declared; null is not imputed", personal=Personal.ATTRIBUTE)
    age_band = Col(_TEXT, "age band, such as 35-44", personal=Personal.ATTRIBUTE)
    income_band = Col(_TEXT, "yearly income band, such as 50-74K", personal=Personal.ATTRIBUTE)
    region = Col(_TEXT, "region of the customer", personal=Personal.ATTRIBUTE)
    home_ownership = Col(_TEXT, "owner, renter, …", personal=Personal.ATTRIBUTE)
    marital_status = Col(_TEXT, "as declared", personal=Personal.ATTRIBUTE)
    household_size = Col(_TEXT, "persons in the household, may be open such as 5+", personal=Personal.ATTRIBUTE)
    household_composition = Col(_TEXT, "such as '2 Adults Kids'", personal=Personal.ATTRIBUTE)
    kids_count = Col(_TEXT, "children, may be open such as 3+", personal=Personal.ATTRIBUTE)
    device_digest = Col(
        _TEXT,
        "digest of the device that the account is used on, equal for accounts that share it; null: unknown",
        personal=Personal.SHARED,
    )
    address_digest = Col(
        _TEXT,
        "digest of the postal address, equal for accounts that share it, whatever its case and spaces; null: unknown",
        personal=Personal.SHARED,
    )
    member_tier = Col(_TEXT, "tier of the loyalty programme")
    acquisition_channel = Col(_TEXT, "how the user came: sem, affiliate, organic, …; null where unknown")
    consent_marketing = Col(T.BooleanType(), "may be sent offers; null where the shop does not say")
    consent_profiling = Col(T.BooleanType(), "may be profiled; null where the shop does not say")


class IdentityMap(Sourced):
    """One row per channel and id used there: the person behind it.

    Ids of other sources that stand here become the person's before anything else is done with them.
    """

    name = "identity_map"
    key = ("channel", "channel_user_id")
    write_mode = WriteMode.MERGE
    source_checks = (control_character("channel_user_id"),)
    channel = Col(_TEXT, "where the id is used: web, app, store, …; '*' for every channel", required=True)
    channel_user_id = Col(_TEXT, "the id as that channel's data has it", required=True, personal=Personal.IDENTIFIER)
    user_id = Col(_TEXT, "the person", required=True, personal=Personal.IDENTIFIER)


class Feedback(Cleanable):
    """One row per answer of a user about a promotion: a score, a text, or both."""

    name = "feedback"
    key = ("feedback_id",)
    write_mode = WriteMode.MERGE
    checks = (Check("score_in_range", "score", "between", (1, 5)),)
    source_checks = (
        control_character("feedback_id"),
        SourceCheck(
            "score_out_of_range", "the score is less than 1 or more than 5", "reject", "score", "between", (1, 5)
        ),
        future_timestamp("ts"),
        TEST_USER,
        UNKNOWN_USER,
    )
    feedback_id = Col(_TEXT, "the answer; a digest of the whole row where the shop gives none", required=True)
    user_id = Col(_TEXT, "who answered; null where anonymous", personal=Personal.IDENTIFIER)
    promotion_id = Col(_TEXT, "about which promotion; null: about promotions in general")
    kind = Col(_TEXT, "survey, complaint, opt-out, …")
    score = Col(T.DoubleType(), "satisfaction; null without a score", unit="1 to 5")
    text = Col(_TEXT, "what the user wrote; null without a text", personal=Personal.FREE_TEXT)
    ts = Col(T.TimestampType(), "when, UTC", required=True)
    answered_at = Col(T.TimestampType(), "when the shop replied, UTC; null: not yet, or the shop does not say")
