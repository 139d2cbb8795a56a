"""Errors, champion and intervals, on figures that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.forecasts.backtest import (
    ResidualQuantiles,
    accuracy,
    champion,
    in_pieces,
    seasonal_naive_scale,
    windows_possible,
)


def test_mae_and_rmse_by_hand() -> None:
    """F10: y = 1, 2, 3 against 1, 3, 5: errors 0, 1, 2; MAE 1, RMSE √(5/3) = 1.2910; a perfect forecast has 0."""
    found = accuracy(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 5.0]))
    assert found.mae == 1.0
    assert found.rmse == pytest.approx(1.2910, abs=1e-4)
    perfect = accuracy(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    assert (perfect.mae, perfect.rmse, perfect.smape) == (0.0, 0.0, 0.0)


def test_mase_smape_and_the_parts_of_wape() -> None:
    scale = seasonal_naive_scale(np.array([1.0, 2.0, 4.0, 6.0]), season_days=2)  # |4 - 1|, |6 - 2|
    assert scale == 3.5
    found = accuracy(np.array([0.0, 2.0, 0.0]), np.array([0.0, 6.0, 1.0]), scale)
    assert found.mae == pytest.approx(5 / 3)
    assert found.mase == pytest.approx(5 / 3 / 3.5)
    assert found.smape == pytest.approx(200 / 3 * (0 + 4 / 8 + 1 / 1))  # nothing forecast, nothing sold: no error
    assert (found.absolute_error, found.actual, found.expected) == (5.0, 2.0, 7.0)


def test_mase_is_not_measurable_on_a_history_that_never_changes() -> None:
    assert np.isnan(accuracy(np.array([1.0]), np.array([2.0]), seasonal_naive_scale(np.full(20, 3.0), 7)).mase)
    assert np.isnan(seasonal_naive_scale(np.arange(7.0), 7))  # no day has one a season before it


def test_windows_leave_four_seasons_to_train_on() -> None:
    possible = {days: windows_possible(days, horizon_days=28, season_days=7, at_most=3) for days in (55, 56, 84, 999)}
    assert possible == {55: 0, 56: 1, 84: 2, 999: 3}


def test_the_champion_has_the_least_error_and_of_equals_is_the_simplest() -> None:
    """F11 (part: the champion's MAE is at most every rival's)."""
    residuals = np.array([[[2.0, -2.0], [1.0, -1.0], [1.0, 1.0], [0.0, 9.0]]])  # one window, four models, two days
    assert champion(residuals, "mae") == 1  # MAE 2, 1, 1, 4.5
    assert champion(np.array([[[3.0, 3.0], [0.0, 5.0]]]), "mae") == 1  # MAE 3, 2.5
    assert champion(np.array([[[3.0, 3.0], [0.0, 5.0]]]), "rmse") == 0  # MSE 9, 12.5
    by_model = np.abs(residuals).mean(axis=(0, 2))
    assert by_model[1] == by_model.min()


def test_a_model_that_failed_in_any_window_cannot_win() -> None:
    windows = np.array([[[0.0], [2.0]], [[np.nan], [2.0]]])
    assert champion(windows, "mae") == 1
    assert champion(np.full((2, 2, 1), np.nan), "rmse") is None


def test_only_a_model_that_is_clearly_better_replaces_the_standard() -> None:
    """F11 (part: of few windows a difference is chance). MAE 1.0 of the standard, 0.85 of the other: better by 15%."""
    residuals = np.array([[[1.0, -1.0], [0.9, -0.8]]])
    assert champion(residuals, "mae", standard=0, margin=0.2) == 0  # of one window by 20% at least
    four = np.repeat(residuals, 4, axis=0)
    assert champion(four, "mae", standard=0, margin=0.2) == 1  # of four windows by 10%
    assert champion(np.array([[[np.nan], [9.0]]]), "mae", standard=0, margin=0.2) == 1  # the standard failed


def test_interval_ends_are_order_statistics_and_skewed_as_the_errors_are() -> None:
    errors = np.array([-1.0] * 10 + [0.0] * 4 + [2.0, 3.0, 4.0, 5.0, 6.0])
    found = ResidualQuantiles.of(errors).around(np.array([10.0]))
    assert (found.lower_80[0], found.upper_80[0]) == (9.0, 15.0)  # rank ⌊20 · 0.1⌋ = 2 from either end: -1 and 5
    assert (found.lower_95[0], found.upper_95[0]) == (9.0, 16.0)  # ⌊20 · 0.025⌋ = 0: the extremes


def test_intervals_of_pieces_end_at_whole_pieces_and_hold_the_point() -> None:
    found = ResidualQuantiles.of(np.array([-0.28] * 17 + [0.72, 0.72])).around(np.array([0.3]), whole=True)
    assert (found.lower_80[0], found.upper_80[0]) == (0.0, 1.0)  # 0.02 and 1.02, rounded
    rare = ResidualQuantiles.of(np.full(19, -0.05)).around(np.array([0.05]), whole=True)
    assert (rare.lower_80[0], rare.upper_80[0]) == (0.0, 0.05)
    assert in_pieces(np.array([0.0, 3.0]))
    assert not in_pieces(np.array([0.0, 0.45]))
