"""Kinds of series, and the rule for those no model can be fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from promo_spark.models.forecasts.rules import rule_forecast, series_kind

LIMITS: dict[str, Any] = {"min_history_days": 56, "dead_days": 56, "intermittent_gap": 1.32}
TOY = np.array([100.0, 120.0, 150.0, 180.0, 200.0, 220.0, 250.0])


def test_the_worked_example_drifts_on() -> None:
    """F18 (part: the drift forecast). F11 (part: a short series gets drift).

    The changes are 20, 30, 30, 20, 20, 30; their mean is 25, so 250 goes on to 275, 300, 325.
    """
    rule = rule_forecast(TOY, "short", horizon_days=3, season_days=7)
    assert rule.name == "Drift"
    assert rule.forecast.units.tolist() == [275.0, 300.0, 325.0]


def test_first_differences_take_the_trend_out() -> None:
    """F04 (part: differences of the worked example). Their deviation, 5.477, is what the intervals are made of."""
    changes = np.diff(TOY)
    assert (changes.tolist(), changes.mean()) == ([20, 30, 30, 20, 20, 30], 25.0)
    found = rule_forecast(TOY, "short", horizon_days=4, season_days=7).forecast
    half_width = found.upper_80 - found.units
    assert half_width[0] == pytest.approx(1.2816 * 5.477, rel=1e-3)
    assert half_width[3] == pytest.approx(2 * half_width[0])  # √4 of a day's


@pytest.mark.parametrize(
    "units",
    [
        [5.0, 3.0, 8.0, 4.0, 6.0],  # noise: the changes are -2, 5, -4, 2
        [2.0, 4.0, 6.0, 8.0, 10.0, 20.0, 1.0] * 3,  # rises through each week, but not from week to week
        [4.0],  # one day tells nothing of a change
    ],
)
def test_what_does_not_move_steadily_keeps_its_mean(units: list[float]) -> None:
    rule = rule_forecast(np.array(units), "short", horizon_days=2, season_days=7)
    assert rule.name == "Mean"
    assert rule.forecast.units.tolist() == pytest.approx([np.mean(units)] * 2)
    assert (rule.forecast.lower_95 <= rule.forecast.lower_80).all()
    assert (rule.forecast.lower_80 <= rule.forecast.units).all()
    assert (rule.forecast.upper_80 <= rule.forecast.upper_95).all()


def test_the_mean_is_that_of_the_last_two_seasons() -> None:
    units = np.array([9.0] * 30 + [1.0, 3.0] * 7)  # the 14 days of 1 and 3: mean 2
    assert rule_forecast(units, "short", horizon_days=1, season_days=7).forecast.units.tolist() == [2.0]


def test_a_dead_series_is_forecast_zero() -> None:
    rule = rule_forecast(np.array([3.0] * 10 + [0.0] * 56), "dead", horizon_days=2, season_days=7)
    assert (rule.name, rule.forecast.units.tolist(), rule.forecast.upper_95.tolist()) == ("Zero", [0, 0], [0, 0])


@pytest.mark.parametrize(
    ("units", "kind"),
    [
        ([1.0] + [0.0] * 56, "dead"),  # the last sale is 57 days ago
        ([1.0] * 44 + [1.0] + [0.0] * 55, "intermittent"),  # 55 days without a sale: not yet dead; gap 100 / 45
        ([1.0] * 55, "short"),
        ([1.0] * 56, "regular"),
        ([1.0] * 75 + [0.0] * 24, "regular"),  # 99 days / 75 with a sale = 1.32: not above
        ([1.0] * 75 + [0.0] * 25, "intermittent"),  # 100 / 75 = 1.33
    ],
)
def test_kinds_of_series_begin_at_their_limits(units: list[float], kind: str) -> None:
    assert series_kind(np.array(units), **LIMITS) == kind


def test_what_is_launched_does_not_grow_for_ever_nor_keep_its_first_days() -> None:
    """F18: the trend of seven days goes on for three. A launch sells less than its first days say."""
    drift = rule_forecast(TOY, "short", horizon_days=5, season_days=7).forecast
    assert drift.units.tolist() == [275.0, 300.0, 325.0, 325.0, 325.0]
    launched = np.array([6.0, 2.0, 0.0, 4.0, 1.0, 8.0, 0.0])  # 21 in 7 days
    of_new_shop, of_old_shop = (
        rule_forecast(launched, "short", horizon_days=4, season_days=7, days_before=days) for days in (0, 300)
    )
    assert (of_new_shop.name, of_new_shop.forecast.units[0]) == ("Mean", 3.0)
    assert of_old_shop.forecast.units[0] == 1.5  # 21 in 14 days: the week before it counts, without a sale
    assert of_old_shop.total.units.tolist() == [6.0]
    assert of_old_shop.total.upper_80[0] > 6.0 > of_old_shop.total.lower_80[0] == 0.0


def test_the_sum_of_a_random_walk_is_wider_than_its_days() -> None:
    """Changes of deviation s: day h has s·√h, the sum of two days s·√(1² + 2²), as the first change is in both."""
    found = rule_forecast(TOY, "short", horizon_days=2, season_days=7)
    day, total = (f.upper_80[0] - f.units[0] for f in (found.forecast, found.total))
    assert total == pytest.approx(day * np.sqrt(5))
