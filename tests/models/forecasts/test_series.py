"""Forecasts and backtest of a batch, on series whose right answer is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from promo_spark.models.forecasts.fitting import whole_batch
from promo_spark.settings import Settings
from promo_spark.settings.forecast import ForecastSettings

WEEK = np.array([5.0, 3.0, 4.0, 6.0, 9.0, 14.0, 12.0])


@pytest.fixture
def plan(settings: Settings) -> ForecastSettings:
    return settings.forecast.model_copy(update={"horizon_days": 7, "models_top": []})


def forecast(plan: ForecastSettings, *, top: bool = False, **series: npt.ArrayLike) -> pd.DataFrame:
    return forecast_of(plan, series, top=top)


def forecast_of(plan: ForecastSettings, series: Mapping[str, npt.ArrayLike], *, top: bool = False) -> pd.DataFrame:
    names = list(series)
    frame = {"series_id": names, "item_id": names, "units": [np.asarray(s, float) for s in series.values()]}
    return whole_batch(pd.DataFrame(frame).assign(level="product", top=top), plan)


def by_model(rows: pd.DataFrame, column: str) -> dict[str, Any]:
    return dict(zip(rows.model, rows[column], strict=True))


@pytest.mark.parametrize("sold", [np.tile(WEEK, 30), np.r_[1.0, np.zeros(209)]], ids=["often", "once"])
def test_every_category_of_two_seasons_has_a_forecast(plan: ForecastSettings, sold: npt.NDArray[np.float64]) -> None:
    """F15: from two weeks of history on, whatever is sold, the champion tells every day ahead and its bounds."""
    names = {f"of {days} days": sold[:days] for days in (14, 15, 27, 28, 56, 210)}
    rows = forecast_of(plan, names)
    champions = rows[rows.champion].set_index("series_id")
    assert set(champions.index) == set(names)
    for row in champions.itertuples():
        units, low, high = (np.asarray(of, float) for of in (row.units, row.lower_80, row.upper_80))
        assert len(units) == 7 and (low <= units).all() and (units <= high).all() and (units >= 0).all()


def test_a_planted_trend_and_week_is_forecast_better_than_the_week_before(plan: ForecastSettings) -> None:
    """F01: trend + weekly season: the champion's MAE is below SeasonalNaive's, in the backtest and ahead."""
    days = np.arange(168)
    truth = 50 + 0.5 * days + np.tile(WEEK, 24)
    known = truth[:140] + np.random.default_rng(1).normal(0, 2, 140)
    rows = forecast(plan.model_copy(update={"horizon_days": 28}), grows=known)
    champion = rows[rows.champion].iloc[0]
    naive = rows[rows.model == "SeasonalNaive"].iloc[0]
    assert champion.model == "DynamicOptimizedTheta"
    assert champion.mae < 0.5 * naive.mae  # which is one to four weeks of 3.5 behind
    assert np.abs(champion.units - truth[140:]).mean() < 0.5 * np.abs(naive.units - truth[140:]).mean()


def test_rare_sales_go_to_croston_or_tsb(plan: ForecastSettings) -> None:
    """F11 (part: intermittent → Croston/TSB)."""
    sales = np.tile([2.0, 0, 2, 0, 0, 0, 0, 2, 0, 0], 21)  # gaps of 2, 5 and 3 days: 3 sales of 2 in 10, 0.6 a day
    plan = plan.model_copy(update={"models_intermittent": ["SeasonalNaive", "CrostonSBA", "TSB"], "horizon_days": 28})
    rows = forecast(plan, rare=sales)
    champion = rows[rows.champion].iloc[0]
    assert champion.profile == "intermittent"
    assert champion.model in {"CrostonSBA", "TSB"}
    assert champion.units.mean() == pytest.approx(0.6, abs=0.1)
    assert champion.rmse < by_model(rows, "rmse")["SeasonalNaive"]


def test_an_autoregressive_series_goes_to_arima(plan: ForecastSettings) -> None:
    """F11 (part: linear AR series → ARIMA wins)."""
    shocks = np.random.default_rng(0).normal(0, 5, 150)
    level = np.zeros(150)
    for t in range(1, 150):
        level[t] = 0.95 * level[t - 1] + shocks[t]
    names = ["SeasonalNaive", "WindowAverage", "AutoARIMA"]
    plan = plan.model_copy(update={"models_regular": names, "horizon_days": 3, "backtest_windows": 2})
    rows = forecast(plan, ar=200 + level[50:])
    assert by_model(rows, "champion") == {"SeasonalNaive": False, "WindowAverage": False, "AutoARIMA": True}


def test_every_series_has_one_champion_whatever_it_is(plan: ForecastSettings) -> None:
    rows = forecast(
        plan.model_copy(update={"min_history_days": 30}),
        one_day=[4.0],
        five_days=[10.0, 20.0, 30.0, 40.0, 50.0],
        dead=[1.0] + [0.0] * 60,
        always=np.full(90, 3.0),
        no_window=np.full(30, 3.0),
        returned=[-2.0] * 60,  # more returned than sold on every day: nothing is sold
    )
    champions = rows[rows.champion].set_index("series_id")
    assert champions.index.is_unique
    assert champions.model.to_dict() == {
        "one_day": "Mean",
        "five_days": "Drift",
        "dead": "Zero",
        "always": "Ensemble",  # all models are right
        "no_window": "ThetaEnsemble",
        "returned": "Zero",
    }
    # the trend goes on for half as many days as it was seen
    assert champions.units["five_days"].tolist() == [60.0, 70.0, 70.0, 70.0, 70.0, 70.0, 70.0]
    for column in ("units", "lower_95", "upper_95"):
        assert np.isfinite(np.vstack(champions[column].to_list())).all()


def test_the_scored_model_is_chosen_without_the_window_it_is_scored_on(plan: ForecastSettings) -> None:
    names = ["WindowAverage", "SeasonalNaive"]
    plan = plan.model_copy(update={"models_regular": names, "backtest_windows": 2})
    steady = np.tile(WEEK, 12)
    broken = np.concatenate([steady[:-7], np.full(7, WEEK.mean())])  # the week ends just when it is scored
    rows = forecast(plan, steady=steady, broken=broken)
    broken_rows = rows[rows.series_id == "broken"]
    assert by_model(broken_rows, "picked") == {"WindowAverage": False, "SeasonalNaive": True}
    assert by_model(broken_rows, "mae")["SeasonalNaive"] == pytest.approx(np.abs(WEEK - WEEK.mean()).mean())
    assert by_model(broken_rows, "mae")["WindowAverage"] == 0.0
    assert by_model(rows[rows.series_id == "steady"], "champion")["SeasonalNaive"]


def test_a_failing_model_leaves_a_rule_row_with_its_error(
    plan: ForecastSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F01: one failing series yields a fallback row with error text, not a job failure."""
    from statsforecast.models import SeasonalNaive

    works = SeasonalNaive.forecast

    def breaks(self: SeasonalNaive, y: npt.NDArray[np.float64], h: int, **more: Any) -> Any:
        if y[0] == 13.0:
            raise ValueError("unlucky")
        return works(self, y=y, h=h, **more)

    monkeypatch.setattr(SeasonalNaive, "forecast", breaks)
    unlucky, lucky = np.tile(WEEK, 12), np.tile(WEEK, 12)
    unlucky[0] = 13.0
    only = plan.model_copy(update={"models_regular": ["SeasonalNaive"]})
    rows = forecast(only, lucky=lucky, unlucky=unlucky).set_index(["series_id", "model"])
    assert rows.loc[("lucky", "SeasonalNaive"), "champion"]
    assert rows.loc[("unlucky", "SeasonalNaive"), "units"] is None
    assert rows.loc[("unlucky", "Mean"), "champion"]
    assert rows.loc[("unlucky", "Mean"), "failure"] == "SeasonalNaive: ValueError: unlucky"
    assert rows.units["unlucky", "Mean"].tolist() == pytest.approx([WEEK.mean()] * 7)
    both = plan.model_copy(update={"models_regular": ["SeasonalNaive", "WindowAverage"]})
    rows = forecast(both, unlucky=unlucky)
    assert by_model(rows, "champion") == {"SeasonalNaive": False, "WindowAverage": True, "Mean": False}


