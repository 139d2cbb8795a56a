"""What users did: looked at, searched for, put into the cart, rated."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts import vocabulary
from promo_spark.contracts.schema import Check, Col, Personal, SourceCheck, WriteMode
from promo_spark.contracts.silver.sourced import (
    TEST_USER,
    UNKNOWN_USER,
    Cleanable,
    control_character,
    future_timestamp,
    unknown_product,
)

_TEXT = T.StringType()
_DATE = T.DateType()


EVENT_TYPES = vocabulary.EVENT_TYPES


class Events(Cleanable):
    """One row per thing a user did: looked at, searched for, put into the cart, rated, shared …

    Purchases stand in order_lines with their money; a purchase event only tells that a session ended in one.
    """

    name = "events"
    key = ("event_id",)
    partition = ("event_date",)
    write_mode = WriteMode.REPLACE_DAYS
    checks = (
        Check("event_type_known", "event_type", "in", EVENT_TYPES),
        Check("rating_in_range", "rating", "between", (1, 5)),
        Check("duration_not_negative", "duration_s", ">=", 0),
    )
    source_checks = (
        control_character("event_id"),
        SourceCheck(
            "unknown_event_type", "the kind of event is none that is known", "reject", "event_type", "in", EVENT_TYPES
        ),
        SourceCheck(
            "rating_out_of_range", "the stars are fewer than 1 or more than 5", "reject", "rating", "between", (1, 5)
        ),
        SourceCheck("duration_negative", "it was looked at for a negative time", "reject", "duration_s", ">=", 0),
        SourceCheck(
            "bot_session",
            "its session has more events within a minute than ingest.bot_events_per_minute",
            "reject",
            "session_id",
        ),
        future_timestamp("ts"),
        TEST_USER,
        unknown_product("warn"),
        UNKNOWN_USER,
    )
    event_id = Col(_TEXT, "the event; a digest of the whole row where the shop gives none", required=True)
    user_id = Col(_TEXT, "who; null for visitors nobody knows", personal=Personal.IDENTIFIER)
    event_type = Col(_TEXT, "one of: " + ", ".join(EVENT_TYPES), required=True)
    product_id = Col(_TEXT, "the product; null where there is none, as in a search")
    ts = Col(T.TimestampType(), "when, UTC", required=True)
    event_date = Col(_DATE, "business day of ts in the shop's time zone", required=True)
    channel = Col(_TEXT, "store, web, app, …; null where unknown")
    session_id = Col(_TEXT, "the visit; null where the shop does not say")
    duration_s = Col(T.DoubleType(), "how long it was looked at; null where not measured", unit="s")
    query = Col(_TEXT, "what was searched for, as typed; null for other events", personal=Personal.FREE_TEXT)
    rating = Col(T.DoubleType(), "stars of a review; null for other events", unit="1 to 5 stars")
    review_text = Col(_TEXT, "what the review says; null without one", personal=Personal.FREE_TEXT)
    coupon_id = Col(_TEXT, "the coupon claimed; null for other events")
    verified = Col(T.BooleanType(), "of a share: the shop has checked that the post is there; null: not checked")
