"""Observed response: counted as defined, shrunk to the global mean, and said to be assumed where nothing is known."""

from __future__ import annotations

import datetime

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions
from promo_spark.decisions.response import coupon_trials, item_trials, purchases, response_rates

DAY = datetime.date(2017, 12, 1)


def days_before(days: int) -> datetime.date:
    return DAY - datetime.timedelta(days=days)


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
            {"campaign_id": "open", "user_id": "told_before", "contacted_on": days_before(28)},  # its own day counts
        ],
    )
    redemptions = Redemptions.frame(
        spark,
        [
            {"user_id": "quick", "coupon_id": "k1", "campaign_id": "old", "redeemed_on": days_before(60)},
            {"user_id": "quick", "coupon_id": "k2", "campaign_id": "old", "redeemed_on": days_before(50)},
            {"user_id": "late", "coupon_id": "k1", "campaign_id": "old", "redeemed_on": days_before(32)},  # day 28
            {"user_id": "told_before", "coupon_id": "k3", "campaign_id": "open", "redeemed_on": days_before(1)},
        ],
    )
    trials = coupon_trials(contacts, campaigns, redemptions, date=DAY, window_days=28).collect()
    assert sorted((t.user_id, t.trials, t.successes) for t in trials) == [
        ("late", 1, 0),
        ("never", 1, 0),
        ("quick", 1, 1),
        ("told_before", 1, 1),
    ]


def test_item_trials_are_products_sold_off_to_anybody(spark: SparkSession) -> None:
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
            bought("bob", "milk", 45),  # known; sold off in periods 0 and 1, bought in neither
            bought("cy", "milk", 10, off=1),  # period 1; never before
            bought("cy", "oats", 40),  # knows the category, so milk, its most bought product, is new to cy
            bought("ann", "salt", 40),
            bought("ann", "salt", 30),  # never sold off: no trial
            bought("ann", "milk", 0, off=1),  # on the date itself: not known yet
        ],
    )
    products = spark.createDataFrame(
        [("milk", "food"), ("oats", "food"), ("salt", "spice")], "product_id string, category string"
    )
    known = purchases(lines, date=DAY, window_days=28, valid_days=7)
    times = {(r.user_id, r.product_id): (r.orders, r.orders_before) for r in known.collect()}
    assert times["ann", "milk"] == (2, 2) and times["cy", "milk"] == (1, 0)  # 2 stands for several
    trials = item_trials(known, products).collect()
    assert sorted((t.kind, t.user_id, t.trials, t.successes) for t in trials) == [
        ("known_item", "bob", 2, 0),
        ("new_item", "cy", 2, 1),
        ("repeat_item", "ann", 2, 1),
    ]


def test_segments_shrink_to_the_global_mean_by_their_trials(spark: SparkSession) -> None:
    """H04: beta-binomial shrinkage; a segment with no data gets the global mean, one with many its own rate."""
    segments = spark.createDataFrame([("big", 1), ("small", 2), ("silent", 3)], "user_id string, segment_id int")
    trials = spark.createDataFrame(
        [("big", "coupon", 9_990, 999), ("small", "coupon", 10, 9), ("elsewhere", "coupon", 100, 100)],
        "user_id string, kind string, trials int, successes int",
    )
    rates = response_rates(trials, segments, prior_strength=50.0, unknown_response=0.02).collect()
    found = {(r.kind, r.segment_id): (float(r.rate), r.basis) for r in rates}
    overall = 1008 / 10_000  # users of no segment do not count
    assert found["coupon", 1] == (pytest.approx((999 + 50 * overall) / 10_040, abs=1e-6), "observed_response")
    assert found["coupon", 2] == (pytest.approx((9 + 50 * overall) / 60, abs=1e-6), "observed_response")
    assert found["coupon", 3] == (pytest.approx(overall, abs=1e-6), "observed_response")
    assert overall < found["coupon", 2][0] < 0.9  # between the global mean and the 9 in 10 of ten trials
    assert {found[k, s] for k in ("repeat_item", "known_item", "new_item") for s in (1, 2, 3)} == {
        (0.02, "assumed_response")
    }