def test_intervals_are_ordered_never_negative_and_hold_in_the_backtest(plan: ForecastSettings) -> None:
    """F19: over 60 noisy series, 80% intervals hold on 70-90% of the last window's days."""
    random = np.random.default_rng(11)
    plan = plan.model_copy(update={"horizon_days": 28, "models_regular": ["SeasonalNaive", "WindowAverage"]})
    rows = forecast_of(plan, {f"s{i}": random.normal(40, 8, 200) for i in range(60)})
    for low, high in (("lower_95", "lower_80"), ("lower_80", "units"), ("units", "upper_80"), ("upper_80", "upper_95")):
        assert (np.vstack(rows[low].to_list()) <= np.vstack(rows[high].to_list())).all()
    assert (np.vstack(rows.lower_95.to_list()) >= 0).all()
    assert 0.7 < rows.covered_80.mean() < 0.9
    assert 0.65 < rows[rows.picked].total_covered_80.mean() < 0.95


def test_the_mean_of_models_is_the_champion_where_no_model_is_clearly_better(plan: ForecastSettings) -> None:
    """F11 (part: one to three windows choose by chance; the ensemble stays unless another is clearly better)."""
    random = np.random.default_rng(2)
    rows = forecast(plan, noisy=random.normal(40, 8, 140), grows=np.arange(140) + np.tile(WEEK, 20))
    champions = rows[rows.champion].set_index("series_id").model.to_dict()
    assert champions == {"noisy": "Ensemble", "grows": "SeasonalNaive"}  # by 7 a week; most members keep a level
    members = rows[(rows.series_id == "noisy") & rows.model.isin(plan.ensemble_regular)]
    assert len(members) == 3  # AutoETS is for top series
    ensemble = rows[(rows.series_id == "noisy") & rows.champion].units.iloc[0]
    assert ensemble == pytest.approx(np.mean(np.vstack(members.units.to_list()), axis=0), abs=1e-6)


