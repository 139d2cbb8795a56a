"""Which offers were used and what was given for them, as receipts and redemptions tell."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import Feedback, OrderLines, Redemptions
from promo_spark.measurement.offers import sent_offers
from promo_spark.measurement.outcomes import PARTS, day_outcomes
from promo_spark.measurement.uses import OfferUse, channel_costs, offer_uses

DAY = datetime.date(2024, 3, 1)
Row = dict[str, Any]


def offer(mechanic: str, **changes: Any) -> Row:
    """User u's offer of tea, a fifth off, from the first to the seventh."""
    held: Row = {"date": DAY, "user_id": "u", "promotion_id": "p", "mechanic": mechanic, "product_ids": ["tea"]}
    held |= {"discount_rate": "0.2", "valid_from": DAY, "valid_to": DAY + datetime.timedelta(6), "status": "active"}
    return held | changes


def line(product: str, paid: str, **changes: Any) -> Row:
    """One piece that u bought on the second."""
    sold: Row = {"order_id": "o", "user_id": "u", "product_id": product, "quantity": 1, "amount_paid": paid}
    return sold | {"list_amount": paid, "order_date": DAY + datetime.timedelta(1)} | changes


def used(
    spark: SparkSession, offers: Sequence[Row], lines: Sequence[Row], redeemed: Sequence[Row] = ()
) -> list[tuple[Any, ...]]:
    """(day of the month, given, later, paid) of each use."""
    products = ProductProfile.frame(spark, [{"product_id": "tea", "unit_cost": 4}])
    found = offer_uses(
        sent_offers(Promotions.frame(spark, offers)),
        OrderLines.frame(spark, lines),
        products,
        Redemptions.frame(spark, redeemed),
    )
    rows = found.orderBy(OfferUse.promotion_id, OfferUse.day).collect()
    return [(row.day.day, float(row.given), float(row.later), float(row.paid)) for row in rows]


LOWER = {"list_amount": "10.00", "discount_retail": "2.00"}  # 8 instead of 10


@pytest.mark.parametrize(
    ("offers", "lines", "wanted"),
    [
        ([offer("discount")], [line("tea", "8.00", **LOWER)], [(2, 2.0, 0.0, 8.0)]),
        # two pieces, and a shelf that was lower for everyone: the offer's fifth of what is left, 8 / 0.8 × 0.2
        (
            [offer("flash")],
            [line("tea", "8.00", quantity=2, list_amount="16.00", discount_retail="8.00")],
            [(2, 2.0, 0.0, 8.0)],
        ),
        # the shop did not honour it
        ([offer("discount")], [line("tea", "10.00")], [(2, 0.0, 0.0, 10.0)]),
        # milk, another user, the eighth, a return
        ([offer("discount")], [line("milk", "8.00", **LOWER)], []),
        ([offer("discount")], [line("tea", "8.00", **LOWER, user_id="v")], []),
        ([offer("discount")], [line("tea", "8.00", **LOWER, order_date=DAY + datetime.timedelta(7))], []),
        ([offer("discount")], [line("tea", "-8.00", **LOWER, quantity=-1)], []),
        # stopped on the second: it does not hold then
        ([offer("discount", stopped_on=DAY + datetime.timedelta(1))], [line("tea", "8.00", **LOWER)], []),
        ([offer("discount", status="proposed")], [line("tea", "8.00", **LOWER)], []),
        # nothing on the receipt: a fifth of what was paid is given later
        ([offer("rebate")], [line("tea", "10.00")], [(2, 2.0, 2.0, 10.0)]),
        ([offer("points")], [line("tea", "10.00")], [(2, 2.0, 2.0, 10.0)]),
        # what was promised for each piece, whatever the shelf asked that day: 1.20 of two pieces
        (
            [offer("rebate", charged_price="6.00", offer_price="4.80")],
            [line("tea", "14.00", quantity=2)],
            [(2, 2.4, 2.4, 14.0)],
        ),
        # a gift costs the shop 4; tea that was paid for is no gift
        ([offer("gift", discount_rate=None)], [line("tea", "0.00", list_amount="10.00")], [(2, 4.0, 0.0, 0.0)]),
        ([offer("gift", discount_rate=None)], [line("tea", "10.00")], []),
        # a bundle of tea and milk: both in one order
        (
            [offer("bundle", product_ids=["tea", "milk"])],
            [line("tea", "8.00", **LOWER), line("milk", "4.00", list_amount="5.00", discount_retail="1.00")],
            [(2, 3.0, 0.0, 12.0)],
        ),
        ([offer("bundle", product_ids=["tea", "milk"])], [line("tea", "8.00", **LOWER)], []),
    ],
)
def test_offers_on_products(spark: SparkSession, offers: list[Row], lines: list[Row], wanted: list[Any]) -> None:
    assert used(spark, offers, lines) == wanted


