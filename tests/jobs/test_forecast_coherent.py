"""What is told of products, categories, stores and all adds up, on a real lake."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.forecast import run as forecast
from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.models import ForecastModels, Forecasts, ForecastTotals
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake

MONDAY, TUESDAY = datetime.date(2017, 11, 6), datetime.date(2017, 11, 7)
DAYS = 120
CATEGORIES = {"green": "tea", "black": "tea", "plum": "jam", "gift": None}
PARTS = {
    "category:tea": ["product:green", "product:black", "other_products:tea"],
    "category:jam": ["product:plum", "other_products:jam"],
    "all:all": ["category:tea", "category:jam", "other_categories:all"],
}
STORES = ["store:s1", "other_stores:all"]
SMALL = ("forecast.horizon_days=14", "forecast.partitions=3", "forecast.models_top=[]", 'forecast.refit="weekly"')


def sales(as_of: datetime.date) -> list[dict[str, object]]:
    """Counts by chance with a week in them: products, what else their categories sell, and store s1's half of all."""
    random, week = np.random.default_rng(5), np.array([0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 1.2])
    first = MONDAY - datetime.timedelta(DAYS)
    days = (as_of - first).days

    def counts(mean: float) -> list[int]:
        return [int(n) for n in random.poisson(mean * np.tile(week, 20))]  # of the days to come too

    products = {"green": counts(9.0), "black": counts(3.0), "plum": counts(0.3), "gift": counts(2.0)}
    tea = [a + b + c for a, b, c in zip(products["green"], products["black"], counts(20.0), strict=True)]
    jam = [a + b for a, b in zip(products["plum"], counts(4.0), strict=True)]
    whole = [a + b + c for a, b, c in zip(tea, jam, products["gift"], strict=True)]
    series = {f"product:{name}": units for name, units in products.items()}
    series |= {"category:tea": tea, "category:jam": jam, "all:all": whole, "store:s1": [n // 2 for n in whole]}
    return [
        {
            "as_of": as_of,
            "series_id": name,
            "level": name.split(":")[0],
            "item_id": name.split(":")[1],
            "day": first + datetime.timedelta(n),
            "units": units[n],
            "revenue": 2 * units[n],
        }
        for name, units in series.items()
        for n in range(days)
    ]


@pytest.fixture
def shop(spark: SparkSession, lake: Lake) -> Lake:
    for day in (MONDAY, TUESDAY):
        lake.write(DailySales, DailySales.frame(spark, sales(day)), {"as_of": day})
        catalogue = [{"as_of": day, "product_id": p, "category": c} for p, c in CATEGORIES.items()]
        lake.write(ProductProfile, ProductProfile.frame(spark, catalogue), {"as_of": day})
    return lake


def told(lake: Lake, day: datetime.date) -> dict[str, list[Row]]:
    """Of each series what its champion tells by day."""
    rows = lake.read(Forecasts).filter((F.col("as_of") == F.lit(day)) & F.col("champion"))
    found: dict[str, list[Row]] = {}
    for row in rows.orderBy("series_id", "day").collect():
        found.setdefault(row.series_id, []).append(row)
    return found


def of_no_run(of: dict[str, list[Row]]) -> list[dict[str, object]]:
    return [row.asDict() | {"run_id": ""} for rows in of.values() for row in rows]


def of_other_models(lake: Lake) -> list[tuple[str, str, float]]:
    rows = lake.read(Forecasts).filter("not champion").orderBy("series_id", "model", "day").collect()
    return [(row.series_id, row.model, row.units) for row in rows]


def run(lake: Lake, day: datetime.date, *more: str, force: bool = False) -> None:
    run_in_order([forecast], lake, load(None, [*SMALL, *more]), day, Progress(), force)


def test_champions_add_up_on_dates_of_a_fit_and_on_others(shop: Lake) -> None:
    """Day by day and in sums; the gift is in no category, so that it is in what categories leave. Again: the same."""
    run(shop, MONDAY)
    run(shop, TUESDAY)
    trained = shop.read(ForecastModels).groupBy("as_of").agg(F.max("trained_on").alias("on")).collect()
    assert {(r.as_of, r.on) for r in trained} == {(MONDAY, MONDAY), (TUESDAY, MONDAY)}
    for day in (MONDAY, TUESDAY):
        found = told(shop, day)
        assert set(found) == {*PARTS, *STORES, "product:gift"} | {part for parts in PARTS.values() for part in parts}
        totals = {
            r.series_id: r.units for r in shop.read(ForecastTotals).filter(F.col("as_of") == F.lit(day)).collect()
        }
        for whole, parts in [*PARTS.items(), ("all:all", STORES)]:
            assert len(found[whole]) == 14
            for n, row in enumerate(found[whole]):
                assert sum(found[part][n].units for part in parts) == pytest.approx(row.units, abs=1e-9)
            assert sum(totals[part] for part in parts) == pytest.approx(totals[whole], abs=1e-6)
        for row in (row for rows in found.values() for row in rows):
            assert 0 <= row.lower_95 <= row.lower_80 <= row.units <= row.upper_80 <= row.upper_95
    before = told(shop, MONDAY)
    run(shop, MONDAY, "forecast.partitions=1", force=True)
    again = told(shop, MONDAY)
    assert of_no_run(again) == of_no_run(before)


def test_without_it_every_series_tells_what_it_tells_alone(shop: Lake) -> None:
    """The other models of a series are as they are; what a champion says is near its own model's word, and not it."""
    run(shop, MONDAY)
    beside = of_other_models(shop)
    adding_up = told(shop, MONDAY)
    run(shop, MONDAY, 'forecast.reconcile="none"', force=True)
    alone = told(shop, MONDAY)
    assert set(alone) == {name for name in adding_up if not name.startswith("other")}
    assert of_other_models(shop) == [of for of in beside if not of[0].startswith("other")]
    assert [r.units for r in alone["product:gift"]] == [r.units for r in adding_up["product:gift"]]
    moved = sum(abs(a.units - b.units) for name in alone for a, b in zip(alone[name], adding_up[name], strict=True))
    assert 0 < moved < 0.1 * sum(r.units for rows in alone.values() for r in rows)
