"""ARIMA models are fitted to series whose answer is known by how they were made."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.forecasts.arima import fitted_arima
from promo_spark.models.forecasts.local_models import batch_forecasts

TOY = np.array([100.0, 120, 150, 180, 200, 220, 250])
WEEK = np.array([5.0, 3, 4, 6, 9, 14, 12])


def test_the_coefficients_of_a_simulated_series_are_found() -> None:
    """F03, F05: X[t] = 0.6·X[t−1] + e[t] + 0.3·e[t−1], 5000 values: both within 0.05, the variance of e too."""
    draw = np.random.default_rng(1).normal(size=5001)
    values = np.zeros(5001)
    for t in range(1, 5001):
        values[t] = 0.6 * values[t - 1] + draw[t] + 0.3 * draw[t - 1]
    found = fitted_arima(values[1:], 1, order=(1, 0, 1))
    assert found.coefficients["ar1"] == pytest.approx(0.6, abs=0.05)
    assert found.coefficients["ma1"] == pytest.approx(0.3, abs=0.05)
    assert found.variance == pytest.approx(1.0, abs=0.05)


def test_a_trend_is_taken_out_by_one_difference_and_a_week_by_a_seasonal_one() -> None:
    """F02, F04: steps of 20, 30, 30, 20, 20, 30 have the mean 25, the drift; a week's rhythm gets D = 1, and d = 0."""
    assert np.diff(TOY).tolist() == [20, 30, 30, 20, 20, 30]
    of_toy = fitted_arima(TOY, 1)
    assert of_toy.name == "ARIMA(0,1,0) with drift" and of_toy.coefficients["drift"] == pytest.approx(25.0)
    assert of_toy.equation.startswith("(1 − B)X[t] = 25 + W[t]")
    ahead = batch_forecasts([TOY], ["AutoARIMA"], horizon_days=3, season_days=1)
    assert ahead.units[0, 0] == pytest.approx([275, 300, 325])
    of_weeks = fitted_arima(np.tile(WEEK, 12) + np.random.default_rng(2).normal(0, 0.5, 84), 7)
    assert of_weeks.seasonal[1] == 1 and of_weeks.season == 7
    assert of_weeks.order[1] == 0
