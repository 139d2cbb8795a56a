"""The Spark part: whole series reach the models in any partitioning, and rows come out by contract."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from chispa import assert_df_equality
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import Forecasts
from promo_spark.errors import SettingsError
from promo_spark.models.forecasts.batches import forecasts, sales_series, series_models, tried_models
from promo_spark.models.forecasts.fitting import batch_pools, kept_pools
from promo_spark.models.forecasts.metrics import forecast_metrics
from promo_spark.models.forecasts.pools import kept_ends, pools_of, season_ends
from promo_spark.models.forecasts.series import SeriesModel
from promo_spark.settings import Settings
from promo_spark.settings.forecast import ForecastSettings

DAY = datetime.date(2017, 12, 1)


@pytest.fixture
def plan(settings: Settings) -> ForecastSettings:
    return settings.forecast.model_copy(
        update={
            "horizon_days": 14,
            "backtest_windows": 2,
            "models_regular": ["SeasonalNaive", "WindowAverage"],
            "models_intermittent": ["SeasonalNaive", "CrostonSBA"],
            "models_top": ["Theta"],
            "top_series": 1,
        }
    )


def daily_sales(spark: SparkSession) -> DataFrame:
    """Six series of 20 to 90 days up to the day before DAY: regular, intermittent, short."""
    random = np.random.default_rng(1)
    lengths = {
        "product:often": (90, 8.0),
        "product:more": (80, 20.0),
        "product:rare": (90, 0.3),
        "product:rarer": (70, 0.2),
        "product:new": (20, 3.0),
        "category:all": (90, 40.0),
    }
    return DailySales.frame(
        spark,
        [
            {
                "as_of": DAY,
                "series_id": s,
                "level": s.split(":")[0],
                "item_id": s.split(":")[1],
                "day": DAY - datetime.timedelta(days=n - i),
                "units": int(units),
                "revenue": int(units) * 2,
            }
            for s, (n, rate) in lengths.items()
            for i, units in enumerate(random.poisson(rate, n))
        ],
    )


def test_rows_are_the_same_for_any_number_of_partitions_and_batches(
    spark: SparkSession, plan: ForecastSettings
) -> None:
    sales = daily_sales(spark)

    def forecast_rows(frame: DataFrame, partitions: int, batch_series: int) -> DataFrame:
        chosen = plan.model_copy(update={"batch_series": batch_series})
        tried = tried_models(sales_series(frame, as_of=DAY, partitions=partitions), chosen).persist()
        models = series_models(tried, season_ends(tried, chosen).collect(), chosen)
        return forecasts(models, as_of=DAY).orderBy(Forecasts.series_id, Forecasts.model, Forecasts.day)

    whole = forecast_rows(sales, 1, 500).persist()
    assert_df_equality(whole, forecast_rows(sales.repartition(5).orderBy(F.desc("units")), 3, 1))
    once = whole.collect()
    champions = [(r.series_id, r.day) for r in once if r.champion]
    ahead = [DAY + datetime.timedelta(days=i) for i in range(14)]
    names = ("category:all", "product:more", "product:new", "product:often", "product:rare", "product:rarer")
    assert champions == [(s, day) for s in names for day in ahead]
    assert {r.series_id: r.profile for r in once} == {
        "category:all": "regular",
        "product:more": "regular",
        "product:new": "short",
        "product:often": "regular",
        "product:rare": "intermittent",
        "product:rarer": "intermittent",
    }
    assert {r.series_id for r in once if r.model == "Theta"} == {"category:all"}  # the top series by revenue


def test_the_ends_of_intervals_are_pooled_with_spark_as_without(spark: SparkSession, plan: ForecastSettings) -> None:
    """F19 (part: one way to the figures). Ends of the last window, of the one before, and those that series keep."""
    plan = plan.model_copy(update={"backtest_windows": 3})
    tried = tried_models(sales_series(daily_sales(spark), as_of=DAY, partitions=2), plan).persist()
    rows, ends = tried.toPandas(), season_ends(tried, plan).collect()
    for before in (False, True):
        with_spark, without = pools_of(ends, before_last=before), batch_pools(rows, plan, before=before)
        assert set(with_spark) == set(without)
        assert set(without) == {("regular", "product"), ("regular", "category"), ("intermittent", "product")}
        for key, expected in without.items():
            assert with_spark[key].by_season.shape == (4, 2)  # two weeks ahead
            np.testing.assert_allclose(with_spark[key].by_season, expected.by_season, atol=1e-9)
            np.testing.assert_allclose(with_spark[key].total, expected.total, atol=1e-9)
    kept = kept_pools([row.asDict() for row in kept_ends(series_models(tried, ends, plan)).collect()])
    now = pools_of(ends, before_last=False)
    assert {key: of.total.tolist() for key, of in kept.items()} == {key: of.total.tolist() for key, of in now.items()}


def test_a_calendar_with_a_hole_is_refused_by_name(spark: SparkSession) -> None:
    days = [DAY - datetime.timedelta(days=n) for n in (4, 3, 1)]
    sales = DailySales.frame(spark, [{"as_of": DAY, "series_id": "product:p", "day": day} for day in days])
    with pytest.raises(PySparkException, match="daily_sales: series product:p has 3 days where its calendar has 4"):
        sales_series(sales, as_of=DAY, partitions=1).collect()


def test_settings_with_an_unknown_model_fail_before_any_work(spark: SparkSession, plan: ForecastSettings) -> None:
    series = sales_series(DailySales.frame(spark), as_of=DAY, partitions=1)
    with pytest.raises(SettingsError, match=r"forecast.models_intermittent: there is no model Prophet"):
        tried_models(series, plan.model_copy(update={"models_intermittent": ["Prophet"]}))


def test_metrics_are_means_over_series_and_counts(spark: SparkSession) -> None:
    def row(series: str, model: str, champion: bool, picked: bool, mae: float | None, **more: object) -> dict[str, Any]:
        return {
            "series_id": series,
            "level": "product",
            "profile": "regular",
            "model": model,
            "champion": champion,
            "picked": picked,
            "mae": mae,
            "units": [1.0],
            **more,
        }

    models = SeriesModel.frame(
        spark,
        [
            row("a", "SeasonalNaive", False, False, 3.0, mase=1.5, absolute_error=6.0, actual=4.0),
            row("a", "Theta", True, True, 2.0, mase=1.0, absolute_error=4.0, actual=4.0, expected=8.0, price=10.0),
            # never changes: no mase
            row("b", "SeasonalNaive", True, True, 1.0, absolute_error=2.0, actual=16.0, expected=14.0, price=1.0),
            row("b", "Theta", False, False, None, units=None, failure="Theta: …"),
            row("b", "Mean", False, False, None, failure="Theta: …"),
            row("c", "Mean", True, False, None, profile="short"),
        ],
    )
    found = {(r.metric, r.slice): (r.value, r.n) for r in forecast_metrics(models).collect()}
    assert found["mae", "SeasonalNaive"] == (2.0, 2)  # (3 + 1) / 2
    assert found["mae", "champion"] == (1.5, 2)  # Theta's 2 on a, SeasonalNaive's 1 on b
    assert found["mase", "champion"] == (1.0, 1)
    assert found["wape", "champion:product"] == (0.3, 2)  # (4 + 2) / (4 + 16)
    assert found["wape_revenue", "champion"] == (0.75, 2)  # (4 · 10 + 2 · 1) / (4 · 10 + 16 · 1)
    assert found["bias", "champion"] == (0.1, 2)  # (8 − 4 + 14 − 16) / (4 + 16)
    assert found["total_error", "champion"] == (0.3, 2)  # (4 + 2) / (4 + 16)
    assert found["wape", "SeasonalNaive:regular"] == (0.4, 2)
    assert found["smape", "champion"] == (None, 0)
    assert found["series", "all"] == (3.0, 3)
    assert found["series", "short"] == (1.0, 1)
    assert found["champions", "Mean"] == (1.0, 1)
    assert found["failures", "Theta"] == (1.0, 2)  # failed on one of two series
    assert ("mae", "Mean") not in found
    written = forecasts(models, as_of=DAY)
    stamped = written.withColumns({Forecasts.as_of: F.lit(DAY), Forecasts.run_id: F.lit("r1")})  # what a write adds
    assert not Forecasts.schema_problems(stamped.schema)
    assert written.filter("series_id = 'b' and model = 'Theta'").isEmpty()
