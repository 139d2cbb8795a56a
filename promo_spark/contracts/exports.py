"""What leaves for the systems that send and show offers: the rows of an export, and what has left so far.

Rows say what to do and nothing else: what the shop earns by an offer, why a user got it, and in which arm of the
experiment stay in decisions.promotions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pyspark.sql import types as T

from promo_spark.contracts.schema import MONEY, RATE, Check, Col, Frame, Personal, Table

_TEXT = T.StringType()
_DATE = T.DateType()
_LONG = T.LongType()

SCHEMA_VERSION: Final = 1  # of the rows below: another one where a consumer has to read them in another way
SEND, REVOKE, NONE = "send", "revoke", "none"
OTHER: Final = "other"  # groups that are too small to leave by themselves
OUTCOMES = ("sent", "failed")


def _as_there(kind: T.DataType, more: str = "") -> Col:
    return Col(kind, f"as in decisions.promotions{more}; null: of a revocation, or null there")


class OutgoingOffer(Frame):
    """One row per date, promotion and user: an offer to send, one to end, or that there is none."""

    date = Col(_DATE, "the date of the decisions that the row follows from", required=True)
    promotion_id = Col(_TEXT, "the offer: the same in every export of it", required=True)
    user_id = Col(
        _TEXT,
        'whose it is: the pseudonym, or with ids = "channel" the id as the shop has it',
        required=True,
        personal=Personal.IDENTIFIER,
    )
    action = Col(
        _TEXT,
        "send: make the offer; revoke: an offer that an export sent before has ended, stop it; none: the user gets "
        'none (with rows = "all")',
        required=True,
    )
    scenario = _as_there(_TEXT)
    mechanic = _as_there(_TEXT)
    product_ids = _as_there(T.ArrayType(_TEXT))
    category = _as_there(_TEXT)
    discount_rate = _as_there(RATE)
    coupon_amount = _as_there(MONEY)
    coupon_code = _as_there(_TEXT)
    min_spend = _as_there(MONEY)
    list_price = _as_there(MONEY)
    charged_price = _as_there(MONEY)
    offer_price = _as_there(MONEY)
    currency = _as_there(_TEXT)
    valid_from = _as_there(_DATE)
    valid_to = _as_there(_DATE, ", or the day before it was stopped")
    channel = _as_there(_TEXT)
    send_from = _as_there(T.TimestampType())
    send_until = _as_there(T.TimestampType())
    rank = _as_there(T.IntegerType())
    campaign_id = _as_there(_TEXT)
    text = _as_there(_TEXT)


class OutgoingSummary(Frame):
    """One row per date, scenario, mechanic and channel: sums over export.least_group users or more.

    Smaller groups are one together, other; it leaves only if it has as many users.
    """

    date = Col(_DATE, "the date of the decisions", required=True)
    scenario = Col(_TEXT, "as in decisions.promotions; other: of groups too small", required=True)
    mechanic = Col(_TEXT, "as there; other: the same", required=True)
    channel = Col(_TEXT, "as there, empty where it is null there; other: the same", required=True)
    offers = Col(_LONG, "offers to send", required=True)
    users = Col(_LONG, "users who get them", required=True)
    mean_discount_rate = Col(RATE, "mean of discount_rate; null: none has one", unit="share")
    expected_cost = Col(MONEY, "sum of what is reserved for them", unit="currency", required=True)
    incremental_margin = Col(MONEY, "sum of what they are expected to bring; null: not known", unit="currency")
    currency = Col(_TEXT, "ISO code", required=True)


@dataclass(frozen=True)
class Outgoing:
    """What rows of an export are, and by what they are told apart."""

    rows: type[Frame]
    key: tuple[str, ...]
    partition_by: str  # what stays together in a file or topic


OUTGOING: Final = {
    "promotions": Outgoing(
        OutgoingOffer, (OutgoingOffer.date, OutgoingOffer.promotion_id, OutgoingOffer.user_id), OutgoingOffer.user_id
    ),
    "summary": Outgoing(
        OutgoingSummary,
        (OutgoingSummary.date, OutgoingSummary.scenario, OutgoingSummary.mechanic, OutgoingSummary.channel),
        OutgoingSummary.scenario,
    ),
}


class Exported(Table):
    """One row per date, target and offer that may have left: written before anything is sent.

    So whatever became of an export, an offer that has to end is revoked wherever it may have gone.
    """

    layer, name = "decisions", "exported"
    key = ("date", "target", "promotion_id", "user_id")
    partition = ("date",)
    dated_by = "date"
    date = Col(_DATE, "the date of the decisions", required=True)
    target = Col(_TEXT, "where it went, by its name in export.targets", required=True)
    promotion_id = Col(_TEXT, "the offer", required=True)
    user_id = Col(_TEXT, "whose it is", required=True, personal=Personal.IDENTIFIER)
    valid_to = Col(_DATE, "its last day, as it was decided", required=True)
    run_id = Col(_TEXT, "the run that wrote the row", required=True)


class Exports(Table):
    """One row per date and target: what the last export took there, and how it ended."""

    layer, name = "ops", "exports"
    key = ("date", "target")
    partition = ("date",)
    dated_by = "date"
    checks = (Check("outcome_known", "outcome", "in", OUTCOMES),)
    date = Col(_DATE, "the date of the decisions", required=True)
    target = Col(_TEXT, "its name in export.targets", required=True)
    kind = Col(_TEXT, "csv, jsonl, postgresql, mysql or kafka", required=True)
    what = Col(_TEXT, "promotions, or summary", required=True)
    ids = Col(_TEXT, "pseudonyms, or channel: the ids as the shop has them; null: a summary has none")
    outcome = Col(_TEXT, f"{', '.join(OUTCOMES)}: nothing of it counts, as its message says why", required=True)
    message = Col(_TEXT, "why it failed; null: it did not")
    rows = Col(_LONG, "rows that the export has", required=True)
    offers = Col(_LONG, "rows with action send; of a summary, the offers in its groups", required=True)
    revoked = Col(_LONG, "rows with action revoke", required=True)
    held_back = Col(_LONG, "rows of decisions.promotions of the date that are not among them", required=True)
    files = Col(_LONG, "files; null: no files, or it failed")
    bytes = Col(_LONG, "their size; null: the same", unit="bytes")
    sha256 = Col(_TEXT, "SHA-256 of their SHA-256, in order; null: the same")
    digest = Col(_TEXT, "of the rows and the target: where both are the same, nothing is sent", required=True)
    run_id = Col(_TEXT, "the run that last saw to it", required=True)


EXPORTS: tuple[type[Table], ...] = (Exported, Exports)
