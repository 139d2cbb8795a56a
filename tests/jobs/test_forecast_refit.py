"""Champions are kept on dates without a fit, on a real lake."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.forecast import run as forecast
from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import ForecastModels, Forecasts, Metrics, Registry
from promo_spark.contracts.schema import Table
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake

MONDAY, TUESDAY, WEDNESDAY = DAYS = [datetime.date(2017, 11, day) for day in (6, 7, 8)]
WEEK = [5.0, 3.0, 4.0, 6.0, 9.0, 14.0, 12.0]  # of every series; so SeasonalNaive is never wrong
FIRST_DAYS = {
    "category:tea": MONDAY - datetime.timedelta(63),
    "product:old": MONDAY - datetime.timedelta(63),
    "product:young": MONDAY - datetime.timedelta(55),  # 56 days, enough for a model, on Tuesday
    "product:new": MONDAY,
}
SMALL = (
    "forecast.horizon_days=7",
    "forecast.backtest_windows=2",
    "forecast.partitions=2",
    'forecast.models_regular=["SeasonalNaive", "WindowAverage"]',
    "forecast.models_top=[]",
)
WEEKLY = (*SMALL, 'forecast.refit="weekly"')
OTHER_LIMIT = (*WEEKLY, "forecast.dead_days=50")
KEYS: dict[type[Table], str] = {
    Forecasts: "concat(series_id, model, day)",
    ForecastModels: "series_id",
    Registry: "version",
    Metrics: "concat(slice, metric)",
}


def sales(as_of: datetime.date, sold: Mapping[datetime.date, float]) -> list[dict[str, object]]:
    """Every series from its first day to yesterday: its week, or what all series sold on a day."""
    return [
        {
            "as_of": as_of,
            "series_id": series,
            "level": series.split(":")[0],
            "item_id": series.split(":")[1],
            "day": day,
            "units": sold.get(day, WEEK[i % 7]),
            "revenue": 1,
        }
        for series, first in FIRST_DAYS.items()
        for i in range((as_of - first).days)
        for day in [first + datetime.timedelta(i)]
    ]


@pytest.fixture
def shop(spark: SparkSession, lake: Lake) -> Lake:
    """Sales as of three days. On Tuesday a series is new, and another is old enough for a model."""
    for day in DAYS:
        lake.write(DailySales, DailySales.frame(spark, sales(day, {})), {"as_of": day})
    return lake


def outcome(lake: Lake, day: datetime.date, settings: Sequence[str], *, force: bool = False) -> str:
    return run_in_order([forecast], lake, load(None, settings), day, Progress(), force)["forecast"].outcome


def rows(lake: Lake, table: type[Table], day: datetime.date) -> list[Row]:
    return lake.read(table).filter(F.col("as_of") == F.lit(day)).orderBy(F.expr(KEYS[table])).collect()


def written(lake: Lake) -> list[list[Row]]:
    return [rows(lake, table, day) for table in KEYS for day in DAYS]


def test_champions_are_kept_until_a_setting_changes_and_every_date_stays_as_it_is(shop: Lake) -> None:
    """Monday is fitted, Tuesday runs Monday's champions, Wednesday is fitted again, since a setting is another."""
    assert outcome(shop, MONDAY, WEEKLY) == "written"
    assert outcome(shop, TUESDAY, WEEKLY) == "written"
    stored = {
        r.series_id: (r.profile, r.model, r.error_scale, r.trained_on) for r in rows(shop, ForecastModels, MONDAY)
    }
    assert stored == {
        "category:tea": ("regular", "SeasonalNaive", 0.001, MONDAY),
        "product:old": ("regular", "SeasonalNaive", 0.001, MONDAY),
        "product:young": ("short", "Mean", None, MONDAY),
    }
    kept = {r.series_id: (r.profile, r.model, r.error_scale, r.trained_on) for r in rows(shop, ForecastModels, TUESDAY)}
    assert kept == stored | {
        "product:young": ("regular", "SeasonalNaive", 0.001, TUESDAY),
        "product:new": ("short", "Mean", None, TUESDAY),
    }
    on_tuesday = rows(shop, Forecasts, TUESDAY)
    assert {(r.series_id, r.model) for r in on_tuesday} == {
        ("category:tea", "SeasonalNaive"),
        ("product:old", "SeasonalNaive"),
        ("product:young", "SeasonalNaive"),
        ("product:young", "WindowAverage"),  # fitted for itself: every model is tried
        ("product:new", "Mean"),
    }
    ahead = [(r.day, r.units, r.lower_95, r.upper_95) for r in on_tuesday if r.series_id == "category:tea"]
    # Monday was the first day of its week, so Tuesday is the second
    expected = [*WEEK[1:], WEEK[0]]
    assert ahead == [(TUESDAY + datetime.timedelta(i), u, u, u) for i, u in enumerate(expected)]
    figures = {(r.metric, r.slice): (r.value, r.n) for r in rows(shop, Metrics, TUESDAY)}
    assert figures["series", "all"] == (4.0, 4)
    assert figures["outside_95", "stored"] == (0.0, 2)  # Monday's sales of the two series with a model
    assert {metric for metric, _ in figures} == {"series", "champions", "failures", "outside_95"}  # no backtest

    assert outcome(shop, WEDNESDAY, OTHER_LIMIT) == "written"
    registered = [r for day in DAYS for r in rows(shop, Registry, day)]
    assert [(r.model, r.version, r.reason) for r in registered] == [
        ("forecasts", "2017-11-06", "there were none of an earlier date"),
        ("forecasts", "2017-11-08", "the code or the settings have changed"),
    ]
    first = registered[0]
    assert (first.job, first.engine, first.refit, first.champion) == ("forecast", "statsforecast", "weekly", True)
    # 63 + 63 + 55 days
    assert (first.trained_from, first.trained_to, first.trained_rows) == (
        FIRST_DAYS["category:tea"],
        MONDAY - datetime.timedelta(1),
        181,
    )
    assert (first.format, first.state, first.features) == ("table", "models.forecast_models", ["units"])
    assert (first.metrics["mae"], first.metrics["wape"], first.metrics["covered_95"]) == (0.0, 0.0, 1.0)
    assert "mase" not in first.metrics  # of series that repeat their week there is none
    assert {r.trained_on for r in rows(shop, ForecastModels, WEDNESDAY)} == {WEDNESDAY}

    # neither its own rows nor a later date make a date stale; run again with --force it fits where it fitted
    asked = [(MONDAY, WEEKLY), (TUESDAY, WEEKLY), (WEDNESDAY, OTHER_LIMIT)]
    assert [outcome(shop, day, settings) for day, settings in asked] == ["current"] * 3
    before = written(shop)
    assert [outcome(shop, day, settings, force=True) for day, settings in asked] == ["written"] * 3
    assert written(shop) == before


def test_sales_outside_their_intervals_have_models_fitted_again_when_it_drifts(spark: SparkSession, shop: Lake) -> None:
    """Monday's sales are as forecast on Monday; Tuesday's are 99, as no interval has it."""
    drifting = (*SMALL, 'forecast.refit="when it drifts"')
    shop.write(DailySales, DailySales.frame(spark, sales(WEDNESDAY, {TUESDAY: 99.0})), {"as_of": WEDNESDAY})
    for day in DAYS:
        outcome(shop, day, drifting)
    assert rows(shop, Registry, TUESDAY) == []
    [registered] = rows(shop, Registry, WEDNESDAY)
    # Monday: tea and old, both inside. Tuesday: tea, old and young, all outside. 3 of 5
    assert registered.reason == "0.600 of the latest sales were outside their 95% intervals, more than 0.075"
    assert {r.trained_on for r in rows(shop, ForecastModels, WEDNESDAY)} == {WEDNESDAY}
