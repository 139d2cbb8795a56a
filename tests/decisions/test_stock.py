"""The stock as a limit: what is left of it, of which products it could bind, and what offers use of it."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.decisions.allocation.prices import allocated_by_prices
from promo_spark.decisions.allocation.user_options import UserOptions
from promo_spark.decisions.exploration import drawable_offers, draws
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.options import user_options, uses_of_offers
from promo_spark.decisions.promotions import Decision, terms
from promo_spark.decisions.rooms import Room
from promo_spark.decisions.stock import StockLeft, stock_left, stock_limits
from promo_spark.decisions.valuation import ValuedOffer

DAY = datetime.date(2017, 12, 1)
DEPARTMENTS = {"tea": "DRINKS", "milk": "DRINKS", "jam": "MISC. FOOD"}


def offer(user_id: str, units: dict[str, int], **terms: Any) -> dict[str, Any]:
    """An offer of products, by the thousandths of a piece that it is expected to sell of each."""
    parts = [(p, DEPARTMENTS[p], p, Decimal(10), Decimal(5), Decimal(1), 1.0) for p in units]
    same = {"mechanic": "discount", "promotion_id": f"{user_id} {' '.join(units)}", "cost_minor": 5, "aim_micro": 1}
    return {"user_id": user_id, "parts": parts, "units_milli": [*units.values()]} | same | terms


def test_what_is_left_is_a_share_of_the_stock_less_what_offers_that_hold_still_sell(spark: SparkSession) -> None:
    """Of 10 pieces 0.5 are 5; offers that hold sell 1.234 + 0.4: 3.366 are left, of which 3.36 can be stated."""
    products = OfferableProduct.frame(
        spark,
        [
            {"product_id": "tea", "on_hand": 10},
            {"product_id": "milk", "on_hand": 1},
            {"product_id": "jam", "on_hand": "0.50"},
            {"product_id": "not known"},
        ],
    )
    held: list[dict[str, Any]] = [
        {"product_ids": ["jam", "tea"], "expected_units": [Decimal("0.1"), Decimal("1.234")]},
        {"product_ids": ["tea"], "expected_units": [Decimal("0.4")]},
        {"product_ids": ["milk"], "expected_units": [Decimal(9)]},  # more than there is by now
        {"product_ids": ["tea"]},  # by a version that did not tell
        {"product_ids": []},
    ]
    left = stock_left(products, Promotions.frame(spark, held), 0.5)
    assert dict(left.collect()) == {"tea": 3360, "milk": 0, "jam": 150}  # 0.25 − 0.1


def test_only_stock_that_could_bind_is_a_limit(spark: SparkSession) -> None:
    """Of tea a sells 0.9 at most and b 0.6: 1.5 are left, so it binds nothing; of milk 0.2 more than there is."""
    offers = ValuedOffer.frame(
        spark,
        [
            offer("a", {"tea": 400}),
            offer("a", {"tea": 900, "milk": 700}),
            offer("b", {"tea": 600, "jam": 9000}),  # the stock of jam is not known
            offer("b", {"milk": 500}),
            offer("b", {}),
        ],
    )

    def limits(tea: int) -> dict[str, int]:
        left = [{"product_id": "tea", "left_milli": tea}, {"product_id": "milk", "left_milli": 1000}]
        return stock_limits(offers, StockLeft.frame(spark, left))

    assert limits(tea=1500) == {"stock:milk": 1000}
    assert limits(tea=1490) == {"stock:milk": 1000, "stock:tea": 1490}


def test_an_offer_uses_the_budgets_of_its_departments_and_the_stock_of_its_products(spark: SparkSession) -> None:
    """Each department once and whole; what is no limit is not counted."""
    rows = [offer("a", {"tea": 400, "jam": 50}), offer("b", {"milk": 1, "tea": 2}), offer("c", {}, mechanic="coupon")]
    offers = ValuedOffer.frame(spark, rows)

    def used(*limits: str) -> dict[str, dict[str, int]]:
        uses = offers.select("user_id", uses_of_offers(2, limits).alias("uses")).collect()
        own = ("daily", "mechanic:", "face:")
        return {row.user_id: {n: amount for n, amount in row.uses if not n.startswith(own)} for row in uses}

    limits = ("daily", "department:DRINKS", "department:MISC. FOOD", "stock:tea")
    assert used(*limits) == {
        "a": {"department:DRINKS": 5, "department:MISC. FOOD": 5, "stock:tea": 400},
        "b": {"department:DRINKS": 5, "stock:tea": 2},
        "c": {},
    }
    assert used("daily") == {"a": {}, "b": {}, "c": {}}


def test_the_pieces_stand_in_the_order_of_the_products(spark: SparkSession) -> None:
    """The user's own product comes first in an offer, in decisions.promotions the first by name."""
    decision = Decision(DAY, "USD", "v", "en-US", "key", 0.05, "profit")
    offers = ValuedOffer.frame(spark, [offer("a", {"tea": 1500, "jam": 20}), offer("b", {})])
    told = terms(decision)
    columns = [told[name].alias(name) for name in (Promotions.product_ids, Promotions.expected_units)]
    rows = offers.select(*columns).collect()
    assert [(row.product_ids, row.expected_units) for row in rows] == [
        (["jam", "tea"], [Decimal("0.020"), Decimal("1.500")]),
        ([], None),
    ]


