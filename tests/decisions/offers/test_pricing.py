"""Prices: in exact decimals, from the margin floor to below what is charged, the same for the same inputs."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.decisions.offers.pricing import (
    ShopMargin,
    depth,
    greatest_coupon_share,
    margin_of_shop,
    with_item_rungs,
)
from promo_spark.decisions.offers.products import OfferableProduct

CENT, PERCENT = Decimal("0.01"), Decimal("0.01")


def rungs(charged: Decimal, cost: Decimal, least: str, greatest: str) -> list[tuple[Decimal, Decimal]]:
    """The rule in plain decimals: shares in steps of 5 %, and the deepest allowed one, with the prices they leave."""
    floor = (cost / Decimal("0.95")).quantize(CENT, ROUND_CEILING)
    deepest = min(Decimal(greatest), ((charged - floor) / charged).quantize(PERCENT, ROUND_FLOOR))
    shares = [Decimal(least) + Decimal("0.05") * n for n in range(20)]
    wanted = [share for share in shares if share < deepest] + ([deepest] if deepest >= Decimal(least) else [])
    priced = [(share, (charged * (1 - share)).quantize(CENT, ROUND_HALF_UP)) for share in wanted]
    return [(share, price) for share, price in priced if price < charged]


def test_prices_are_those_of_plain_decimals(spark: SparkSession) -> None:
    """I03: price × (1 − rate) half-up, at or above the floor. I18: the same inputs give the same depths.

    N07: no price is above what is charged now.
    """
    draw = np.random.default_rng(3)
    prices = [Decimal(int(draw.integers(1, 3000))) / 100 for _ in range(400)]
    rows = [(i, price, (price * int(draw.integers(40, 105)) / 100).quantize(CENT)) for i, price in enumerate(prices)]
    df = spark.createDataFrame(rows, "i int, charged_price decimal(18,2), unit_cost decimal(18,2)")
    priced = with_item_rungs(df, bounds=(0.05, 0.2), step=0.05, min_margin=0.05, digits=2)
    found = {r.i: r for r in priced.collect()}
    for i, charged, cost in rows:
        offers = [(rung.rate, charged - rung.off) for rung in found[i].rungs] if i in found else []
        assert offers == rungs(charged, cost, "0.05", "0.20")
        for rate, price in offers:
            assert found[i].margin_floor <= price < charged and price - cost >= price * Decimal("0.05")
            assert Decimal("0.05") <= rate <= Decimal("0.20")
    assert 100 < len(found) < 400


def test_the_deepest_grows_with_eagerness_and_stops_at_the_floor(spark: SparkSession) -> None:
    """I18: monotone in how far a product's forecast falls; price ≥ cost / (1 − min_margin)."""
    steps = [(i, i / 10) for i in range(11)] + [(11, 5.0), (12, -1.0), (13, None)]
    df = spark.createDataFrame(steps, "i int, eagerness double").selectExpr(
        "*", "10.00 as charged_price", "7.00 as unit_cost"
    )
    bounds = (0.1, 0.5)
    deepest = depth(F.col("eagerness"), bounds)
    priced = with_item_rungs(df, bounds=bounds, step=0.1, min_margin=0.05, digits=2, greatest=deepest)
    rates = [r.rungs[-1].rate for r in priced.orderBy("i").collect()]
    # The floor is 7.00 / 0.95 = 7.37, so at most 26% come off: 10, 14, 18, 22, 26, 26, …
    assert rates[:6] == [Decimal(p) / 100 for p in (10, 14, 18, 22, 26, 26)]
    assert rates[5:12] == [Decimal("0.26")] * 7  # even where the eagerness is above 1
    assert rates[12:] == [Decimal("0.10")] * 2  # below 0 or unknown: the least


def test_prices_have_the_digits_of_the_currency(spark: SparkSession) -> None:
    """A yen has no cents: price and floor are whole yen, and where rounding leaves nothing off, there is no offer."""
    rows = [
        (Decimal(841), Decimal(600)),  # floor 600 / 0.95 = 631.6, up to 632; 10% off 841 = 756.9
        (Decimal(4), Decimal(2)),  # 10% off 4 = 3.6, half-up 4: nothing off
    ]
    df = spark.createDataFrame(rows, "charged_price decimal(18,2), unit_cost decimal(18,2)")
    [row] = with_item_rungs(df, bounds=(0.1, 0.1), step=0.05, min_margin=0.05, digits=0).collect()
    assert (row.margin_floor, [row.charged_price - rung.off for rung in row.rungs]) == (632, [757])


def test_a_coupon_leaves_the_minimum_margin(spark: SparkSession) -> None:
    """I02: the margin floor holds for a threshold reduction too."""
    row = (
        spark.range(1)
        .select(
            greatest_coupon_share(F.lit(Decimal("0.25")), 0.05).alias("share"),
            greatest_coupon_share(F.lit(Decimal("0.01")), 0.05).alias("none"),
        )
        .first()
    )
    assert row is not None
    assert float(row["share"]) == pytest.approx(1 - 0.75 / 0.95, abs=1e-6)  # 21.05 off 100: 5% of 78.95 is left
    assert float(row["none"]) == 0


def test_the_margin_of_the_shop_is_weighted_by_what_sells(spark: SparkSession) -> None:
    def shop(*units: int) -> DataFrame:
        sold = [
            {"list_price": 12, "charged_price": 10, "unit_cost": 5, "cost_is_assumed": False},
            {"list_price": 12, "charged_price": 10, "unit_cost": 9, "cost_is_assumed": True},
        ]
        return OfferableProduct.frame(spark, [row | {"units_28d": n} for row, n in zip(sold, units, strict=True)])

    weighted = {"margin_share": "0.4", "margin_is_assumed": True}  # 1 − (3 × 5 + 1 × 9) / (4 × 10)
    unweighted = {"margin_share": "0.3", "margin_is_assumed": True}  # 1 − 14 / 20
    for products, expected in ((shop(3, 1), weighted), (shop(0, 0), unweighted)):
        assert_df_equality(
            margin_of_shop(products),
            ShopMargin.frame(spark, [expected]),
            ignore_nullable=True,
            ignore_metadata=True,
        )
