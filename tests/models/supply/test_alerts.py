"""What is planted in sales, deliveries and stock is told, and clean series hardly ever raise an alert."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.models import Forecasts
from promo_spark.contracts.silver import Inventory, OrderLines
from promo_spark.models.forecasts.fitting import whole_batch
from promo_spark.models.forecasts.series import SeriesModel
from promo_spark.models.supply.alerts import ProductSold, outside, stock_alerts, stock_steps
from promo_spark.settings import load

DAY = datetime.date(2024, 6, 1)
DAYS, SERIES = 56, 400


def test_a_week_without_sales_is_told_and_clean_weeks_hardly_ever() -> None:
    """F17: 400 planted series of 2 to 40 a day with a week's rhythm; at most 2 % of clean ones raise an alert."""
    settings = load(overrides=('forecast.models_regular=["SeasonalWindowAverage","WindowAverage"]',)).forecast
    draw = np.random.default_rng(5)
    level = draw.uniform(2, 40, SERIES)[:, None] * np.tile([0.7, 0.8, 0.9, 1.0, 1.1, 1.4, 1.1], 24)
    sold = draw.poisson(level).astype(float)
    known = sold[:, :-7]
    frame = pd.DataFrame(
        {"series_id": f"product:{i}", "level": "product", "item_id": str(i), "units": known[i], "top": False}
        | {"revenue": 1.0, "days_before": 0}
        for i in range(SERIES)
    ).sort_values("series_id")
    models = whole_batch(frame, settings)
    champions = models[models[SeriesModel.champion]].set_index(SeriesModel.series_id).loc[frame.series_id]
    total = np.array(champions[SeriesModel.total].tolist())
    rows = pd.DataFrame(
        {
            ProductSold.product_id: frame.item_id.to_numpy(),
            **{name: champions[name].to_numpy() for name in (Forecasts.units, Forecasts.upper_80, Forecasts.upper_95)},
            ProductSold.total: total[:, 0],
            ProductSold.total_upper_80: total[:, 2],
            ProductSold.total_upper_95: total[:, 4],
            ProductSold.in_pieces: True,
            ProductSold.sold: sold[frame.item_id.astype(int), -7:].sum(axis=1),
        }
    )
    clean = outside(rows, days=7, share=0.01)
    assert len(clean) <= 0.02 * SERIES
    nothing = outside(rows.assign(**{ProductSold.sold: 0.0}), days=7, share=0.01)
    assert len(nothing) == SERIES and set(nothing.kind) == {"sales_low"}
    assert (nothing.limit > 0).all() and (nothing.expected > nothing.limit).all()
    tripled = outside(rows.assign(**{ProductSold.sold: rows[ProductSold.sold] * 3}), days=7, share=0.01)
    assert len(tripled) >= 0.95 * SERIES and set(tripled.kind) == {"sales_high"}


def shelf(sold: Sequence[int], delivered: Sequence[int], first: int = 60) -> list[int]:
    """What is on hand at the end of each day."""
    return [int(n) for n in np.maximum(first + np.cumsum(np.array(delivered) - np.array(sold)), 0)]


def kinds(
    spark: SparkSession, shelves: Mapping[str, tuple[Sequence[int], Sequence[int]]], store: str = "all"
) -> set[tuple[str, str]]:
    """product → on hand and sold by day up to yesterday; (product, kind) of the alerts."""
    days = [DAY - datetime.timedelta(ago) for ago in range(DAYS, 0, -1)]
    counts = [
        {"product_id": p, "store_id": store, "day": day, "on_hand": n}
        for p, (on_hand, _) in shelves.items()
        for day, n in zip(days, on_hand, strict=True)
    ]
    lines = [
        {"product_id": p, "store_id": "s1", "order_date": day, "quantity": n, "order_id": f"{p}{day}"}
        for p, (_, sold) in shelves.items()
        for day, n in zip(days, sold, strict=True)
    ]
    steps = stock_steps(Inventory.frame(spark, counts), OrderLines.frame(spark, lines), as_of=DAY, days=DAYS)
    return {(row.product_id, row.kind) for row in stock_alerts(steps, as_of=DAY).collect()}


def test_a_week_without_delivery_and_what_is_lost_are_told(spark: SparkSession) -> None:
    """F17: 5 a day are sold, 20 delivered every fourth day. Then nothing comes for 12 days; 30 pieces go; 90 come."""
    sold = [5] * DAYS
    usual = [20 if d % 4 == 3 else 0 for d in range(DAYS)]
    waiting = [n if d < DAYS - 12 else 0 for d, n in enumerate(usual)]
    lost, large = list(usual), list(usual)
    lost[-1] -= 30
    large[-1] += 70
    # no delivery is needed: it stopped selling, with more on the shelf than it ever was ordered at
    resting = [5 if d < DAYS - 13 else 0 for d in range(DAYS)]
    few = [20 if d in (3, 30) else 0 for d in range(DAYS)]  # a single gap says nothing of how long they are
    found = kinds(
        spark,
        {
            "usual": (shelf(sold, usual), sold),
            "waiting": (shelf(sold, waiting), sold),
            "lost": (shelf(sold, lost), sold),
            "large": (shelf(sold, large), sold),
            "resting": (shelf(resting, [n if d < DAYS - 12 else 0 for d, n in enumerate(usual)], 100), resting),
            "few": (shelf(sold, few, 400), sold),
        },
    )
    assert found == {("waiting", "no_delivery"), ("lost", "stock_lost"), ("large", "large_delivery")}


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_clean_stocks_hardly_ever_raise_an_alert(spark: SparkSession, share: float) -> None:
    """F17: 200 stocks with deliveries by chance, every fifth or second day, and counts that are off by chance."""
    draw = np.random.default_rng(3)
    shelves = {}
    for product in range(200):
        sold = draw.poisson(5, DAYS)
        comes = draw.random(DAYS) < share
        delivered = np.where(comes, draw.poisson(5 / share, DAYS), 0) + np.rint(draw.normal(0, 2, DAYS)).astype(int)
        shelves[str(product)] = (shelf(sold.tolist(), delivered.tolist(), 300), [int(n) for n in sold])
    assert len({product for product, _ in kinds(spark, shelves)}) <= 0.02 * 200
