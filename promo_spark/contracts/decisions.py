"""What is decided for a date: offers and explicit no-offers, and the budget they keep."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts import vocabulary
from promo_spark.contracts.schema import MONEY, RATE, Check, Col, Personal, Table

_TEXT = T.StringType()
_TEXTS = T.ArrayType(_TEXT)
_DATE = T.DateType()

SCENARIOS, MECHANICS = vocabulary.SCENARIOS, vocabulary.MECHANICS
ARMS = ("treatment", "holdout", "explore")


class Promotions(Table):
    """One row per date, user and promotion: an offer to execute, or `none` with its reason.

    Always true: every eligible user has exactly one decision set; no constraint of decisions.budget is
    exceeded; every price is below what is charged now, at or above the margin floor, and in the currency's own digits;
    an offer that still holds is not made again, and counts against the most offers per user; a user's offers, those of
    earlier dates that still hold too, may be used together: no product is in two of them, and a coupon for the whole
    shop stands alone; nobody in the holdout, without consent or in a blocked risk tier gets an offer; the same
    inputs give the same bytes.
    """

    layer, name = "decisions", "promotions"
    key = ("date", "user_id", "promotion_id")
    partition = ("date",)
    dated_by = "date"
    checks = (
        Check("scenario_known", "scenario", "in", SCENARIOS),
        Check("mechanic_known", "mechanic", "in", MECHANICS),
        Check("arm_known", "arm", "in", ARMS),
        Check("discount_is_share", "discount_rate", "between", (0, 1)),
        Check("conversion_is_share", "expected_conversion", "between", (0, 1)),
        Check("cost_not_negative", "expected_cost", ">=", 0),
    )
    date = Col(_DATE, "the day the offers are for", required=True)
    user_id = Col(_TEXT, "who gets it", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(_TEXT, "same for the same date, user, scenario and products", required=True)
    scenario = Col(_TEXT, f"why there is an offer: {', '.join(SCENARIOS)}", required=True)
    mechanic = Col(_TEXT, f"how it is given: {', '.join(MECHANICS)}", required=True)
    product_ids = Col(_TEXTS, "products it is good for; empty: the whole category, or no offer", required=True)
    category = Col(_TEXT, "category it is good for; null: only the products, or no offer")
    discount_rate = Col(RATE, "share off the charged price; null: no such rate", unit="share")
    coupon_amount = Col(MONEY, "amount off, a share of the coupons' budget at most; null: no coupon", unit="currency")
    min_spend = Col(MONEY, "amount to spend before the offer counts; null: none", unit="currency")
    list_price = Col(MONEY, "catalogue price of the products together; null: no products", "currency")
    charged_price = Col(
        MONEY,
        "price of the products together that is charged now, without the offer: the lowest of list, promo calendar and "
        "usually paid in the last 30 days; null: no products",
        "currency",
    )
    offer_price = Col(MONEY, "price with the offer, from margin floor to below charged; null: no products", "currency")
    margin_floor = Col(MONEY, "the lowest price that keeps the minimum margin; null: no products", "currency")
    valid_from = Col(_DATE, "first day; null: no offer")
    valid_to = Col(_DATE, "last day, included; null: no offer")
    channel = Col(_TEXT, "where to send it; null: no offer, or the shop has one channel")
    segment_id = Col(T.IntegerType(), "segment of the user", required=True)
    rank = Col(T.IntegerType(), "order among the user's offers, 1 = best", required=True)
    expected_conversion = Col(
        RATE,
        "expected share of such users who use it: observed response, shrunk; not an effect",
        "share",
        required=True,
    )
    expected_uplift = Col(RATE, "expected extra conversion because of the offer; null until uplift models exist")
    expected_margin = Col(
        MONEY, "expected margin of the purchase after the discount, conversion included", "currency", required=True
    )
    expected_cost = Col(
        MONEY,
        "reserved from the budget on the offer's first day: expected cost rounded up in the currency's digits",
        "currency",
        required=True,
    )
    currency = Col(_TEXT, "ISO code", required=True)
    margin_is_assumed = Col(T.BooleanType(), "true: unit cost follows from an assumed margin", required=True)
    arm = Col(_TEXT, f"experiment arm: {', '.join(ARMS)}", required=True)
    arm_propensity = Col(RATE, "probability with which the user was put in the arm", "share", required=True)
    risk_tier = Col(_TEXT, "low, medium, high or blocked; null: not scored")
    reason_codes = Col(
        _TEXTS,
        "why this offer, or why none (offers_held: those of earlier dates still hold); at least one",
        required=True,
    )
    text = Col(_TEXT, "the offer as a sentence; empty: no offer", required=True)
    policy_version = Col(_TEXT, "version of the strategy parameters", required=True)
    run_id = Col(_TEXT, "the run that decided", required=True)


class Budget(Table):
    """One row per date and constraint: what was planned, what the decisions reserve.

    Read it together with the offers: rows of the same date and run_id belong to one decision. The offers are
    written last, so where no row has the run_id of the date's offers, a run is replacing both.
    """

    layer, name = "decisions", "budget"
    key = ("date", "constraint")
    partition = ("date",)
    dated_by = "date"
    date = Col(_DATE, "the day", required=True)
    constraint = Col(_TEXT, "daily, or mechanic:<name>", required=True)
    planned = Col(MONEY, "the most that may be reserved", unit="currency", required=True)
    reserved = Col(MONEY, "sum of expected_cost of the offers under it", unit="currency", required=True)
    offers = Col(T.LongType(), "offers under it", required=True)
    dual_price = Col(
        T.DoubleType(), "expected margin per unit of cost of the first offer that no longer fitted; null: not binding"
    )
    run_id = Col(_TEXT, "the run that wrote the row, as in decisions.promotions; null: written before version 0.2")


DECISIONS: tuple[type[Table], ...] = (Promotions, Budget)