def test_offers_on_baskets(spark: SparkSession) -> None:
    """K04: 3 off an order of two lines whose receipt names the coupon; where only a redemption does, the amount."""
    coupon = offer("coupon", product_ids=[], coupon_amount="3.00", discount_rate="0.1")
    named: Row = {"coupon_id": "p", "discount_coupon_match": "1.50"}
    lines = [line("tea", "8.50", **named), line("milk", "3.50", **named), line("milk", "9.00", order_id="other")]
    assert used(spark, [coupon], lines) == [(2, 3.0, 0.0, 12.0)]
    redeemed: Row = {"user_id": "u", "coupon_id": "p", "campaign_id": "c", "redeemed_on": DAY + datetime.timedelta(3)}
    assert used(spark, [coupon], [], [redeemed]) == [(4, 3.0, 0.0, 0.0)]
    assert used(spark, [coupon], lines, [redeemed]) == [(2, 3.0, 0.0, 12.0)]  # once
    late = redeemed | {"redeemed_on": DAY + datetime.timedelta(9)}
    assert used(spark, [coupon], [], [late]) == []
    # tills know the code, of which receipts tell; redemptions the offer
    by_code = coupon | {"coupon_code": "K-7"}
    told_by_code = [line("tea", "8.50", coupon_id="K-7", discount_coupon_match="3.00")]
    assert used(spark, [by_code], told_by_code, [redeemed]) == [(2, 3.0, 0.0, 8.5)]
    assert used(spark, [by_code], [], [redeemed | {"coupon_id": "K-7"}]) == [(4, 3.0, 0.0, 0.0)]
    assert used(spark, [coupon | {"mechanic": "threshold"}], lines) == [(2, 3.0, 0.0, 12.0)]


def test_channels_are_paid_by_the_message_and_by_the_sale(spark: SparkSession) -> None:
    """K04: a mail costs 0.50; of what is paid with an offer in the app, which is not named, 5 % go to the channel.

    By mail on the first, one offer that is not used, and one that nobody approved; in the app 8 are paid on the second.
    """
    offers = [
        offer("discount", promotion_id="m", channel="mail", product_ids=["milk"]),
        offer("discount", promotion_id="n", channel="mail", status="proposed"),
        offer("discount", channel="app"),
    ]
    sent = sent_offers(Promotions.frame(spark, offers))
    products = ProductProfile.frame(spark, [{"product_id": "tea", "unit_cost": 4}])
    lines = OrderLines.frame(spark, [line("tea", "8.00", **LOWER)])
    uses = offer_uses(sent, lines, products, Redemptions.frame(spark))

    def told(per_message: dict[str, float], cps_rates: dict[str, float]) -> dict[int, float]:
        found = channel_costs(sent, uses, per_message=per_message, cps_rates=cps_rates)
        return {row.day.day: float(row.cost) for row in found.collect()}

    assert told({"mail": 0.5}, {"mail": 0.1, "other": 0.05}) == {1: 0.5, 2: 0.4}
    assert told({"mail": 0.5, "other": 0.25}, {}) == {1: 0.75}
    assert told({}, {}) == {}
    costs = channel_costs(sent, uses, per_message={"mail": 0.5}, cps_rates={"other": 0.05})
    days = day_outcomes(lines, products, uses, costs, Feedback.frame(spark), timezone="UTC")
    # 8 − 4 for the tea, 0.40 of it to the app; the mail was for nothing
    assert {row.day.day: (row.margin / PARTS, row.cost / PARTS) for row in days.collect()} == {
        2: (3.6, 0.4),
        1: (-0.5, 0.5),
    }


def test_money_is_exact(spark: SparkSession) -> None:
    found = offer_uses(
        sent_offers(Promotions.frame(spark, [offer("rebate", discount_rate="0.15")])),
        OrderLines.frame(spark, [line("tea", "0.10", line_no=n, order_id=f"o{n}") for n in range(3)]),
        ProductProfile.frame(spark),
        Redemptions.frame(spark),
    ).collect()
    # each of the three gets 0.015 back: in cents 0.02
    assert [row.given for row in found] == [Decimal("0.06")]
