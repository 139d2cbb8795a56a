"""What happens by itself, as of a date: orders, leaving, spend, redemptions, purchases of single products."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.models import Predicted
from promo_spark.contracts.schema import Check, Col, Frame, Personal, Table

_TEXT = T.StringType()
_INT = T.IntegerType()
_LONG = T.LongType()
_DOUBLE = T.DoubleType()

TARGETS = ("order_14d", "churn_60d", "spend_30d", "redemption")
ENGINES = ("boosting", "logistic", "linear", "base_rate")
SOURCES = ("own", "recommended")
OPPORTUNITIES = ("cart", "category_gap", "not_yet_buying")
SEGMENT_MEASURES = ("users", "orders", "revenue")


class BoughtEntry(Frame):
    """One row per user, day and product bought: an entry of UserHistory.bought."""

    day = Col(_INT, "the day, counted from 1970-01-01", required=True)
    product_id = Col(_TEXT, "the product", required=True)
    units = Col(_LONG, "thousandths of units bought", required=True)
    cents = Col(_LONG, "hundredths of currency paid for them", required=True)
    lines = Col(_INT, "order lines", required=True)
    discounted = Col(_INT, "those with a discount", required=True)


BOUGHT = BoughtEntry.struct()


class UserHistory(Frame):
    """One row per user known before the date: what the user did in the days before it, day by day, in order."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    registered = Col(_INT, "day on which the account was opened, from 1970-01-01; null: nobody knows")
    bought = Col(T.ArrayType(BOUGHT), "purchases by day and product; what came back is not taken off", required=True)
    returned = Col(T.ArrayType(_TEXT), "products bought of which all was taken back", required=True)
    contacts = Col(T.ArrayType(_INT), "days on which a campaign came to the user", required=True)
    redemptions = Col(T.ArrayType(_INT), "days on which the user redeemed a coupon", required=True)
    recommended = Col(T.ArrayType(_TEXT), "products recommended to the user for the date", required=True)


class Propensity(Predicted):
    """One row per user and target: what the user is likely to do from the date on, as things usually go."""

    name = "propensity"
    key = ("as_of", "user_id", "target")
    checks = (
        Check("target_known", "target", "in", TARGETS),
        Check("p_is_share", "p", "between", (0.0, 1.0)),
        Check("amount_not_negative", "amount", ">=", 0.0),
        Check("decile_1_to_10", "decile", "between", (1, 10)),
        Check("model_known", "model", "in", ENGINES),
    )
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    target = Col(
        _TEXT,
        "order_14d: buys within 14 days; churn_60d: a regular buyer buys nothing within 60; spend_30d: what the user "
        "pays within 30; redemption: redeems a coupon within propensity.redemption_days if contacted on the date, "
        "of users contacted before. as_of is the first day",
        required=True,
    )
    p = Col(
        _DOUBLE,
        "calibrated probability; null: an amount, or no such user was in the last whole window, so that nobody knows",
        unit="share",
    )
    amount = Col(_DOUBLE, "expected amount paid; null: a probability, or nobody knows", unit="currency")
    decile = Col(_INT, "1 for the tenth of the users with the lowest to 10 for the highest; null: no prediction")
    reasons = Col(
        T.ArrayType(_TEXT),
        "up to three features that move this user's prediction most from the usual, with + for up and − for down, such "
        "as recency_days−; most first; none where all users have the base rate",
        required=True,
    )
    model = Col(_TEXT, "what it comes from; base_rate: too few rows for a model", required=True)


class ItemPropensity(Predicted):
    """One row per user and promotable product that the user has bought and kept of late, or is recommended."""

    name = "item_propensity"
    key = ("as_of", "user_id", "product_id")
    checks = (
        Check("p_offer_is_share", "p_offer", "between", (0.0, 1.0)),
        Check("p_28d_is_share", "p_28d", "between", (0.0, 1.0)),
        Check("units_not_negative", "units_28d", ">=", 0.0),
        Check("source_known", "source", "in", SOURCES),
    )
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(_TEXT, "the product", required=True)
    source = Col(_TEXT, "own: bought and kept; recommended: not, but in the user's list of the date", required=True)
    p_offer = Col(
        _DOUBLE,
        "probability that it is bought within the days that an offer holds (recommend.offer_days), without an offer; "
        "null: no such pair was in the last whole window",
        unit="share",
    )
    p_28d = Col(_DOUBLE, "the same within 28 days", unit="share")
    units_28d = Col(_DOUBLE, "units expected within the same days as p_28d; null: as there", unit="units")


