"""How much of a series is trend, and how much season."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.forecasts.decomposition import strengths

WEEK = np.array([5.0, 3, 4, 6, 9, 14, 12])


def test_a_planted_week_is_strong_and_noise_is_not() -> None:
    """C12: the season's strength is above 0.6 of a planted week, below 0.2 of noise; a rise is a trend."""
    noise = np.random.default_rng(1).normal(0, 1, 182)
    of_week, of_noise = strengths(np.tile(WEEK, 26) + noise, 7), strengths(50 + noise, 7)
    assert of_week is not None and of_noise is not None
    assert of_week.season > 0.6 and of_noise.season < 0.2
    rising = strengths(0.2 * np.arange(182) + noise, 7)
    assert rising is not None and rising.trend > 0.9 and rising.season < 0.2
    assert of_week.trend < 0.5


@pytest.mark.parametrize("season", [4, 12])
def test_seasons_of_an_even_number_of_periods(season: int) -> None:
    found = strengths(np.tile(np.arange(season) ** 2.0, 6) + np.arange(6.0 * season), season)
    assert found is not None and found.season == pytest.approx(1.0) and found.trend == pytest.approx(1.0)


def test_a_constant_and_a_series_that_is_too_short() -> None:
    constant = strengths(np.full(28, 4.0), 7)
    assert constant is not None and (constant.trend, constant.season) == (0.0, 0.0)
    assert strengths(np.arange(13.0), 7) is None
    yearly = strengths(np.arange(10.0), 1)
    assert yearly is not None and yearly.trend == pytest.approx(1.0) and np.isnan(yearly.season)
