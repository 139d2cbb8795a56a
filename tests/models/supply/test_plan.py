"""How much of each product every store needs, and where there is too little or too much."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.models import Forecasts, ForecastTotals
from promo_spark.contracts.silver import Inventory, OrderLines
from promo_spark.models.supply.plan import inventory_plan, product_demand, stock_of_stores, store_sales
from promo_spark.settings import load

DAY = datetime.date(2024, 6, 1)
YESTERDAY = DAY - datetime.timedelta(1)
DAYS = 4
Z = {level: NormalDist().inv_cdf(level) for level in (0.9, 0.95, 0.975)}
SUPPLY = load(overrides=("forecast.supply.review_days=2", "forecast.supply.overstock_days=20")).forecast.supply


def ends(units: float, deviation: float) -> dict[str, float]:
    return {"units": units, "upper_80": units + Z[0.9] * deviation, "upper_95": units + Z[0.975] * deviation}


def plan(
    spark: SparkSession,
    demand: dict[str, tuple[float, float]],
    inventory: list[dict[str, Any]],
    sold: Sequence[tuple[str, str | None, float]] = (),
    *,
    piece: float = 0.5,
    shelf_life_days: int | None = None,
) -> dict[tuple[str, str], Row]:
    """product → (units a day, their standard deviation), days independent; (product, store, units sold)."""
    days = range(DAYS)
    forecasts = [
        {"item_id": p, "level": "product", "champion": True, "day": DAY + datetime.timedelta(d), **ends(*of)}
        for p, of in demand.items()
        for d in days
    ]
    totals = [
        {"item_id": p, "level": "product", "days": DAYS, **ends(units * DAYS, deviation * DAYS**0.5)}
        for p, (units, deviation) in demand.items()
    ]
    past = [{"item_id": p, "level": "product", "day": YESTERDAY, "units": piece} for p in demand]
    lines = [
        {"product_id": p, "store_id": store, "quantity": units, "order_date": YESTERDAY, "line_no": n}
        for n, (p, store, units) in enumerate(sold)
    ]
    counted = [{"store_id": "all", "day": YESTERDAY} | row for row in inventory]
    stock = stock_of_stores(
        Inventory.frame(spark, counted),
        store_sales(OrderLines.frame(spark, lines), as_of=DAY, days=90),
        as_of=DAY,
        stock_days=7,
    )
    products = [{"product_id": p, "shelf_life_days": shelf_life_days} for p in demand]
    found = inventory_plan(
        product_demand(
            Forecasts.frame(spark, forecasts), ForecastTotals.frame(spark, totals), DailySales.frame(spark, past)
        ),
        stock,
        ProductProfile.frame(spark, products),
        SUPPLY,
    )
    return {(r.product_id, r.store_id): r for r in found.collect()}


def test_safety_stock_is_z_times_deviation_times_root_of_the_days(spark: SparkSession) -> None:
    """F12: 10 a day with a deviation of 2, lead time 7, the next chance to order in 2 days; service level 95 %.

    9 days sell 90 ± 2 × √9 = 6, so that the safety stock is 1.645 × 6. Beyond the 4 days of the forecast, too.
    """
    found = plan(
        spark,
        dict.fromkeys(("short", "fine", "full", "unknown", "soon"), (10.0, 2.0)),
        [
            {"product_id": "short", "on_hand": 60, "on_order": 15},  # 7 days sell 70 ± 2 × √7 = 5.3
            {"product_id": "fine", "on_hand": 100},
            {"product_id": "full", "on_hand": 230},  # 20 days sell 200 ± 2 × √20 = 8.9
            {"product_id": "soon", "on_hand": 60, "lead_time_days": 3},  # 3 days sell 30
            {"product_id": "unknown", "on_hand": 60, "day": DAY - datetime.timedelta(8)},  # counted too long ago
        ],
    )
    safety = Z[0.95] * 2 * 9**0.5
    fine = found["fine", "all"]
    assert (fine.days, fine.lead_time_days, fine.lead_time_is_assumed) == (9, 7, True)
    assert fine.expected_units == pytest.approx(90) and fine.deviation == pytest.approx(6)
    assert fine.safety_stock == pytest.approx(safety, abs=1e-5)
    assert fine.reorder_point == pytest.approx(90 + safety, abs=1e-5)
    assert fine.order_units == 0 and fine.cover_days == pytest.approx(10)
    short = found["short", "all"]
    assert short.stock_out_risk == pytest.approx(1 - NormalDist(70, 2 * 7**0.5).cdf(75), abs=1e-6)
    assert short.order_units == pytest.approx(90 + safety - 75, abs=1e-5)
    assert found["full", "all"].overstock_risk == pytest.approx(NormalDist(200, 2 * 20**0.5).cdf(230), abs=1e-6)
    soon = found["soon", "all"]
    assert (soon.days, soon.lead_time_is_assumed) == (5, False)
    statuses = {product: row.status for (product, _), row in found.items()}
    assert statuses == {"short": "stockout_risk", "fine": "ok", "full": "overstock", "soon": "ok", "unknown": None}
    unknown = found["unknown", "all"]
    assert unknown.reorder_point == fine.reorder_point
    assert (unknown.on_hand, unknown.order_units, unknown.stock_out_risk, unknown.cover_days) == (None,) * 4


def test_what_does_not_keep_is_too_much_sooner(spark: SparkSession) -> None:
    """Five days sell 50, so that of 85 pieces that keep for so long some are left; in twenty days they are sold."""
    stock = [{"product_id": "a", "on_hand": 85}]
    assert plan(spark, {"a": (10.0, 2.0)}, stock)["a", "all"].status == "ok"
    stale = plan(spark, {"a": (10.0, 2.0)}, stock, shelf_life_days=5)["a", "all"]
    assert (stale.status, stale.lead_time_days, stale.days) == ("overstock", 5, 7)  # it comes as often as it must


def test_stores_share_what_is_forecast(spark: SparkSession) -> None:
    """F16: stores get their shares of the product's sales, and sum to it.

    Of 9 × 4 = 36 units store north sold three quarters. Pieces fall to stores by chance: the variance of 9 days, 36, is
    36 × 0.75² + 36 × 0.75 × 0.25 = 27 in the north. A warehouse sells nothing: its goods are everybody's.
    """
    found = plan(
        spark,
        {"a": (4.0, 2.0), "b": (0.0, 0.0)},
        [
            {"product_id": "a", "store_id": "north", "on_hand": 50},
            {"product_id": "a", "store_id": "warehouse", "on_hand": 500, "lead_time_days": 9},
            {"product_id": "b", "store_id": "warehouse", "on_hand": 5},
        ],
        [("a", "north", 30.0), ("a", "south", 10.0), ("c", "north", 1.0)],
        piece=1.0,
    )
    assert set(found) == {("a", "all"), ("a", "north"), ("a", "south"), ("b", "all")}
    north, south, both = (found["a", store] for store in ("north", "south", "all"))
    assert (north.on_hand, south.on_hand, both.on_hand) == (50, None, 550)
    assert north.expected_units == pytest.approx(27) and south.expected_units == pytest.approx(9)
    assert north.deviation == pytest.approx(27**0.5)
    assert both.lead_time_days == 9  # the longest
    assert both.expected_units == pytest.approx(4 * 11)
    assert north.reorder_point == round(north.reorder_point) >= 27 + Z[0.95] * 27**0.5 - 0.5  # whole pieces
    nothing = found["b", "all"]
    assert (nothing.reorder_point, nothing.stock_out_risk, nothing.status) == (0.0, 0.0, "overstock")
    assert nothing.cover_days is None


def test_sales_in_no_store_belong_to_all(spark: SparkSession) -> None:
    """F16 (part): of 40 units 10 were sold online, in no store: a quarter of what is expected is in no store's row."""
    stock = [{"product_id": "a", "store_id": "north", "on_hand": 50}]
    found = plan(spark, {"a": (4.0, 2.0)}, stock, [("a", "north", 30.0), ("a", None, 10.0)])
    assert {store for _, store in found} == {"all", "north"}
    assert found["a", "north"].expected_units == pytest.approx(0.75 * found["a", "all"].expected_units)


def test_without_a_forecast_or_stock_there_is_no_risk_to_tell(spark: SparkSession) -> None:
    assert plan(spark, {}, [{"product_id": "a", "on_hand": 5}]) == {}
    assert plan(spark, {"a": (1.0, 1.0)}, [])["a", "all"].status is None
