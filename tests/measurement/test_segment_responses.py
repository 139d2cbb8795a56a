"""How segments answer to offers of a mechanic, each leaning on the others by how little is known of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from promo_spark.contracts.measurement import SegmentResponses
from promo_spark.measurement.power import users_needed
from promo_spark.measurement.segment_responses import (
    best_probabilities,
    leaning_effects,
    leaning_shares,
    segment_responses,
)

BASE, LIFT = 0.10, 0.6  # of those who get nothing a tenth order; of those who get the best offer 0.16


def measured(
    segment: int, mechanic: str, estimate: float | None, se: float | None, users: int, **more: Any
) -> list[dict[str, Any]]:
    """Rows of Effects: what offers add to orders, a margin of 10 for each, and how many of a fifth were used."""
    of = {"slice": f"segment_mechanic:{segment}/{mechanic}", "window_days": 14, "n_treated": users, "n_control": users}
    none = estimate is None or se is None
    return [
        of | {"metric": "conversion", "method": "withheld", "estimate": estimate, "se": se} | more,
        of
        | {"metric": "margin", "method": "withheld"}
        | {"estimate": None if none else 10 * estimate, "se": None if none else 10 * se}  # type: ignore[operator]
        | more,
        of | {"metric": "redeemed", "method": "counted", "estimate": 0.2, "se": 0.01} | more,
    ]


def test_the_best_mechanic_of_each_segment_is_found() -> None:
    """H04: of four segments each has another best mechanic; users per cell by the power formula, 95 % of 200 worlds.

    The best adds 0.06 to a conversion of 0.10, the others nothing. Two others can be mistaken for it.
    """
    arms = users_needed(BASE, LIFT, power=0.95)
    mechanics = ("coupon", "discount", "points")
    right = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        rows = []
        for segment in range(1, 5):
            for place, mechanic in enumerate(mechanics):
                best = place == segment % len(mechanics)
                treated = rng.binomial(arms.treated, BASE * (1 + LIFT * best)) / arms.treated
                control = rng.binomial(arms.control, BASE) / arms.control
                error = (treated * (1 - treated) / arms.treated + control * (1 - control) / arms.control) ** 0.5
                rows += measured(segment, mechanic, treated - control, error, arms.treated)
        found: dict[int, dict[str, float]] = {}
        for row in segment_responses(rows):
            found.setdefault(row["segment_id"], {})[row["mechanic"]] = row["best_probability"]
        right += sum(max(of, key=of.__getitem__) == mechanics[s % len(mechanics)] for s, of in found.items())
    assert right / (4 * 200) >= 0.95


def test_a_segment_of_which_nothing_is_known_has_what_holds_for_all() -> None:
    """H04: segment 3 was given no coupon; 1 and 2 answer by 0.02 and 0.04, as surely."""
    rows = [*measured(1, "coupon", 0.02, 0.01, 900), *measured(2, "coupon", 0.04, 0.01, 900)]
    rows += measured(3, "discount", 0.05, 0.01, 900)
    found = {(r["segment_id"], r["mechanic"]): r for r in segment_responses(rows)}
    assert found[3, "coupon"]["conversion"] == pytest.approx(0.03) and found[3, "coupon"]["n_treated"] == 0
    assert 0.02 < found[1, "coupon"]["conversion"] < 0.03 < found[2, "coupon"]["conversion"] < 0.04
    assert found[3, "coupon"]["conversion_se"] > found[1, "coupon"]["conversion_se"]
    assert found[3, "coupon"]["used"] == pytest.approx(0.2, abs=1e-3)  # nobody's own: that of the others
    assert found[3, "coupon"]["used_high"] > found[1, "coupon"]["used_high"]
    # a discount is known of segment 3 alone, and said of all
    assert found[1, "discount"]["conversion"] == found[3, "discount"]["conversion"] == pytest.approx(0.05)
    for segment in (1, 2, 3):
        shares = [found[segment, mechanic]["best_probability"] for mechanic in ("coupon", "discount")]
        assert sum(shares) == pytest.approx(1, abs=1e-5) and shares[1] > shares[0]


def test_too_few_users_tell_nothing_and_the_longest_window_counts() -> None:
    few = [*measured(1, "coupon", None, None, 5), *measured(1, "coupon", 0.02, 0.01, 900, window_days=28)]
    [row] = segment_responses(few)
    assert row["conversion"] == pytest.approx(0.02) and row["n_treated"] == 900 and row["best_probability"] == 1
    [row] = segment_responses(measured(2, "points", None, None, 5))
    assert row["margin"] is None and row["best_probability"] is None and row["users"] == 5
    assert set(row) == set(SegmentResponses.columns()) - {"date", "run_id"}
    assert segment_responses([]) == []


def test_equal_segments_become_one_and_different_ones_stay_apart() -> None:
    alike = leaning_effects([0.9, 1.0, 1.1], [0.5, 0.5, 0.5])  # they scatter by less than their errors
    assert alike is not None and alike.values == pytest.approx([1.0, 1.0, 1.0])
    assert alike.errors == pytest.approx([0.5 / 3**0.5] * 3)
    apart = leaning_effects([-5.0, 5.0], [0.1, 0.1])
    assert apart is not None and apart.values == pytest.approx([-5, 5], abs=0.01)
    means, low, high = leaning_shares([50, 5000], [0.5, 0.1])
    assert 0.1 < means[0] < 0.5 and means[1] == pytest.approx(0.1, abs=0.001)
    assert (low < means).all() and (means < high).all() and high[1] - low[1] < high[0] - low[0]


def test_who_is_best_for_sure_is_said_for_sure() -> None:
    assert best_probabilities(np.array([0.0, 9.0, 1.0]), np.array([1.0, 1.0, 1.0])).argmax() == 1
    even = best_probabilities(np.array([1.0, 1.0, 1.0]), np.array([0.3, 0.3, 0.3]))
    assert even == pytest.approx([1 / 3] * 3, abs=1e-6)
