"""Champions are stored, read again, and make the forecasts that a fit makes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.models import ForecastModels
from promo_spark.models.forecasts.batches import STORED
from promo_spark.models.forecasts.fitting import forecast_batch, whole_batch
from promo_spark.models.forecasts.series import INTERVALS, NO_ACCURACY, SeriesModel
from promo_spark.models.forecasts.stored import model_rows, stored_models
from promo_spark.settings import Settings
from promo_spark.settings.forecast import ForecastSettings

MONDAY, TUESDAY = datetime.date(2017, 11, 6), datetime.date(2017, 11, 7)
RANDOM = np.random.default_rng(5)
HISTORIES = {
    "often": RANDOM.poisson(9.0, 90) * 1.0,
    "weights": RANDOM.gamma(4.0, 2.0, 80),
    "rare": RANDOM.poisson(0.3, 90) * 1.0,
    "young": RANDOM.poisson(5.0, 20) * 1.0,
    "dead": np.concatenate([[3.0], np.zeros(60)]),
}


@pytest.fixture
def plan(settings: Settings) -> ForecastSettings:
    models = {"models_regular": ["SeasonalNaive", "WindowAverage", "Theta"], "models_top": []}
    return settings.forecast.model_copy(update={"horizon_days": 7, **models})


def series(histories: Mapping[str, npt.NDArray[np.float64]], stored: pd.DataFrame | None = None) -> pd.DataFrame:
    """SeriesToForecast: with the champions of `stored`, or none."""
    names = list(histories)
    frame = pd.DataFrame({"series_id": names, "item_id": names, "units": list(histories.values())})
    frame = frame.assign(level="product", top=False)
    if stored is None:
        return frame.assign(**dict.fromkeys(STORED))
    return frame.merge(stored[["series_id", *STORED]], on="series_id", how="left")


def fitted(plan: ForecastSettings) -> pd.DataFrame:
    """The champions' rows of a fit on Monday."""
    rows = whole_batch(series(HISTORIES), plan)
    return rows[rows.champion].assign(trained_on=MONDAY)


def by_series(rows: pd.DataFrame) -> dict[str, list[str]]:
    """What is published and stored of each series, as plain values: a null equals a null."""
    judged = (SeriesModel.picked, SeriesModel.picked_before, *NO_ACCURACY)
    columns = [c for c in rows.columns if c not in judged and "covered" not in c]
    plain = rows[columns].astype(object).where(rows[columns].notna(), None)
    values = [[repr(value) for value in row] for row in plain.itertuples(index=False)]
    return dict(zip(rows.series_id, values, strict=True))


def test_kept_champions_forecast_to_the_digit_as_the_fit_did(plan: ForecastSettings) -> None:
    champions = fitted(plan)
    kept = whole_batch(series(HISTORIES, champions), plan)
    assert by_series(kept) == by_series(champions)
    assert set(kept.profile) == {"regular", "intermittent", "short", "dead"}
    assert kept.mae.isna().all()  # no backtest


def test_a_series_that_is_new_or_of_another_kind_is_fitted_for_itself(plan: ForecastSettings) -> None:
    now = HISTORIES | {
        "often": HISTORIES["rare"],  # regular became intermittent
        "young": HISTORIES["often"],  # short became regular
        "joined": HISTORIES["often"],
    }
    rows = forecast_batch(series(now, fitted(plan)), plan)
    tried = rows.groupby("series_id").model.agg(list).to_dict()
    assert tried["often"] == ["Ensemble", *plan.models_intermittent]
    assert tried["young"] == tried["joined"] == plan.models_regular
    assert {series_id for series_id, models in tried.items() if len(models) == 1} == {"weights", "rare", "dead"}
    again = rows[rows.champion & rows.trained_on.isna()]
    assert set(again.series_id) == {"often", "young", "joined"}


def test_a_series_without_a_model_that_works_is_fitted_for_itself(
    plan: ForecastSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stored champion raises now, or is a rule, as every model had failed."""
    from statsforecast.models import WindowAverage

    def breaks(*_: object, **__: object) -> None:
        raise ValueError("unlucky")

    monkeypatch.setattr(WindowAverage, "forecast", breaks)
    champions = fitted(plan).set_index("series_id")
    champions.loc["often", "model"] = "WindowAverage"
    champions.loc["weights", "model"] = "Mean"
    rows = forecast_batch(series(HISTORIES, champions.reset_index()), plan).set_index(["series_id", "model"])
    assert rows.loc[("often", "WindowAverage"), "failure"] == "WindowAverage: ValueError: unlucky"
    assert np.isfinite(rows.mae["often", "SeasonalNaive"])  # a backtest
    assert rows.loc["weights"].champion.sum() == 1
    assert len(rows.loc["weights"]) == 4  # three models, and the rule that says which failed


def test_the_newest_earlier_date_is_read_and_the_oldest_champion_says_when_it_was_fitted(spark: SparkSession) -> None:
    models = SeriesModel.frame(
        spark,
        [
            {"series_id": "a", "model": "Theta", "champion": True, "profile": "regular", "trained_on": MONDAY}
            | {"error_scale": 1 / 3, **{ends: [1 / 3, 0.5] for ends in INTERVALS[1:]}},
            {"series_id": "a", "model": "TSB", "champion": False, "profile": "regular"},
            {"series_id": "b", "model": "Mean", "champion": True, "profile": "short"},
        ],
    )
    tuesday = model_rows(models, as_of=TUESDAY, made_by="made-1").withColumn(ForecastModels.as_of, F.lit(TUESDAY))
    monday = tuesday.withColumns({ForecastModels.as_of: F.lit(MONDAY), ForecastModels.model: F.lit("IMAPA")})
    stored = stored_models(tuesday.unionByName(monday))
    assert stored is not None
    assert (stored.trained_on, stored.made_by) == (MONDAY, "made-1")
    columns = (ForecastModels.series_id, ForecastModels.profile, ForecastModels.model, ForecastModels.trained_on)
    found = stored.rows.select(*columns, *INTERVALS).orderBy(ForecastModels.series_id)
    assert [tuple(row) for row in found.collect()] == [
        ("a", "regular", "Theta", MONDAY, 1 / 3, *[[1 / 3, 0.5]] * 5),  # to the bit
        ("b", "short", "Mean", TUESDAY, *[None] * 6),
    ]
    assert stored_models(ForecastModels.frame(spark)) is None
