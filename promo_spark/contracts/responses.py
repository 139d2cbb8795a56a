"""What an offer changes, as of a date: each user's own answer to offers, and the curve that it is a multiple of."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.models import Predicted
from promo_spark.contracts.schema import Check, Col, Frame, Personal, Table

_TEXT = T.StringType()
_INT = T.IntegerType()
_LONG = T.LongType()
_DOUBLE = T.DoubleType()

OFFER_MECHANICS = ("discount", "coupon", "bundle", "threshold", "gift", "points", "flash", "rebate")
ON_PRODUCTS = ("discount", "bundle", "points", "flash", "rebate")  # the others are on a basket
BASES = ("randomised", "transferred", "prior")
CURVES = ("saving", "share", "use")


class DayEntry(Frame):
    """One row per user and day with an order: an entry of ResponseHistory.days."""

    day = Col(_INT, "the day, counted from 1970-01-01", required=True)
    cents = Col(_LONG, "hundredths of currency paid", required=True)
    off_cents = Col(_LONG, "hundredths of currency of all discounts", required=True)
    lines = Col(_INT, "order lines", required=True)


class MessageEntry(Frame):
    """One row per user and campaign that the user was told of: an entry of ResponseHistory.messages."""

    start = Col(_INT, "first day on which it held, counted from 1970-01-01", required=True)
    end = Col(_INT, "the day after the last one", required=True)
    saving = Col(_DOUBLE, "share off what it applies to", unit="share", required=True)
    opened = Col(T.BooleanType(), "the user opened it, or nobody says who opened it", required=True)
    used = Col(T.BooleanType(), "the user redeemed it while it held; null: nobody says")
    whole_shop = Col(T.BooleanType(), "it applies to whatever the shop sells", required=True)
    cents_before = Col(_LONG, "hundredths of currency paid before it for what it applies to", required=True)
    lines_before = Col(_LONG, "order lines of these", required=True)
    lines_held = Col(
        _LONG,
        "order lines of what it applies to while it held; of an offer on baskets order days that reached least_cents",
        required=True,
    )
    usual_share = Col(_DOUBLE, "share of all users' spend before it on what it applies to", unit="share", required=True)
    usual_lines = Col(_DOUBLE, "lines of what it applies to per order day of all users, before it", required=True)
    mechanic = Col(_TEXT, "of an experiment: the arm's mechanic, '' for no offer; null: it was no experiment")
    weight = Col(_DOUBLE, "of an experiment's row: the arm's mean probability over the user's own; null: none")
    least_cents = Col(_LONG, "of an offer on baskets: hundredths of currency to spend at least; null: another offer")
    reached_before = Col(_LONG, "order days before it on which so much was spent; null: the same")
    explored = Col(
        T.BooleanType(),
        "chance drew it, or none, of what could be offered to the user: decisions.explored",
        required=True,
    )


DAY, MESSAGE = DayEntry.struct(), MessageEntry.struct()


class ResponseHistory(Frame):
    """One row per user who bought in the days before the date: orders by day, and the offers that came."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    days = Col(T.ArrayType(DAY), "days with an order, in order", required=True)
    messages = Col(
        T.ArrayType(MESSAGE), "what the user was told of, and arms without an offer, by first day", required=True
    )


class Uplift(Predicted):
    """One row per user and mechanic: what an offer of that kind does to the user's visits.

    Log of the factor on visits = effect × S(saving) × R(share): S and R stand in models.uplift_curves; the saving is a
    share of what the offer applies to, the share is that of the user's spend which it applies to (of an offer on
    baskets: of the user's baskets that reach its minimum spend).
    """

    name = "uplift"
    key = ("as_of", "user_id", "mechanic")
    checks = (
        Check("mechanic_known", "mechanic", "in", OFFER_MECHANICS),
        Check("basis_known", "basis", "in", BASES),
        Check("visits_not_negative", "visits_per_week", ">=", 0.0),
    )
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    mechanic = Col(_TEXT, "how the offer is given", required=True)
    effect = Col(
        _DOUBLE,
        "log of the factor on visits per unit of S × R; negative: such offers drive the user away",
        required=True,
    )
    effect_se = Col(_DOUBLE, "its standard error", required=True)
    visits_per_week = Col(_DOUBLE, "days with an order expected of the week, without an offer", required=True)
    readiness = Col(
        _DOUBLE,
        "chance that the user uses a large saving which has to be used, such as a coupon",
        "share",
        required=True,
    )
    mention = Col(
        _DOUBLE,
        "log of the factor on what offers are for in the user's baskets, per unit of S: what messages bring to mind",
        required=True,
    )
    basis = Col(
        _TEXT,
        "randomised: experiments had this mechanic; transferred: only others; prior: there was no experiment, earlier "
        "answers are believed as they stand",
        required=True,
    )


class UpliftCurves(Predicted):
    """One row per curve and knot; between two knots the curve is a line."""

    name = "uplift_curves"
    key = ("as_of", "curve", "at")
    checks = (Check("curve_known", "curve", "in", CURVES),)
    curve = Col(
        _TEXT,
        "saving: S, of the share off what the offer applies to; share: R, of the user's spend on it; use: of the "
        "saving, how many of those who would use a large one use it",
        required=True,
    )
    at = Col(_DOUBLE, "the saving, or the share", unit="share", required=True)
    level = Col(_DOUBLE, "S or R there: 0 at 0, never falling; of use 1 at its highest", required=True)


class ResponseModels(Predicted):
    """One row per model that the users of the date are scored by: its state as text.

    A date on which it is not fitted again has the row of the date before.
    """

    name = "response_models"
    key = ("as_of", "model")
    model = Col(_TEXT, "what it is a model of, as in models.registry", required=True)
    text = Col(_TEXT, "JSON: classes, curves, errors as numbers, trees as LightGBM's own text", required=True)
    sha256 = Col(_TEXT, "checksum of the text", required=True)
    trained_on = Col(
        T.DateType(), "the date as of which it was fitted: as_of of its row in models.registry", required=True
    )
    made_by = Col(_TEXT, "digest of the code and the settings that it was fitted by", required=True)


RESPONSES: tuple[type[Table], ...] = (Uplift, UpliftCurves, ResponseModels)
