"""What segments did and will do, on rows whose rhythm is planted."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from promo_spark.contracts.predictions import SEGMENT_MEASURES
from promo_spark.models.forecasts.segment_trends import trend_rows
from promo_spark.settings import load

DAY = datetime.date(2024, 6, 3)
WEEK = np.array([40.0, 42, 45, 50, 70, 110, 80])
SETTINGS = load(overrides=("forecast.horizon_days=28",)).forecast


def days_of(segment: int, users: Any, until: datetime.date = DAY) -> list[dict[str, Any]]:
    """SegmentDay: each user orders once, for 10."""
    first = until - datetime.timedelta(len(users))
    return [
        {
            "segment_id": segment,
            "segment_name": f"name {segment}",
            "day": first + datetime.timedelta(place),
            "users": int(count),
            "orders": int(count),
            "revenue": 10.0 * int(count),
        }
        for place, count in enumerate(users)
    ]


def test_a_planted_week_is_foretold_better_than_by_the_week_before() -> None:
    """C11: 182 days of a week with noise, and the 28 that follow: MAE below that of the same days a week ago.

    What is expected of orders is what is expected of users, and of revenue ten times that, as each user orders once.
    """
    draw = np.random.default_rng(7)
    noisy = np.rint(np.tile(WEEK, 30) * np.exp(draw.normal(0, 0.15, 210)))
    rows = trend_rows(days_of(3, noisy[:182]), SETTINGS, as_of=DAY)
    told = {m: [r["expected"] for r in rows if r["measure"] == m and "expected" in r] for m in SEGMENT_MEASURES}
    truth = noisy[182:]
    naive = np.tile(noisy[175:182], 4)
    assert np.abs(np.array(told["users"]) - truth).mean() < np.abs(naive - truth).mean()
    assert told["orders"] == told["users"]
    assert told["revenue"] == pytest.approx(10 * np.array(told["users"]), rel=1e-3)
    ahead = [r for r in rows if r["measure"] == "users" and "expected" in r]
    assert all(r["lower_95"] <= r["lower_80"] <= r["expected"] <= r["upper_80"] <= r["upper_95"] for r in ahead)
    assert [r["day"] for r in ahead] == [DAY + datetime.timedelta(n) for n in range(28)]


def test_days_without_a_row_are_days_without_anybody() -> None:
    """Segment 2 comes on one day of fourteen, segment 1 on all: each measure has 14 days behind it, 28 ahead."""
    rows = trend_rows([*days_of(1, [5] * 14), *days_of(2, [8], DAY)], SETTINGS, as_of=DAY)
    assert len(rows) == 2 * 3 * (14 + 28)
    of_users = [r for r in rows if r["measure"] == "users"]
    actual = {n: [r["actual"] for r in of_users if r["segment_id"] == n and "actual" in r] for n in (1, 2)}
    assert actual == {1: [5.0] * 14, 2: [0.0] * 13 + [8.0]}
    assert {r["expected"] for r in of_users if r["segment_id"] == 1 and "expected" in r} == {5.0}


def test_without_orders_there_is_nothing_to_tell() -> None:
    assert trend_rows([], SETTINGS, as_of=DAY) == []
    assert len(trend_rows(days_of(1, [3]), SETTINGS, as_of=DAY)) == 3 * (1 + 28)  # one day is no trend, and no error
