"""Intervals of pooled errors: by season ahead, of days and of sums, of pieces and of weights."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.forecasts.intervals import (
    IntervalEnds,
    Scores,
    covered,
    error_scale,
    pooled_ends,
    scale_of,
    scores,
)


def test_intervals_grow_with_the_horizon_as_the_errors_of_all_series_do() -> None:
    """F19: of 300 random walks of other sizes, learnt on one half, 80% hold 77-83% in each week of the other half."""
    random = np.random.default_rng(3)
    size = random.uniform(50, 500, (300, 1))
    walks = size * (1 + 0.02 * random.normal(size=(300, 28)).cumsum(axis=1))
    scale = [s * 0.02 * 0.8 / np.sqrt(s + 0.1) for s in size[:, 0]]  # of a day's change
    of_walks = [
        scores(walk, np.full(28, s), e, whole=False) for walk, s, e in zip(walks, size[:, 0], scale, strict=True)
    ]
    ends = pooled_ends(of_walks[:150], season_days=7)
    widths = ends.by_season[1] - ends.by_season[0]
    assert (np.diff(widths) > 0).all() and widths[3] > 2 * widths[0]
    for week in range(4):
        days = slice(7 * week, 7 * week + 7)
        own = IntervalEnds(ends.by_season[:, [week]], ends.total)
        held = [
            covered(Scores(of.lower[days], of.upper[days], of.total_lower, of.total_upper), own, 7)
            for of in of_walks[150:]
        ]
        assert 0.7 < np.mean([h[0] for h in held]) < 0.9
    held = [covered(of, ends, 7) for of in of_walks[150:]]
    assert 0.77 < np.mean([h[0] for h in held]) < 0.83
    assert 0.92 < np.mean([h[1] for h in held]) < 0.98
    assert 0.7 < np.mean([h[2] for h in held]) < 0.9  # of the sum


def test_rounded_ends_of_pieces_hold_as_often_as_they_say() -> None:
    """F19 (part: small counts). Of 2 pieces a day an interval that is rounded outward would hold 90%, not 80%."""
    random = np.random.default_rng(4)
    rates = random.uniform(1.0, 4.0, 400)
    counts = random.poisson(rates[:, None], (400, 28)).astype(float)
    said = [np.full(28, rate) for rate in rates]
    of_counts = [scores(c, s, 0.8, whole=True) for c, s in zip(counts, said, strict=True)]
    ends = pooled_ends(of_counts[:200], season_days=7)
    held, told = [], []
    for count, units, of in zip(counts[200:], said[200:], of_counts[200:], strict=True):
        found = ends.around(units, 0.8, whole=True, season_days=7)
        held.append(((found.lower_80 <= count) & (count <= found.upper_80)).mean())
        told.append(covered(of, ends, 7)[0])
    assert 0.77 < np.mean(held) < 0.83
    assert np.mean(told) == pytest.approx(np.mean(held), abs=0.01)  # what is measured is what is published


def test_the_scale_grows_with_the_root_of_the_forecast_and_is_known_without_a_window() -> None:
    history = np.tile([4.0, 6.0], 28) + np.repeat([0.0, 1.3], 28)  # 1.3 more in the second half: 7 of 105 differences
    none = np.empty((0, 28))
    without = error_scale(history, none, none, season_days=2)
    assert without == pytest.approx(2 / 54 / np.sqrt(history.mean() + 0.1))  # 2 of 54 differ by 1.3, over 1.3
    flat = np.full((1, 28), 5.0)
    # one window of errors of 3, and the differences as if one more
    assert error_scale(history, np.full((1, 28), 3.0), flat, 2) == pytest.approx((3 / np.sqrt(5.1) + without) / 2)
    assert scale_of(np.full(7, 8.9), 0.5) == pytest.approx(1.5)  # 0.5 · √9


def test_where_no_series_has_a_window_the_ends_are_those_of_normal_errors() -> None:
    ends = IntervalEnds.of_normal(horizon_days=28, season_days=7)
    assert ends.by_season.shape == (4, 4)
    # a mean absolute error of 8 is a deviation of 8 · √(π/2) = 10.03; 80% of a normal lie within 1.2816 of them
    found = ends.around(np.full(28, 63.9), 1.0, whole=False, season_days=7)
    assert found.upper_80[0] - 63.9 == pytest.approx(1.2816 * 10.03, rel=2e-3)
    total = ends.total_around(np.full(28, 63.9), 1.0, whole=False)
    assert total.upper_80[0] - 28 * 63.9 == pytest.approx(12.85 * np.sqrt(28), rel=2e-3)
