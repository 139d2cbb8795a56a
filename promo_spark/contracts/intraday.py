"""What `stream` knows of the day so far: rows as they came, and what follows from them.

The rows are those that the silver tables will have once ingest loads the day, so that they need not be right for
longer than the day.
"""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts import vocabulary
from promo_spark.contracts.predictions import TARGETS
from promo_spark.contracts.schema import MONEY, Check, Col, Personal, Table, WriteMode
from promo_spark.contracts.silver import Events, Feedback, OrderLines

_TEXT = T.StringType()
_INT = T.IntegerType()
_LONG = T.LongType()
_DATE = T.DateType()
_TIME = T.TimestampType()


class OfBatch(Table):
    """What rows of the day have beside those of silver: which batch brought them."""

    layer, partition, write_mode, dated_by = "intraday", ("date",), WriteMode.APPEND, "date"
    date = Col(_DATE, "the business day that stream ran for", required=True)
    query = Col(_TEXT, "the source, and which checkpoint counts its batches", required=True)
    batch = Col(_LONG, "the number of the batch that brought it", required=True)


class IntradayEvents(OfBatch, Events):
    """One row per event of the date that stream took, as silver.events will have it."""


class IntradayOrderLines(OfBatch, OrderLines):
    """One row per order line of the date that stream took, as silver.order_lines will have it."""


class IntradayFeedback(OfBatch, Feedback):
    """One row per answer of the date that stream took, as silver.feedback will have it."""


class IntradayActivity(Table):
    """One row per date and user who may be profiled: what the user did on the date so far."""

    layer, name = "intraday", "activity"
    key = ("date", "user_id")
    partition = ("date",)
    dated_by = "date"
    trailing = ("run_id",)
    date = Col(_DATE, "the business day", required=True)
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    views = Col(_LONG, "events of type view", required=True)
    searches = Col(_LONG, "of type search", required=True)
    clicks = Col(_LONG, "of type click", required=True)
    carts = Col(_LONG, "of type cart", required=True)
    purchases = Col(_LONG, "of type purchase; what was bought stands in the orders", required=True)
    reviews = Col(_LONG, "of type review", required=True)
    shares = Col(_LONG, "of type share", required=True)
    coupon_claims = Col(_LONG, "of type coupon_claim", required=True)
    try_ons = Col(_LONG, "of type try_on", required=True)
    orders = Col(_LONG, "orders with a line that is no return", required=True)
    lines = Col(_LONG, "order lines that are no returns", required=True)
    returned_lines = Col(_LONG, "order lines that are returns", required=True)
    paid = Col(MONEY, "amount paid for all lines, returns taken off", "currency", required=True)
    coupon_orders = Col(_LONG, "orders with a coupon", required=True)
    answers = Col(_LONG, "feedback given", required=True)
    lowest_score = Col(T.DoubleType(), "the worst score given; null: none", unit="1 to 5")
    first_at = Col(_TIME, "when the first of all these was, UTC", required=True)
    last_at = Col(_TIME, "when the last was, UTC", required=True)
    run_id = Col(_TEXT, "the run that last counted something new", required=True)


class IntradayRisk(Table):
    """One row per date and user who ordered on it and may be profiled: how likely the account is no customer's now."""

    layer, name = "intraday", "risk"
    key = ("date", "user_id")
    partition = ("date",)
    dated_by = "date"
    trailing = ("run_id",)
    checks = (
        Check("score_is_share", "score", "between", (0.0, 1.0)),
        Check("tier_known", "tier", "in", vocabulary.RISK_TIERS),
        Check("verification_level_known", "verification_level", "between", (0, 3)),
    )
    date = Col(_DATE, "the business day", required=True)
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    score = Col(T.DoubleType(), "as in models.risk, with the orders of the date so far", unit="share", required=True)
    tier = Col(_TEXT, "one of: " + ", ".join(vocabulary.RISK_TIERS), required=True)
    reasons = Col(T.ArrayType(_TEXT), "as in models.risk", required=True)
    independent_signals = Col(_INT, "as in models.risk", required=True)
    verification_level = Col(
        _INT, "how thoroughly to ask who it is: 0 not, 1 at new devices, 2 at each order, 3 in person", required=True
    )
    run_id = Col(_TEXT, "the run that last found something new", required=True)


class IntradayPropensity(Table):
    """One row per date, user who bought on it and may be profiled, and target: what the user is likely to do next."""

    layer, name = "intraday", "propensity"
    key = ("date", "user_id", "target")
    partition = ("date",)
    dated_by = "date"
    trailing = ("run_id",)
    checks = (
        Check("target_known", "target", "in", TARGETS),
        Check("p_is_share", "p", "between", (0.0, 1.0)),
        Check("amount_not_negative", "amount", ">=", 0.0),
    )
    date = Col(_DATE, "the business day", required=True)
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    target = Col(_TEXT, "as in models.propensity, from the day after the date on", required=True)
    p = Col(T.DoubleType(), "as in models.propensity, by the model of the date's morning", unit="share")
    amount = Col(T.DoubleType(), "as in models.propensity", unit="currency")
    reasons = Col(T.ArrayType(_TEXT), "as in models.propensity", required=True)
    model = Col(_TEXT, "as in models.propensity", required=True)
    run_id = Col(_TEXT, "the run that last found something new", required=True)


class StreamBatches(Table):
    """One row per date, source and micro-batch: what came, and what became of it.

    Written last, so that a batch that stands here is done. Rows in = accepted + quarantined + blank + repeated + late +
    other_days.
    """

    layer, name = "ops", "stream_batches"
    key = ("date", "query", "batch")
    partition = ("date",)
    write_mode = WriteMode.APPEND
    dated_by = "date"
    trailing = ("run_id",)
    checks = (Check("rows_not_negative", "rows_in", ">=", 0),)
    date = Col(_DATE, "the business day that stream ran for", required=True)
    query = Col(_TEXT, "the source, and which checkpoint counts its batches", required=True)
    batch = Col(_LONG, "the number of the batch", required=True)
    source = Col(_TEXT, "the source, by its name in stream.sources", required=True)
    table = Col(_TEXT, "the silver table whose rows it brings", required=True)
    rows_in = Col(_LONG, "rows that came", required=True)
    accepted = Col(_LONG, "rows that count", required=True)
    quarantined = Col(_LONG, "rows that a check rejects; ingest keeps them once it loads the day", required=True)
    blank = Col(
        _LONG,
        "empty lines, headers again, rows that the mapping leaves out, those of erased persons",
        required=True,
    )
    repeated = Col(_LONG, "rows whose key came before, in this batch or an earlier one", required=True)
    late = Col(_LONG, "rows older than the watermark; ingest loads them with the day", required=True)
    other_days = Col(_LONG, "rows of other business days", required=True)
    reasons = Col(T.MapType(_TEXT, _LONG), "check → rows that it rejects; a row may fail several", required=True)
    newest_at = Col(_TIME, "the newest time of its rows of the date, UTC; null: it had none")
    watermark = Col(_TIME, "rows older than this were late, UTC; null: nothing was, in a first batch")
    run_id = Col(_TEXT, "the run that took it", required=True)


INTRADAY_OF: dict[type[Table], type[Table]] = {
    Events: IntradayEvents,
    OrderLines: IntradayOrderLines,
    Feedback: IntradayFeedback,
}

INTRADAY: tuple[type[Table], ...] = (
    *INTRADAY_OF.values(),
    IntradayActivity,
    IntradayRisk,
    IntradayPropensity,
    StreamBatches,
)
