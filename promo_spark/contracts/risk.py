"""Who cheats, as of a date: what was seen of each account, how likely it is no customer, and what to do about it."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts import vocabulary
from promo_spark.contracts.models import Predicted
from promo_spark.contracts.schema import MONEY, Check, Col, Personal, Table

_TEXT = T.StringType()
_INT = T.IntegerType()
_LONG = T.LongType()
_DOUBLE = T.DoubleType()

# What speaks against an account. Signals of one group follow from one another; groups do not.
SIGNAL_GROUPS = {
    "shared_identity": "sharing",
    "opened_together": "opening",
    "equal_orders": "coordination",
    "coupon_orders": "coupons",
    "coupon_burst": "coupons",
    "returned_at_once": "returns",
    "returned_lines": "returns",
    "returned_again": "repetition",
    "quiet_hours": "hours",
    "order_burst": "bursts",
    "outlier": "outlier",
}
SIGNALS = tuple(SIGNAL_GROUPS)
GROUPS = tuple(dict.fromkeys(SIGNAL_GROUPS.values()))
ACTIONS = ("none", "limit", "review", "suspend")
ACTION_OF_TIER = dict(zip(vocabulary.RISK_TIERS, ACTIONS, strict=True))


class Risk(Predicted):
    """One row per user who may be profiled: how likely the account is no customer's, and why."""

    name = "risk"
    key = ("as_of", "user_id")
    checks = (
        Check("score_is_share", "score", "between", (0.0, 1.0)),
        Check("tier_known", "tier", "in", vocabulary.RISK_TIERS),
        Check("verification_level_known", "verification_level", "between", (0, 3)),
        Check("credit_score_in_range", "credit_score", "between", (300.0, 850.0)),
    )
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    score = Col(_DOUBLE, "probability that the account cheats, by all signals", unit="share", required=True)
    tier = Col(_TEXT, "one of: " + ", ".join(vocabulary.RISK_TIERS), required=True)
    reasons = Col(T.ArrayType(_TEXT), "what speaks against the account, strongest first; empty: nothing", required=True)
    signals = Col(
        T.MapType(_TEXT, _DOUBLE),
        "of each signal that could be measured: the chance that an honest account shows as much",
        unit="share",
        required=True,
    )
    independent_signals = Col(_INT, "groups of signals that each speak against the account", required=True)
    ring = Col(_LONG, "which linked accounts it is of, cheats or a household; null: fewer than three are linked")
    anomaly = Col(_DOUBLE, "of the isolation forest: near 1 unusual, below 0.5 usual; null: no orders")
    is_anomaly = Col(T.BooleanType(), "among the risk.contamination most unusual", required=True)
    verification_level = Col(
        _INT, "how thoroughly to ask who it is: 0 not, 1 at new devices, 2 at each order, 3 in person", required=True
    )
    credit_score = Col(_DOUBLE, "300 to 850, more is better; null: nothing to learn it from, or no orders")


class RiskActions(Predicted):
    """One row per user who may be profiled: what the order system is advised to do, and until when."""

    name = "risk_actions"
    key = ("as_of", "user_id")
    checks = (Check("action_known", "action", "in", ACTIONS),)
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    action = Col(_TEXT, "one of: " + ", ".join(ACTIONS), required=True)
    limit_amount = Col(MONEY, "the most that an order may come to; null: no limit, or none allowed", unit="currency")
    reason = Col(_TEXT, "why, in words", required=True)
    expires = Col(T.DateType(), "the first day on which it holds no more", required=True)


RISKS: tuple[type[Table], ...] = (Risk, RiskActions)
