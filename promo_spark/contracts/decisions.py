"""What is decided for a date: offers and explicit no-offers, and the budget they keep."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import types as T

from promo_spark.contracts import vocabulary
from promo_spark.contracts.schema import MONEY, QUANTITY, RATE, Check, Col, Personal, Table, WriteMode

_TEXT = T.StringType()
_TEXTS = T.ArrayType(_TEXT)
_DATE = T.DateType()

SCENARIOS, MECHANICS, OBJECTIVES = vocabulary.SCENARIOS, vocabulary.MECHANICS, vocabulary.OBJECTIVES
ARMS = ("treatment", "holdout", "explore")
STATUSES = ("active", "proposed", "stopped", "paused")
ENDED = ("stopped", "paused")  # before their time, on stopped_on
ACTIONS = ("approve", "stop", "pause")
# The share of explored users who get no offer: whom all others are compared with, however many offers there are.
NONE_SHARE = Decimal("0.25")
# Why somebody may get no offer, whatever could be offered. Offers that still hold end with the first of them.
WITHDRAWN = ("no_consent", "unknown_consent", "no_channel", "not_profiled")
EXCLUSIONS = (*WITHDRAWN, "risk_blocked", "holdout", "exploring")
BUDGET_UNITS = ("currency", "pieces")
ACCOUNTS, ENTRIES = ("points", "rebate"), ("earn", "redeem", "refused", "expire")


class Promotions(Table):
    """One row per date, user and promotion: an offer to execute, or `none` with its reason.

    Always true: every eligible user has exactly one decision set; no constraint of decisions.budget is
    exceeded; every price is below what is charged now, which is one price for all users, at or above the margin floor,
    and in the currency's own digits;
    an offer that still holds is not made again, and counts against the most offers per user; a user's offers, those of
    earlier dates that still hold too, may be used together: no product is in two of them, and an offer on the whole
    basket, such as a coupon or a gift, stands alone; a gift is in stock, and costs promote.gift_max_cost at most;
    where the stock of a product is known, all offers that hold are expected to sell promote.stock_share of it at most;
    nobody in the holdout, without consent or in a blocked risk tier gets an offer; but for the explore arm, every
    offer brings promote.least_gain of its objective and, but for clearance, loses no margin; the same inputs give
    the same bytes.
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
        Check("status_known", "status", "in", STATUSES),
        Check("objective_known", "objective", "in", OBJECTIVES),
        Check("fund_cost_not_negative", "fund_cost", ">=", 0),
    )
    date = Col(_DATE, "the day the offers are for", required=True)
    user_id = Col(_TEXT, "who gets it", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(
        _TEXT, "same for the same date, user, scenario, products, mechanic, depth and fund", required=True
    )
    scenario = Col(_TEXT, f"why there is an offer: {', '.join(SCENARIOS)}", required=True)
    mechanic = Col(_TEXT, f"how it is given: {', '.join(MECHANICS)}", required=True)
    product_ids = Col(
        _TEXTS, "products it is good for, or the gift; empty: the whole category, or no offer", required=True
    )
    category = Col(
        _TEXT,
        "category of what it is good for, which product_ids tells; null: several, the whole shop, a gift, or no offer",
    )
    discount_rate = Col(RATE, "share off the charged price; null: no such rate, as of a gift", unit="share")
    coupon_amount = Col(
        MONEY,
        "amount off a basket, a share of its mechanic's budget at most; null: products, a gift, or no offer",
        "currency",
    )
    coupon_code = Col(_TEXT, "what redeems it, another one for each offer; null: no coupon, or written before 0.4")
    min_spend = Col(MONEY, "amount to spend before the offer counts; null: none", unit="currency")
    list_price = Col(MONEY, "catalogue price of the products together; null: no products, or a gift", "currency")
    charged_price = Col(
        MONEY,
        "price of the products together that is charged now, without the offer: the lowest of list, promo calendar and "
        "usually paid in the last 30 days; null: no products, or a gift",
        "currency",
    )
    offer_price = Col(
        MONEY,
        "price with the offer, from margin floor to below charged; of points and rebates what is left after them: "
        "charged_price is paid at the till; null: no products, or a gift",
        "currency",
    )
    margin_floor = Col(
        MONEY, "the lowest price that keeps the minimum margin; null: no products, or a gift", "currency"
    )
    valid_from = Col(_DATE, "first day; null: no offer")
    valid_to = Col(_DATE, "last day, included; null: no offer")
    channel = Col(
        _TEXT,
        "where it is given: the one channel in which it holds, as the store of store_coupon, else the user's main "
        "channel; null: no offer, or none is known: any that the user agreed to",
    )
    send_from = Col(T.TimestampType(), "from when it may be sent, UTC; null: no quiet hours, or no offer")
    send_until = Col(T.TimestampType(), "until when, UTC; null: the same")
    segment_id = Col(T.IntegerType(), "segment of the user", required=True)
    rank = Col(T.IntegerType(), "order among the user's offers, 1 = best", required=True)
    expected_conversion = Col(
        RATE,
        "chance that it is used while it holds; much of that would be bought anyway",
        "share",
        required=True,
    )
    expected_units = Col(
        T.ArrayType(QUANTITY),
        "pieces of each of product_ids, in their order, that the user is expected to buy while it holds, what would be "
        "bought anyway too; of a gift its chance of being given; rounded up; null: on a basket, no offer, or written "
        "before 0.4",
        "pieces",
    )
    expected_uplift = Col(
        RATE,
        "order days that it is expected to bring while it holds, beyond those without it; null: written before 0.4",
    )
    expected_margin = Col(
        MONEY,
        "expected margin of what it is used for, after what the shop gives; what would be bought anyway is in it",
        "currency",
        required=True,
    )
    incremental_margin = Col(
        MONEY,
        "what it is expected to bring: margin beyond that without it, after what the shop gives; null: written before "
        "0.4",
        "currency",
    )
    incremental_margin_se = Col(MONEY, "its standard error; null: no offer, or written before 0.4", "currency")
    objective = Col(
        _TEXT,
        f"what it was chosen for: {', '.join(OBJECTIVES)}, by its campaign or by promote.objective; null: no offer, or "
        "written before 0.4",
    )
    objective_value = Col(
        MONEY,
        "what it is expected to bring of that: of profit incremental_margin; of revenue what customers pay more; of "
        "clearance the margin where the pieces' cost counts as spent; of retention the margin of extra orders, by the "
        "chance that the user leaves; null: no offer, or written before 0.4",
        "currency",
    )
    basis = Col(
        _TEXT,
        "what its effect on visits rests on: randomised (experiments had this mechanic), transferred (others had), "
        "prior (none); null: no offer, or written before 0.4",
    )
    expected_cost = Col(
        MONEY,
        "reserved from the budget on the offer's first day: expected cost rounded up in the currency's digits; with a "
        "fund the shop's part of it",
        "currency",
        required=True,
    )
    fund_id = Col(_TEXT, "the fund of silver.promotion_funds that pays a share; null: none")
    fund_cost = Col(
        MONEY,
        "the fund's part: with expected_cost all that is expected to be given, rounded up; null: no fund",
        "currency",
    )
    campaign_id = Col(_TEXT, "the campaign of silver.promotion_calendar that it belongs to; null: none")
    currency = Col(_TEXT, "ISO code", required=True)
    margin_is_assumed = Col(T.BooleanType(), "true: unit cost follows from an assumed margin", required=True)
    arm = Col(_TEXT, f"experiment arm: {', '.join(ARMS)}", required=True)
    arm_propensity = Col(RATE, "probability with which the user was put in the arm", "share", required=True)
    action_propensity = Col(
        RATE,
        "probability of just this offer, or of none, for the user in this arm: in the arm explore none has "
        f"{NONE_SHARE}, and the offers that could be made share the rest equally; 1 in other arms; null: written "
        "before 0.4",
        "share",
    )
    risk_tier = Col(_TEXT, "low, medium, high or blocked; null: not scored")
    reason_codes = Col(
        _TEXTS,
        "why this offer, or why none (offers_held: those of earlier dates still hold; no_gain: none brings "
        "promote.least_gain; strategy: what does is of a mechanic that is not measured and that "
        "silver.segment_strategies does not name for the user; paused: what does is paused by decisions.policy, or, "
        "within the day, was stopped or paused; "
        "budget_exhausted: others bring more for it; ring_cap: "
        "linked accounts have what they may have together; explored: "
        "chance gave none; exploring: chance drew on an earlier day, and nothing else is given while what it drew from "
        "would hold); at least one",
        required=True,
    )
    text = Col(_TEXT, "the offer as a sentence; empty: no offer", required=True)
    status = Col(
        _TEXT,
        "active: to be executed; proposed: not before it is approved; stopped: by hand, paused: by stream, see "
        "decisions.actions; "
        "null: no offer, or written before 0.4",
    )
    stopped_on = Col(_DATE, "first day on which a stopped or paused offer does not hold any more; null: neither")
    revokes = Col(
        _TEXTS,
        "promotions of earlier dates that end with this row, as the user may not be sent offers any more; null: none",
    )
    policy_version = Col(
        _TEXT, "promote.policy_version, and where one is in force, + and the version of decisions.policy", required=True
    )
    run_id = Col(
        _TEXT,
        "the run that decided; RUN-stream-SOURCE-BATCH: the batch of stream that did, within the day",
        required=True,
    )


class Budget(Table):
    """One row per date and constraint: what was planned, what the decisions reserve.

    Read it together with the offers: rows of the same date and run_id belong to one decision; offers that stream made
    within the day carry the run_id of its batch, and the budget that of the last batch that decided. The offers are
    written last, so where no offer of the date has the budget's run_id, a run is replacing both, or adding to them.
    """

    layer, name = "decisions", "budget"
    key = ("date", "constraint")
    partition = ("date",)
    dated_by = "date"
    checks = (Check("unit_known", "unit", "in", BUDGET_UNITS),)
    date = Col(_DATE, "the day", required=True)
    constraint = Col(
        _TEXT,
        "daily, mechanic:<name>, face:<mechanic>, department:<name>, fund:<fund_id>, campaign:<campaign_id>, or, where "
        "it could bind, stock:<product_id>",
        required=True,
    )
    planned = Col(
        MONEY,
        "the most that may be reserved; of a fund or a campaign what earlier dates left of its budget, of stock what "
        "offers that still hold left",
        "as in unit",
        required=True,
    )
    reserved = Col(
        MONEY,
        "sum of expected_cost of the offers under it; of a fund, of their fund_cost; of face, of their coupon_amount; "
        "of stock, of their expected_units, rounded up",
        "as in unit",
        required=True,
    )
    unit = Col(
        _TEXT,
        "what planned and reserved are in: currency, or pieces of the product of a stock; null: currency, written "
        "before 0.4",
    )
    offers = Col(T.LongType(), "offers under it", required=True)
    dual_price = Col(
        T.DoubleType(), "margin that one unit more of it would bring, at the price that was found; null: not binding"
    )
    bound = Col(
        MONEY,
        "the most that the date's offers, explored users' apart, could bring together under all constraints; "
        "null: written before 0.4",
        "currency",
    )
    gap = Col(
        T.DoubleType(), "how far they may lie below that, as a share of it; null: nothing could be gained", unit="share"
    )
    run_id = Col(_TEXT, "the run that wrote the row, as in decisions.promotions; null: written before version 0.2")


class Frontier(Table):
    """One row per date and daily budget that might have been: what it could bring.

    The other constraints are as they are. What the explore arm gets is left out.
    """

    layer, name = "decisions", "frontier"
    key = ("date", "daily_budget")
    partition = ("date",)
    dated_by = "date"
    trailing = ("run_id",)
    date = Col(_DATE, "the day", required=True)
    daily_budget = Col(MONEY, "the budget", unit="currency", required=True)
    incremental_margin = Col(
        MONEY, "the most that offers under it could bring: a bound", unit="currency", required=True
    )
    dual_price = Col(
        T.DoubleType(), "margin that one unit more of it would bring there; 0: it does not bind", required=True
    )
    run_id = Col(_TEXT, "the run that wrote the row")


class Explored(Table):
    """One row per date, explored user and candidate: every offer that could have been made, and none.

    One of them was drawn, none with a probability of its own and each offer as likely as any other: evidence of what
    offers do.
    """

    layer, name = "decisions", "explored"
    key = ("date", "user_id", "promotion_id")
    partition = ("date",)
    dated_by = "date"
    trailing = ("run_id",)
    date = Col(_DATE, "the day", required=True)
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(_TEXT, "as it would stand in decisions.promotions", required=True)
    scenario = Col(_TEXT, "as there; none: no offer", required=True)
    mechanic = Col(_TEXT, "as there; none: no offer", required=True)
    product_ids = Col(_TEXTS, "as there", required=True)
    saving = Col(
        RATE,
        "share off what it applies to; of a gift its price as a share of min_spend, or of twice the price where that "
        "is more; 0: no offer",
        unit="share",
        required=True,
    )
    off = Col(MONEY, "amount off the same; of a gift its cost; 0: no offer", unit="currency", required=True)
    min_spend = Col(MONEY, "amount to spend before it counts; null: none", unit="currency")
    expected_conversion = Col(RATE, "as in decisions.promotions", unit="share", required=True)
    expected_uplift = Col(RATE, "as in decisions.promotions", required=True)
    incremental_margin = Col(MONEY, "as in decisions.promotions", unit="currency", required=True)
    expected_cost = Col(MONEY, "as in decisions.promotions", unit="currency", required=True)
    fund_id = Col(_TEXT, "as in decisions.promotions")
    fund_cost = Col(MONEY, "as in decisions.promotions", unit="currency")
    action_propensity = Col(
        RATE,
        f"probability with which it was drawn: of none {NONE_SHARE}, of each offer the same part of the rest",
        unit="share",
        required=True,
    )
    chosen = Col(T.BooleanType(), "it was drawn", required=True)
    run_id = Col(_TEXT, "the run that wrote the row")


class Actions(Table):
    """One row per thing that was decided about offers by hand, or by stream: a date approved, offers stopped or paused.

    A run of promote for the date, also a repeated one, gives its offers the status that these rows say.
    """

    layer, name = "decisions", "actions"
    key = ("action", "what", "day")
    write_mode = WriteMode.MERGE
    checks = (Check("action_known", "action", "in", ACTIONS),)
    action = Col(_TEXT, f"what was decided: {', '.join(ACTIONS)}", required=True)
    what = Col(
        _TEXT,
        "which offers: all, a promotion_id, or scenario:NAME, mechanic:NAME, campaign:ID, product:ID",
        required=True,
    )
    day = Col(
        _DATE,
        "approve: the date of the offers; stop, pause: the first day on which they do not hold any more",
        required=True,
    )
    at = Col(T.TimestampType(), "when it was said, UTC; pause: the newest row that it follows from", required=True)
    by = Col(_TEXT, "who said it; of a pause: stream", required=True)
    reason = Col(_TEXT, "in their own words, of a pause in those of stream; null: none given")
    before_decided = Col(
        T.BooleanType(), "stop: said before its day was decided: that day nobody is offered what it names; null: no"
    )


class Points(Table):
    """One row per date and entry of the ledger: points earned, paid with or run out, and rebates to be paid back.

    Always true: what happened once is booked once; no balance is below zero.
    """

    layer, name = "decisions", "points"
    key = ("date", "entry_id")
    partition = ("date",)
    dated_by = "date"
    trailing = ("run_id",)
    checks = (
        Check("account_known", "account", "in", ACCOUNTS),
        Check("kind_known", "kind", "in", ENTRIES),
        Check("balance_not_negative", "balance", ">=", 0),
    )
    date = Col(_DATE, "the day on which it was booked", required=True)
    entry_id = Col(_TEXT, "the same for the same offer, redemption, or user and day of expiry", required=True)
    user_id = Col(_TEXT, "whose it is", required=True, personal=Personal.IDENTIFIER)
    account = Col(_TEXT, "points: to pay with; rebate: money that the shop owes for an offer", required=True)
    kind = Col(
        _TEXT,
        "earn (an offer's pieces were kept), redeem (paid with points), refused (a redemption of more than there was), "
        "expire (not paid with in time)",
        required=True,
    )
    amount = Col(MONEY, "added to the balance, below 0: taken off; refused: 0", unit="currency", required=True)
    asked = Col(MONEY, "what a redemption came to; null: none", unit="currency")
    balance = Col(MONEY, "of the user's account after all entries of the date", unit="currency", required=True)
    promotion_id = Col(_TEXT, "the offer that earned it; null: none did")
    run_id = Col(_TEXT, "the run that wrote the row")


DECISIONS: tuple[type[Table], ...] = (Promotions, Budget, Frontier, Explored, Actions, Points)
