"""Offers of points and of money back, from the decision to the ledger."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from promo_spark.contracts.decisions import Points
from promo_spark.contracts.silver import OrderLines, PointRedemptions
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import DAY, decide, shop


def test_what_offers_promise_is_booked_and_paid_with(lake: Lake, settings: Settings) -> None:
    """I06, I08: every user buys two pieces of what is offered; three weeks later the promise is kept, once."""
    rows = shop()
    wide: dict[str, Any] = {
        "daily_budget": 1000.0,
        "mechanic_budgets": {},
        "scenarios": ["points_reward", "high_value_rebate"],
    }
    first, *_ = decide(lake, settings, rows, **wide)
    offers = first[first.scenario != "none"]
    assert set(offers.mechanic) == {"points", "rebate"}
    made: Any = list(offers.itertuples())
    assert offers.text.str.contains("for each |back on each ").all() and offers.coupon_code.isna().all()
    assert not lake.exists(Points) or lake.read(Points).isEmpty()

    sold = [
        {"user_id": offer.user_id, "product_id": offer.product_ids[0], "order_date": DAY, "quantity": 2}
        for offer in made
    ]
    member = offers[offers.mechanic == "points"].user_id.iloc[0]
    paid = {"redemption_id": "r1", "user_id": member, "redeemed_on": DAY, "amount": "0.01"}
    later = rows | {OrderLines: sold, PointRedemptions: [paid]}
    booked_on = DAY + datetime.timedelta(days=settings.promote.valid_days + settings.promote.return_days)
    decide(lake, settings, later, date=booked_on, **wide)
    ledger = pl.read_delta(lake.path(Points)).to_pandas()
    earned = ledger[ledger.kind == "earn"].set_index("promotion_id")
    promised = {o.promotion_id: 2 * (o.charged_price - o.offer_price) for o in made}
    assert earned.amount.to_dict() == promised
    accounts = {o.promotion_id: "rebate" if o.mechanic == "rebate" else "points" for o in made}
    assert earned.account.to_dict() == accounts
    redeemed: Any = next(ledger[ledger.kind == "redeem"].itertuples())
    assert (redeemed.user_id, redeemed.amount) == (member, Decimal("-0.01")) and redeemed.balance >= 0
    # the day after nothing is booked again
    decide(lake, settings, later, date=booked_on + datetime.timedelta(days=1), **wide)
    assert len(pl.read_delta(lake.path(Points))) == len(ledger)