def test_monthly_series_have_models_without_a_season(plan: ForecastSettings) -> None:
    """AutoETS of a season of one day has no seasonal part, and does not fail."""
    grows = 100 + 3.0 * np.arange(60)
    rows = forecast(plan.model_copy(update={"season_days": 1, "models_top": ["AutoETS"]}), top=True, grows=grows)
    assert rows.failure.isna().all() and {"AutoETS", "ThetaEnsemble"} <= set(rows.model)
    assert rows[rows.champion].units.iloc[0][-1] == pytest.approx(100 + 3 * 66, rel=0.02)


def test_of_series_with_a_trend_the_mean_of_the_theta_models_is_the_standard(plan: ForecastSettings) -> None:
    """F11 (part: what grows is not forecast by means that keep a level)."""
    random = np.random.default_rng(6)
    walks = {f"s{i}": 100 + random.normal(4, 4, 90).cumsum() for i in range(12)}
    rows = forecast_of(plan.model_copy(update={"season_days": 1, "horizon_days": 12}), walks)
    champions = rows[rows.champion].model.value_counts()
    assert champions["ThetaEnsemble"] >= 4 and "Ensemble" not in champions.index


def test_each_kind_of_series_gets_what_suits_it_and_the_champion_is_the_best_in_the_backtest(
    plan: ForecastSettings,
) -> None:
    """F11: linear → ARIMA; rare → Croston or TSB; five points → their drift; no rival was better in the window."""
    draw = np.random.default_rng(6)
    linear = np.full(120, 50.0)
    for day in range(1, 120):
        linear[day] = 50 - 0.9 * (linear[day - 1] - 50) + draw.normal(0, 1)
    models = {"models_regular": ["SeasonalNaive", "WindowAverage", "AutoARIMA"], "ensemble_regular": []}
    rare = {"models_intermittent": ["SeasonalNaive", "CrostonSBA", "TSB"], "ensemble_intermittent": []}
    plan = plan.model_copy(
        update=models | rare | {"season_days": 1, "backtest_windows": 1, "champion_margin": 0.0, "horizon_days": 4}
    )
    rows = forecast(plan, linear=linear, rare=np.tile([2.0, 0, 2, 0, 0, 0, 0, 2, 0, 0], 12), five=[10, 20, 30, 40, 50])
    champions = rows[rows.champion].set_index("series_id")
    assert champions.model["linear"] == "AutoARIMA"
    assert champions.model["rare"] in {"CrostonSBA", "TSB"}
    assert champions.model["five"] == "Drift"
    for name, error in (("linear", "mae"), ("rare", "rmse")):
        assert champions.loc[name, error] == rows.loc[rows.series_id == name, error].min()
