"""By which channels users may be sent offers."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Personal, WriteMode
from promo_spark.contracts.silver.sourced import TEST_USER, UNKNOWN_USER, Sourced, control_character

_TEXT = T.StringType()


class ChannelConsents(Sourced):
    """One row per user and channel of which the user has said yes or no.

    It narrows `silver.users.consent_marketing`, which says whether the user may be sent offers at all.
    """

    name = "channel_consents"
    key = ("user_id", "channel")
    write_mode = WriteMode.MERGE
    source_checks = (control_character("channel"), TEST_USER, UNKNOWN_USER)
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    channel = Col(_TEXT, "mail, push, app, … as in decisions.promotions", required=True)
    consent = Col(T.BooleanType(), "true: may be sent offers by it; false: may not", required=True)
