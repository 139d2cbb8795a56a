"""The pooled model of the forecast job on a real lake: what the promo calendar plans, and when it is fitted."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import numpy as np
import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.forecast import run as forecast
from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.models import ForecastModels, Forecasts, PooledForecastModels, Registry
from promo_spark.contracts.silver import PromoCalendar
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake

MONDAY = datetime.date(2017, 11, 6)
TUESDAY = MONDAY + datetime.timedelta(1)
WEEKS, PRODUCTS, USUAL, SHOWN = 20, 16, 40, 80  # units a day, and on display
SMALL = (
    "forecast.horizon_days=7",
    "forecast.backtest_windows=2",
    "forecast.partitions=2",
    'forecast.models_regular=["SeasonalNaive", "WindowAverage", "SeasonalWindowAverage"]',
    'forecast.ensemble_regular=["WindowAverage", "SeasonalWindowAverage"]',
    "forecast.models_top=[]",
    'forecast.refit="weekly"',
    "forecast.pooled.every_days=7",
    "forecast.pooled.trees=60",
    "forecast.pooled.rows_of_leaf=20",
)


def shown_weeks() -> list[tuple[int, int]]:
    """Product and week: the first product only in the week that begins on Monday, which is number WEEKS."""
    random = np.random.default_rng(3)
    weeks = [(p, w) for p in range(1, PRODUCTS) for w in range(WEEKS + 2) if random.random() < 0.3]
    return [(0, WEEKS), *weeks]


def monday_of(week: int) -> datetime.date:
    return MONDAY + datetime.timedelta(7 * (week - WEEKS))


def sales(as_of: datetime.date) -> Iterator[dict[str, object]]:
    """Of each product, and as profile would tell of what the calendar said."""
    shown, random = set(shown_weeks()), np.random.default_rng(4)
    for product in range(PRODUCTS):
        noise = random.normal(0.0, 3.0, 7 * (WEEKS + 1))  # else a model of its own would never be wrong
        for n in range((as_of - monday_of(0)).days):
            on_display = (product, n // 7) in shown
            yield {
                "as_of": as_of,
                "series_id": f"product:{product}",
                "level": "product",
                "item_id": str(product),
                "day": monday_of(0) + datetime.timedelta(n),
                "units": round((SHOWN if on_display else USUAL) + noise[n]),
                "revenue": 1,
                "display_share": float(on_display),
                "mailer_share": 0.0,
            }


@pytest.fixture
def shop(spark: SparkSession, lake: Lake) -> Lake:
    for day in (MONDAY, TUESDAY):
        lake.write(DailySales, DailySales.frame(spark, list(sales(day))), {"as_of": day})
        profiles = [{"as_of": day, "product_id": str(p), "category": "tea"} for p in range(PRODUCTS)]
        lake.write(ProductProfile, ProductProfile.frame(spark, profiles), {"as_of": day})
    periods = [
        {
            "product_id": str(product),
            "store_id": "north",
            "start_date": monday_of(week),
            "end_date": monday_of(week) + datetime.timedelta(6),
            "display": "front",
        }
        for product, week in shown_weeks()
    ]
    lake.write(PromoCalendar, PromoCalendar.frame(spark, periods))
    return lake


def outcome(lake: Lake, day: datetime.date, *settings: str, force: bool = False) -> str:
    found = run_in_order([forecast], lake, load(None, (*SMALL, *settings)), day, Progress(), force)
    return found["forecast"].outcome


def test_the_calendar_of_the_coming_days_is_in_forecasts_and_the_model_is_kept_until_due(shop: Lake) -> None:
    """F08 (part: promotions that are planned): on display 7 × 80 units are sold, elsewhere 7 × 40."""
    assert outcome(shop, MONDAY) == "written"
    ahead = shop.read(Forecasts).filter(F.col("champion") & (F.col("as_of") == F.lit(MONDAY)))
    totals = {r.item_id: r.total for r in ahead.groupBy("item_id").agg(F.sum("units").alias("total")).collect()}
    planned = {product for product, week in shown_weeks() if week == WEEKS}
    for product in range(PRODUCTS):
        truth = 7 * (SHOWN if product in planned else USUAL)
        assert abs(totals[str(product)] / truth - 1) < 0.1, product
    [stored] = shop.read(PooledForecastModels).collect()
    assert (stored.level, stored.trained_on) == ("product", MONDAY)
    registered = {r.model: r for r in shop.read(Registry).collect()}
    pooled = registered["forecasts_product"]
    assert (pooled.engine, pooled.sha256, pooled.state) == ("boosting", stored.sha256, "models.pooled_forecast_models")
    assert "planned_display" in pooled.features and pooled.metrics["share_regular"] > 0.5

    assert outcome(shop, TUESDAY) == "written"  # keeps Monday's, and asks them of a plan that a day more is known of
    rows = {r.as_of: (r.text, r.sha256, r.trained_on) for r in shop.read(PooledForecastModels).collect()}
    assert rows[TUESDAY] == rows[MONDAY]
    assert {r.trained_on for r in shop.read(ForecastModels).filter(F.col("as_of") == F.lit(TUESDAY)).collect()} == {
        MONDAY
    }
    on_tuesday = shop.read(Forecasts).filter((F.col("as_of") == F.lit(TUESDAY)) & (F.col("item_id") == "0"))
    by_day = {r.day: r.units for r in on_tuesday.filter("champion").collect()}
    # six days of the week on display are left
    assert abs(sum(by_day[MONDAY + datetime.timedelta(n)] for n in range(1, 7)) / (6 * SHOWN) - 1) < 0.1
    assert by_day[MONDAY + datetime.timedelta(7)] < 1.3 * USUAL

    before = shop.read(Forecasts).localCheckpoint()
    other = ("forecast.partitions=3", "forecast.batch_series=1")
    assert outcome(shop, MONDAY, *other, force=True) == "written"
    monday = F.col("as_of") == F.lit(MONDAY)
    told = [frame.filter(monday).drop("run_id") for frame in (shop.read(Forecasts), before)]
    assert_df_equality(told[0], told[1], ignore_row_order=True)


def test_without_the_switch_nothing_is_fitted_to_all_series(shop: Lake) -> None:
    assert outcome(shop, MONDAY, "forecast.pooled.enabled=false") == "written"
    assert shop.read(PooledForecastModels).isEmpty()
    assert shop.read(Forecasts).filter("model = 'Pooled'").isEmpty()
