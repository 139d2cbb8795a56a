"""Observed response: counted as defined, shrunk to the global rate, and said to be assumed where nothing is known."""

from __future__ import annotations

import datetime

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.response import (
    PurchaseHistory,
    ResponseTrial,
    coupon_trials,
    item_trials,
    purchases,
    response_rates,
)
from promo_spark.decisions.users import DailyUser
from promo_spark.settings import Settings

DAY = datetime.date(2017, 12, 1)


def days_before(days: int) -> datetime.date:
    return DAY - datetime.timedelta(days=days)


def assert_same_rows(found: DataFrame, expected: DataFrame) -> None:
    assert_df_equality(found, expected, ignore_nullable=True, ignore_metadata=True, ignore_row_order=True)


def test_a_contact_counts_once_its_window_has_passed(spark: SparkSession) -> None:
    campaigns = Campaigns.frame(
        spark,
        [
            {"campaign_id": "old", "start_date": days_before(60)},
            {"campaign_id": "open", "start_date": days_before(20)},  # its 28 days are not over
        ],
    )
    contacts = Contacts.frame(
        spark,
        [
            *[{"campaign_id": "old", "user_id": u} for u in ("quick", "late", "never")],
            {"campaign_id": "open", "user_id": "quick"},
            {"campaign_id": "open", "user_id": "own_day", "contacted_on": days_before(28)},  # its own day counts
        ],
    )
    redemptions = Redemptions.frame(
        spark,
        [
            {"user_id": "quick", "coupon_id": "k1", "campaign_id": "old", "redeemed_on": days_before(60)},
            {"user_id": "quick", "coupon_id": "k2", "campaign_id": "old", "redeemed_on": days_before(50)},
            {"user_id": "late", "coupon_id": "k1", "campaign_id": "old", "redeemed_on": days_before(32)},  # day 28
            {"user_id": "own_day", "coupon_id": "k3", "campaign_id": "open", "redeemed_on": days_before(1)},
        ],
    )
    trials = coupon_trials(contacts=contacts, campaigns=campaigns, redemptions=redemptions, date=DAY, window_days=28)
    assert_same_rows(
        trials,
        ResponseTrial.frame(
            spark,
            [
                {"user_id": "late", "kind": "coupon", "trials": 1, "successes": 0},
                {"user_id": "never", "kind": "coupon", "trials": 1, "successes": 0},
                {"user_id": "quick", "kind": "coupon", "trials": 1, "successes": 1},
                {"user_id": "own_day", "kind": "coupon", "trials": 1, "successes": 1},
            ],
        ),
    )


def test_item_trials_are_products_sold_at_a_discount_to_anybody(spark: SparkSession, settings: Settings) -> None:
    def bought(user: str, product: str, days: int, off: int = 0) -> dict[str, object]:
        return {
            "order_id": f"{user}{days}",
            "line_no": 1,
            "user_id": user,
            "product_id": product,
            "quantity": 1,
            "discount_retail": off,
            "order_date": days_before(days),
        }

    lines = OrderLines.frame(
        spark,
        [
            bought("ann", "milk", 40),
            bought("ann", "milk", 50),  # repeat before the 28 days
            bought("ann", "milk", 3, off=1),  # period 0
            bought("ann", "milk", 4),  # at full price: no response
            bought("bob", "milk", 45),  # known; sold at a discount in periods 0 and 1, bought in neither
            bought("cy", "milk", 10, off=1),  # period 1; never before
            bought("cy", "oats", 40),  # knows the category, so milk, its most bought product, is new to cy
            bought("ann", "salt", 40),
            bought("ann", "salt", 30),  # never sold at a discount: no trial
            bought("ann", "milk", 0, off=1),  # on the date itself: not known yet
        ],
    )
    products = OfferableProduct.frame(
        spark,
        [
            {"product_id": "milk", "category": "food"},
            {"product_id": "oats", "category": "food"},
            {"product_id": "salt", "category": "spice"},
        ],
    )
    strategy = settings.promote.model_copy(update={"response_window_days": 28, "valid_days": 7})
    history = purchases(lines, date=DAY, settings=strategy)
    orders, orders_before = PurchaseHistory.orders, PurchaseHistory.orders_before
    counts = {(r.user_id, r.product_id): (r[orders], r[orders_before]) for r in history.collect()}
    assert counts["ann", "milk"] == (2, 2) and counts["cy", "milk"] == (1, 0)  # 2 stands for several
    assert_same_rows(
        item_trials(history, products),
        ResponseTrial.frame(
            spark,
            [
                {"kind": "known_item", "user_id": "bob", "trials": 2, "successes": 0},
                {"kind": "new_item", "user_id": "cy", "trials": 2, "successes": 1},
                {"kind": "repeat_item", "user_id": "ann", "trials": 2, "successes": 1},
            ],
        ),
    )