def test_two_pieces_reach_the_users_for_whom_they_bring_most_and_others_get_something_else(spark: SparkSession) -> None:
    """Tea would sell 0.4 pieces to each of ten, so that 2 pieces reach five: those for whom it brings most over jam."""
    rows = []
    for n in range(10):
        rows.append(offer(f"u{n}", {"tea": 400}, aim_micro=1_000_000 + 1000 * n))
        rows.append(offer(f"u{n}", {"jam": 400}, aim_micro=500_000))
    limits = {"daily": 10_000, "stock:tea": 2000}
    options = user_options(ValuedOffer.frame(spark, rows), Room.frame(spark), max_offers=1, digits=2, limits=limits)
    best = allocated_by_prices(options.localCheckpoint(), limits, sample_users=100, frontier_of="daily")
    given = {row.user_id: row.promotion_id for row in best.offers.collect()}
    assert given == {f"u{n}": f"u{n} {'tea' if n >= 5 else 'jam'}" for n in range(10)}
    [tea] = [limit for limit in best.limits if limit.name == "stock:tea"]
    assert tea.used == 2000 and tea.price > 0


def test_limits_of_parts_of_the_shop_do_not_decide_who_is_explored(spark: SparkSession) -> None:
    """Half of 4 pieces of tea is the arm's, a tenth of that one user's: 0.2. Of a department 0.10 of 2.00.

    Ten users could draw 0.2 of the tea: those after the tenth, in the order of the hash, are not explored; whoever
    could draw none of it is.
    """
    rows = [
        *(offer(f"u{n}", {"tea": 200}) for n in range(14)),
        offer("u1", {"tea": 201}, promotion_id="too many pieces"),
        offer("u1", {"tea": 100, "milk": 999}, promotion_id="too many of the second"),
        offer("u2", {"jam": 5}, cost_minor=10, promotion_id="small"),
        offer("u2", {"jam": 5}, cost_minor=11, promotion_id="too dear"),
        offer("other", {"jam": 5}),
    ]
    limits = {"daily": 10_000, "department:MISC. FOOD": 200, "stock:tea": 4000, "stock:milk": 4000}
    offers = drawable_offers(ValuedOffer.frame(spark, rows), limits, 0.5)
    left = {row.promotion_id for row in offers.collect()}
    assert {row["promotion_id"] for row in rows} - left == {"too many pieces", "too many of the second", "too dear"}
    options = user_options(offers, Room.frame(spark), max_offers=2, digits=2, limits=limits).localCheckpoint()

    def explored(**changes: int) -> set[str]:
        found = draws(options, limits=limits | changes, share=0.5, key="a key of tests", date=DAY)
        return {row.user_id for row in found.collect()}

    drawn = explored()
    assert len(drawn - {"other"}) == 10 and "other" in drawn
    assert options.filter(F.col(UserOptions.user_id).isin(sorted(drawn))).count() == 11
    assert len(explored(**{"stock:tea": 6000})) == 15  # half of 6 are enough for 14 users
