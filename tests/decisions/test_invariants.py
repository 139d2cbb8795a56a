"""The check before the commit sees every kind of breach, and passes what is right."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.decisions.policy import InForce
from promo_spark.errors import InvariantError
from promo_spark.settings import Settings
from tests.decisions.decided_rows import (
    COUPON,
    DAY,
    GIFT,
    HELD,
    NONE,
    OFFER,
    ORDER,
    SPEND_AND_SAVE,
    TEA,
    check,
    users_of_the_day,
)


def test_right_decisions_pass(spark: SparkSession, settings: Settings) -> None:
    rows = [
        OFFER | {"user_id": "a"},
        COUPON | {"user_id": "d"},
        NONE | {"user_id": "b", "revokes": [COUPON["promotion_id"]]},
        NONE | {"user_id": "c", "arm": "holdout"},
        GIFT | {"user_id": "f", "fund_id": "jam makers", "fund_cost": "0.02"},
        # what chance gives in the explore arm may bring nothing
        OFFER
        | {
            "user_id": "e",
            "arm": "explore",
            "objective_value": -1,
            "incremental_margin": -1,
            "action_propensity": "0.25",
        },
    ]
    users = users_of_the_day(
        spark,
        ("a", True, "low", "treatment"),
        ("b", False, None, "treatment"),
        ("c", True, None, "holdout"),
        ("d", True, None, "treatment"),
        ("e", True, None, "explore"),
        ("f", True, None, "treatment"),
    )
    held = [
        OFFER | TEA | {"user_id": "a", "valid_to": DAY},  # another product: both may be used
        OFFER | {"user_id": "a", "valid_to": DAY - datetime.timedelta(days=1)},  # holds no more
        COUPON | {"user_id": "b", "valid_to": DAY},  # has withdrawn consent since: it ends
    ]
    check(settings, rows, users, reserved="0.20", planned="0.20", held=held)


def test_every_breach_is_named_with_its_rows_and_an_example(spark: SparkSession, settings: Settings) -> None:
    """I23 and the promises of decisions.promotions: one planted breach for each rule."""
    wrong: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "above": (ORDER, [OFFER | {"offer_price": 11}]),
        "equal": (ORDER, [OFFER | {"offer_price": 10, "discount_rate": 0}]),  # nothing off what is charged now
        "under": (ORDER, [OFFER | {"offer_price": 7}]),
        "dear": (ORDER, [OFFER | {"list_price": "9.50"}]),  # charged above list
        "unknown": (ORDER, [OFFER | {"charged_price": None}]),
        "rate": ("the price is the charged price less the rate", [OFFER | {"discount_rate": "0.2"}]),
        "coupon": ("an amount off a basket is something, and less", [COUPON | {"coupon_amount": 10}]),
        "saved": ("an amount off a basket is something, and less", [SPEND_AND_SAVE | {"min_spend": 2}]),
        "lavish": (
            "an amount off a basket is at most",
            [SPEND_AND_SAVE | {"coupon_amount": "26", "min_spend": 100}],  # of 100 / 4
        ),
        "empty": (
            "an offer is of products, off a basket or a gift",
            [OFFER | {"product_ids": [], "expected_units": None}],
        ),
        "mixed": ("an offer is of products, off a basket or a gift", [COUPON | {"product_ids": ["milk"]}]),
        "two": ("a gift is one product", [GIFT | {"product_ids": ["jam", "jam"], "expected_units": [Decimal(0)] * 2}]),
        "uncounted": ("an offer on products says how many pieces", [OFFER | {"expected_units": [None]}]),
        "fewer": ("an offer on products says how many pieces", [OFFER | {"expected_units": [Decimal("-0.1")]}]),
        "pieces": ("an offer on products says how many pieces", [COUPON | {"expected_units": [Decimal(1)]}]),
        "freely": ("a gift is one product", [GIFT | {"min_spend": None}]),
        "reduced": ("a gift is one product", [GIFT | {"discount_rate": "0.1"}]),
        "sold out": ("a gift is a product that may be offered, and in stock", [GIFT | {"product_ids": ["salt"]}]),
        "not known": ("a gift is a product that may be offered, and in stock", [GIFT | {"product_ids": ["rice"]}]),
        "kept out": ("a gift is a product that may be offered, and in stock", [GIFT | {"product_ids": ["wine"]}]),
        "costly": ("a gift costs promote.gift_max_cost at most", [GIFT | {"product_ids": ["honey"]}]),
        "small": ("a gift costs promote.gift_max_cost at most", [GIFT | {"min_spend": 4}]),  # leaves 0.45 × 4 = 1.80
        "gift beside": (
            "a user's offers keep the margin floor together",
            [OFFER, GIFT | {"promotion_id": "g", "rank": 2}],
        ),
        "gift held": ("a user's offers keep the margin floor together", [OFFER]),
        "given to": ("a risk tier of promote.no_coupon_risk_tiers gets no offer on a basket", [GIFT]),
        "no code": ("a coupon has a code, and nothing else has", [COUPON | {"coupon_code": None}]),
        "a code": ("a coupon has a code, and nothing else has", [SPEND_AND_SAVE | {"coupon_code": "0123"}]),
        "for long": ("an offer holds promote.valid_days", [OFFER | {"valid_to": DAY + datetime.timedelta(days=7)}]),
        "dates": ("an offer's dates are in order", [OFFER | {"valid_to": DAY - datetime.timedelta(days=1)}]),
        "free": (
            "but for the explore arm an offer reserves at least the smallest amount",
            [OFFER | {"expected_cost": 0}],
        ),
        "idle": ("but for the explore arm an offer brings", [OFFER | {"objective_value": "0.09"}]),
        "losing": (
            "but for the explore arm and clearance no offer loses margin",
            [OFFER | {"objective": "revenue", "incremental_margin": "-0.01"}],
        ),
        "payer": ("a fund pays for offers with products only", [OFFER | {"fund_id": "f"}]),  # nobody knows how much
        "of none": ("a fund pays for offers with products only", [OFFER | {"fund_cost": 1}]),
        "basket": ("a fund pays for offers with products only", [COUPON | {"fund_id": "f", "fund_cost": 1}]),
        "chance": ("an action's probability is a share above 0", [OFFER | {"action_propensity": 0}]),
        "slot": ("an offer is a sentence without empty slots", [OFFER | {"text": "{title}, 10% off."}]),
        "status": ("an offer has a status, and none has none", [NONE | {"status": "active"}]),
        "promise": ("none promises nothing", [NONE | {"text": "Take it."}]),
        "planned": ("none promises nothing", [NONE | {"campaign_id": "c"}]),
        "silent": ("every row has a reason", [OFFER | {"reason_codes": []}]),
        "held": ("nobody in the holdout gets an offer", [OFFER | {"arm": "holdout"}]),
        "early": ("every row is of the date", [OFFER | {"date": DAY - datetime.timedelta(days=1)}]),
        "forgotten": ("every user has exactly one decision set", []),
        "both": ("every user has exactly one decision set", [OFFER, NONE | {"rank": 2}]),
        "stranger": ("only users of the day are decided for", [OFFER]),
        "gap": ("ranks count from 1 without a gap", [OFFER | {"rank": 2}]),
        "greedy": (
            "nobody gets more than 2 offers",
            [OFFER | {"promotion_id": f"x{i}", "rank": i, "product_ids": [f"p{i}"]} for i in (1, 2, 3)],
        ),
        "holding": ("nobody gets more than 2 offers", [OFFER, OFFER | TEA]),  # with the one held: three
        "stacked": (
            "a user's offers keep the margin floor together",
            [OFFER, COUPON | {"promotion_id": "c", "rank": 2}],
        ),
        "coupon held": ("a user's offers keep the margin floor together", [OFFER]),
        "again": ("a product is offered to a user once", [OFFER]),  # milk is held
        "twice": ("a promotion is given to a user once", [OFFER, OFFER | {"rank": 2, "product_ids": ["tea"]}]),
        "repeat": ("a product is offered to a user once", [OFFER, OFFER | {"rank": 2, "promotion_id": "x2"}]),
        "withdrawn": ("whoever withdrew holds no offer any more", [NONE | {"reason_codes": ["no_consent"]}]),
        "cut off": ("whoever withdrew holds no offer any more", [NONE | {"revokes": ["x9"]}]),  # has not withdrawn
        "refused": ("nobody without consent is targeted", [OFFER]),
        "unasked": ("nobody without consent is targeted", [OFFER]),
        "by mail": ("nobody is sent an offer by a channel that they refused", [OFFER | {"channel": "mail"}]),
        "by none": ("nobody is sent an offer by a channel that they refused", [OFFER]),
        "unprofiled": ("nobody without profile is targeted", [OFFER]),
        "blocked": ("a blocked risk tier gets nothing", [OFFER]),
        "warned": ("a risk tier of promote.no_coupon_risk_tiers gets no offer on a basket", [COUPON]),
        "moved": ("the arm is the one that was drawn", [OFFER]),
    }
    consent = {"refused": False, "withdrawn": False, "unasked": None}
    arms = {"held": "holdout", "moved": "holdout"}
    tiers = {"blocked": "blocked", "warned": "high", "given to": "high"}
    users = users_of_the_day(
        spark,
        *[(u, consent.get(u, True), tiers.get(u), arms.get(u, "treatment")) for u in wrong if u != "stranger"],
        *[(u, True, None, "treatment") for u in ("loyal", "new")],
    )
    rows = [row | {"user_id": user} for user, (_, given) in wrong.items() for row in given]
    # each right by itself: who is loyal is charged 10 for bread, who is new 9
    bread = OFFER | {"product_ids": ["bread"]}
    rows += [bread | {"user_id": "loyal"}, bread | {"user_id": "new", "charged_price": 9, "offer_price": "8.10"}]
    with pytest.raises(InvariantError) as caught:
        check(settings, rows, users, reserved="0.10", planned="0.10", held=HELD)
    lines = [line.strip() for line in str(caught.value).splitlines()]
    broken = dict(line.split(": broken by ") for line in lines if ": broken by " in line)
    by_rule: dict[str, list[str]] = {}
    for user, (rule, _) in wrong.items():
        by_rule.setdefault(rule, []).append(user)
    by_rule["the price is the charged price less the rate"] += ["above", "under", "unknown", "mixed"]
    by_rule[ORDER] += ["mixed"]
    by_rule["a product is offered to a user once"] += ["two"]
    by_rule["a gift costs promote.gift_max_cost at most"] += ["freely"]
    by_rule["an offer on products says how many pieces"] += ["mixed"]
    by_rule["nobody without consent is targeted"] += ["stranger"]
    by_rule["the arm is the one that was drawn"] += ["stranger"]
    for rule, breakers in by_rule.items():
        [count] = [broken[name] for name in broken if name.startswith(rule)]
        assert any(f"such as {u}" in count for u in breakers), (rule, count)
        assert count.startswith(f"{len(breakers)}, ")
    # N07: loyal customers are never charged more
    assert broken["what is charged for a product is one price, to whomever it is offered"] == "1, such as bread"
    sums = "a budget reserves the sum of its offers' costs, or of the pieces that they sell"
    assert {"no budget is exceeded", sums} <= set(broken)


def test_amounts_have_the_digits_of_their_currency(spark: SparkSession, settings: Settings) -> None:
    """Half a yen is no amount: neither a price nor what is reserved."""
    users = users_of_the_day(spark, ("a", True, None, "treatment"))
    odd = OFFER | {"user_id": "a", "discount_rate": "0.05", "offer_price": "9.50", "expected_cost": 1}
    check(settings, [odd], users, reserved="1", planned="1", currency="EUR")
    with pytest.raises(InvariantError, match=r"amounts have at most 0 digits .*: broken by 1, such as a/x1"):
        check(settings, [odd], users, reserved="1", planned="1", currency="JPY")


def test_an_offer_of_what_marketers_keep_out_is_a_breach(spark: SparkSession, settings: Settings) -> None:
    users = users_of_the_day(spark, ("a", True, None, "treatment"))
    offer = [OFFER | {"user_id": "a"}]
    check(settings, offer, users, reserved="0.05", planned="1", excluded=["tea"])
    broken = r"no product of silver.promotion_exclusions is offered: broken by 1, such as a/x1"
    with pytest.raises(InvariantError, match=broken):
        check(settings, offer, users, reserved="0.05", planned="1", excluded=["milk"])


def test_what_the_policy_pauses_is_given_to_explored_users_only(spark: SparkSession, settings: Settings) -> None:
    """L05 (pauses): discounts are paused, those of recommended_item closed: a breach for each who gets one."""
    explored = {"arm": "explore", "action_propensity": "0.25"}
    rows = [
        OFFER | {"user_id": "paused"},
        OFFER | {"user_id": "may draw"} | explored,
        OFFER | {"user_id": "closed", "scenario": "recommended_item"} | explored,
        COUPON | {"user_id": "other"},
    ]
    arms = {"paused": "treatment", "may draw": "explore", "closed": "explore", "other": "treatment"}
    users = users_of_the_day(spark, *[(user, True, None, arm) for user, arm in arms.items()])
    values = {("paused", "mechanic:discount"): 1.0, ("paused", "scenario:recommended_item"): 2.0}
    check(settings, rows, users, reserved="0.20", planned="0.20")
    with pytest.raises(InvariantError) as refused:
        check(settings, rows, users, reserved="0.20", planned="0.20", policy=InForce("v", values))
    told = "explored users only, and what it closes to nobody: broken by 2, such as closed/x1"
    assert told in str(refused.value) and str(refused.value).count("broken by") == 1