def test_segments_shrink_to_the_global_rate_by_their_trials(spark: SparkSession, settings: Settings) -> None:
    """H04: beta-binomial shrinkage; a segment with no data gets the global rate, one with many its own rate."""
    users = DailyUser.frame(
        spark,
        [
            {"user_id": "big", "segment_id": 1},
            {"user_id": "small", "segment_id": 2},
            {"user_id": "silent", "segment_id": 3},
        ],
    )
    trials = ResponseTrial.frame(
        spark,
        [
            {"user_id": "big", "kind": "coupon", "trials": 9_990, "successes": 999},
            {"user_id": "small", "kind": "coupon", "trials": 10, "successes": 9},
            {"user_id": "elsewhere", "kind": "coupon", "trials": 100, "successes": 100},  # of no segment
        ],
    )
    strategy = settings.promote.model_copy(update={"response_prior_strength": 50.0, "unknown_response": 0.02})
    rates = response_rates(trials, users, strategy).collect()
    rate_of = {(r.kind, r.segment_id): float(r.rate) for r in rates}
    basis_of = {(r.kind, r.segment_id): r.basis for r in rates}
    overall = (1008 + 50 * 0.02) / 10_050  # users of no segment do not count; shrunk to what is assumed
    assert rate_of["coupon", 1] == pytest.approx((999 + 50 * overall) / 10_040, abs=1e-6)
    assert rate_of["coupon", 2] == pytest.approx((9 + 50 * overall) / 60, abs=1e-6)
    assert rate_of["coupon", 3] == pytest.approx(overall, abs=1e-6)
    assert overall < rate_of["coupon", 2] < 0.9  # between the global rate and the 9 in 10 of ten trials
    assert {basis_of["coupon", s] for s in (1, 2, 3)} == {"observed_response"}
    without_trials = [(kind, s) for kind in ("repeat_item", "known_item", "new_item") for s in (1, 2, 3)]
    assert {(rate_of[key], basis_of[key]) for key in without_trials} == {(0.02, "assumed_response")}


def test_one_trial_makes_no_rate_of_0_or_1(spark: SparkSession, settings: Settings) -> None:
    """H04: the global rate is shrunk too, to the assumed one, by the same strength."""
    users = DailyUser.frame(spark, [{"user_id": "u", "segment_id": 1}])
    trials = ResponseTrial.frame(
        spark,
        [
            {"user_id": "u", "kind": "coupon", "trials": 1, "successes": 0},
            {"user_id": "u", "kind": "known_item", "trials": 1, "successes": 1},
        ],
    )
    strategy = settings.promote.model_copy(update={"response_prior_strength": 50.0, "unknown_response": 0.01})
    rates = {r.kind: float(r.rate) for r in response_rates(trials, users, strategy).collect()}
    never, once = (0 + 50 * 0.01) / 51, (1 + 50 * 0.01) / 51  # the global rates after one trial
    assert rates["coupon"] == pytest.approx((0 + 50 * never) / 51, abs=1e-6)  # 0.0096
    assert rates["known_item"] == pytest.approx((1 + 50 * once) / 51, abs=1e-6)  # 0.0484
    assert rates["new_item"] == 0.01
