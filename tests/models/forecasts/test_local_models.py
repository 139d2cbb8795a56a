"""The models that settings may name, run in batches."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.errors import SettingsError
from promo_spark.models.forecasts.local_models import MODELS, batch_forecasts, require_known

TOY = np.array([100.0, 120.0, 150.0, 180.0, 200.0, 220.0, 250.0])
CHEAP = ["SeasonalNaive", "WindowAverage", "CrostonSBA", "TSB"]


def test_auto_arima_finds_the_drift_of_the_worked_example() -> None:
    """F02: AutoARIMA takes ARIMA(0,1,0) with drift, 25 a day: 275, 300, 325."""
    found = batch_forecasts([TOY], ["AutoARIMA"], horizon_days=3, season_days=7)
    assert found.units[0, 0] == pytest.approx([275.0, 300.0, 325.0])


def test_a_history_is_forecast_the_same_alone_and_in_a_batch() -> None:
    random = np.random.default_rng(7)
    histories = [random.poisson(rate, size=days).astype(float) for rate, days in ((0.3, 90), (4.0, 64), (30.0, 200))]
    names = [*CHEAP, "Theta"]
    together = batch_forecasts(histories, names, horizon_days=5, season_days=7).units
    for i, history in enumerate(histories):
        alone = batch_forecasts([history], names, horizon_days=5, season_days=7).units[0]
        np.testing.assert_array_equal(together[i], alone)


def test_a_failing_model_costs_one_history_and_says_why() -> None:
    """F01 (part: a model that raises on one series is recorded with its error text, the others go on)."""
    found = batch_forecasts([TOY[:3], TOY], ["SeasonalNaive", "Theta"], horizon_days=2, season_days=7)
    assert found.failures == {
        (0, 0): "SeasonalNaive: no number returned",  # three days hold no season
        (0, 1): "Theta: NotImplementedError: tiny datasets",
    }
    assert np.isnan(found.units[0]).all()
    assert found.units[1, 0].tolist() == [100.0, 120.0]  # as seven days before
    assert found.units[1, 1, 0] > 220.0


def test_a_falling_series_is_never_forecast_below_zero() -> None:
    falling = np.arange(60.0, 0.0, -1.0)
    units = batch_forecasts([falling], ["AutoARIMA"], horizon_days=5, season_days=7).units[0, 0]
    assert units.tolist() == [0.0] * 5  # 1 today, one less every day


@pytest.mark.parametrize("name", MODELS)
def test_every_model_that_settings_may_name_exists(name: str) -> None:
    weeks = np.tile([5.0, 3.0, 4.0, 6.0, 9.0, 12.0, 10.0], 8)
    found = batch_forecasts([weeks], [name], horizon_days=7, season_days=7)
    assert not found.failures
    assert found.units.shape == (1, 1, 7)
    assert found.units.mean() == pytest.approx(7.0, rel=0.2)


def test_unknown_and_doubled_models_are_named() -> None:
    with pytest.raises(SettingsError, match=r"forecast.models_regular: there is no model Prophet; there are: Seas"):
        require_known("forecast.models_regular", ["Theta", "Prophet"])
    with pytest.raises(SettingsError, match="a model stands twice in Theta, Theta"):
        require_known("forecast.models_top", ["Theta", "Theta"])