class FittedModels(Predicted):
    """One row per model that predictions of the date are made by: its state as text.

    A date on which it is not fitted again has the row of the date before.
    """

    name = "fitted_models"
    key = ("as_of", "model")
    checks = (Check("engine_known", "engine", "in", ENGINES),)
    model = Col(_TEXT, "what it is a model of, as in models.registry", required=True)
    engine = Col(_TEXT, "the method that was the best on the last whole window", required=True)
    text = Col(
        _TEXT,
        "JSON: coefficients as numbers, trees as LightGBM's own text, calibration, figures of the fit",
        required=True,
    )
    sha256 = Col(_TEXT, "checksum of the text", required=True)
    rules = Col(
        T.ArrayType(_TEXT),
        "what a small decision tree says of the same examples, to be read: per leaf SQL conditions on features, then "
        "the probability before calibration; an unknown feature is the least; none: an amount, or the base rate",
        required=True,
    )
    trained_on = Col(
        T.DateType(), "the date as of which it was fitted: as_of of its row in models.registry", required=True
    )
    made_by = Col(_TEXT, "digest of the code and the settings that it was fitted by", required=True)


class RankingModels(FittedModels):
    """One row per model that users' products are ranked by: its state as text.

    A date on which it is not fitted again has the row of the date before.
    """

    name = "ranking_models"


class Opportunities(Predicted):
    """One row per user and sale that could be made: a cart left behind, a category not bought, an order that is due."""

    name = "opportunities"
    key = ("as_of", "user_id", "kind", "item")
    checks = (
        Check("kind_known", "kind", "in", OPPORTUNITIES),
        Check("strength_is_share", "strength", "between", (0.0, 1.0)),
    )
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    kind = Col(
        _TEXT,
        "cart: a product put into the cart and not bought of late; category_gap: a category that users of the segment "
        "buy and this one does not; not_yet_buying: no order of late, and likelier to order soon than most of these",
        required=True,
    )
    item = Col(_TEXT, "cart: the product; category_gap: the category; not_yet_buying: 'order'", required=True)
    strength = Col(
        _DOUBLE,
        "cart: probability that it is bought within 28 days; category_gap: share of the segment's users who buy the "
        "category; not_yet_buying: probability of an order within 14 days; null: not known",
        unit="share",
    )
    since = Col(T.DateType(), "cart: the last day on which it was put there; null: another kind")


class CustomerValue(Predicted):
    """One row per user who ordered in the days that count: how many orders are to come, and what they are worth."""

    name = "customer_value"
    key = ("as_of", "user_id")
    checks = (
        Check("p_alive_is_share", "p_alive", "between", (0.0, 1.0)),
        Check("orders_not_negative", "expected_orders", ">=", 0.0),
    )
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    repeat_days = Col(_INT, "days with an order after the first of the days that count", required=True)
    weeks = Col(_INT, "whole weeks from the first of these days to as_of", unit="weeks", required=True)
    p_alive = Col(_DOUBLE, "probability that the user will ever order again, by BG/NBD", unit="share", required=True)
    expected_orders = Col(
        _DOUBLE, "order days expected in the next propensity.value_weeks weeks, by BG/NBD", required=True
    )
    order_worth = Col(_DOUBLE, "amount expected on such a day, by gamma-gamma", unit="currency", required=True)
    value = Col(_DOUBLE, "expected_orders × order_worth; no margin, no interest", unit="currency", required=True)


class SegmentTrends(Predicted):
    """One row per segment, measure and day: what its users did before as_of, and what is expected of days to come.

    Segments by value, as users are in them on as_of, whichever they were in on the day. Measures are forecast each by
    itself, as series of their own: a user alone orders too seldom for one.
    """

    name = "segment_trends"
    key = ("as_of", "segment_id", "measure", "day")
    checks = (Check("measure_known", "measure", "in", SEGMENT_MEASURES),)
    segment_id = Col(_INT, "the segment, as in models.segments", required=True)
    segment_name = Col(_TEXT, "its name", required=True)
    measure = Col(
        _TEXT, "users: who ordered; orders: of these; revenue: amount paid, less returns, in currency", required=True
    )
    day = Col(T.DateType(), "the business day", required=True)
    actual = Col(_DOUBLE, "what it was; null: the day is to come")
    expected = Col(_DOUBLE, "what it is expected to be; null: the day is over, as in the columns that follow")
    lower_80 = Col(_DOUBLE, "lower end of the 80% interval; null, too: the segment has hardly a day of orders")
    upper_80 = Col(_DOUBLE, "upper end of the 80% interval")
    lower_95 = Col(_DOUBLE, "lower end of the 95% interval")
    upper_95 = Col(_DOUBLE, "upper end of the 95% interval")
    model = Col(_TEXT, "the champion that expects it: a model, an ensemble of models, or a rule")


PREDICTIONS: tuple[type[Table], ...] = (
    Propensity,
    ItemPropensity,
    Opportunities,
    CustomerValue,
    FittedModels,
    RankingModels,
    SegmentTrends,
)
